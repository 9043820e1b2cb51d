"""Payments, their revisions, holds, instructions and evidence."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from common.sequence import sequence_column
from disbursement.metadata import metadata

payment_table = Table(
    "payment",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("agreement_id", Uuid, nullable=False),
    Column("tranche", SmallInteger, nullable=False),
    Column("grant_id", Uuid, ForeignKey("funding_grant.id"), nullable=False),
    Column("partner_id", Uuid, nullable=False),
    Column("country", Text, nullable=False),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("held_from", Text),
    Column("revision", Integer, nullable=False),
    Column("payload_hash", Text, nullable=False),
    Column("account_id", Uuid),
    Column("account_version", Integer),
    Column("approvals_required", SmallInteger, nullable=False),
    Column("approvals_given", SmallInteger, nullable=False),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    Column("released_at", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    Column("settled_on", Date),
    Column("returned_on", Date),
    Column("failure_code", Text),
    Column("confirmed_on", Date),
)

payment_revision = Table(
    "payment_revision",
    metadata,
    Column("payment_id", Uuid, ForeignKey("payment.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("author", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("payload_hash", Text, nullable=False),
    Column("account_id", Uuid),
    Column("account_version", Integer),
)

payment_hold = Table(
    "payment_hold",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.id"), nullable=False),
    Column("cause", Text, nullable=False),
    Column("took_effect", Boolean, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("lifted_at", DateTime(timezone=True)),
    Column("lifted_by", Text),
)

payment_instruction = Table(
    "payment_instruction",
    metadata,
    Column("payment_id", Uuid, ForeignKey("payment.id"), primary_key=True),
    Column("message_id", Text, nullable=False, unique=True),
    Column("payload_hash", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("handed_over_at", DateTime(timezone=True), nullable=False),
    Column("handed_over_by", Text, nullable=False),
)

payment_evidence = Table(
    "payment_evidence",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.id"), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reference", Text),
    Column("reason_code", Text),
    Column("status_code", Text),
    Column("occurred_on", Date, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("confirmed_by", Text),
    Column("dismissed_at", DateTime(timezone=True)),
    Column("dismissed_by", Text),
)
