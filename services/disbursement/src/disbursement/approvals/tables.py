"""What a submission must meet, and what people decided on it. Append-only, kept by triggers."""

from sqlalchemy import ARRAY, Column, DateTime, Integer, SmallInteger, Table, Text, Uuid

from disbursement.metadata import metadata

payment_submission = Table(
    "payment_submission",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("submitter", Text, nullable=False),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    Column("approvals_required", SmallInteger, nullable=False),
    Column("approver_roles", ARRAY(Text), nullable=False),
)

payment_approval = Table(
    "payment_approval",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("payload_hash", Text, nullable=False),
    Column("acted_at", DateTime(timezone=True), nullable=False),
)
