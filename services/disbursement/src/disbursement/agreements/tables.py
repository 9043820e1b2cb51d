"""Agreements and their tranches."""

from sqlalchemy import Column, Date, DateTime, ForeignKey, Numeric, SmallInteger, Table, Text, Uuid

from common.sequence import sequence_column
from disbursement.metadata import metadata

agreement_table = Table(
    "agreement",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("grant_id", Uuid, ForeignKey("funding_grant.id"), nullable=False),
    Column("partner_id", Uuid, nullable=False),
    Column("country", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("currency", Text, nullable=False),
    Column("selection", Text, nullable=False),
    Column("justification", Text),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    Column("signed_on", Date),
    Column("activated_on", Date),
    Column("drafted_at", DateTime(timezone=True), nullable=False),
)

agreement_tranche = Table(
    "agreement_tranche",
    metadata,
    Column("agreement_id", Uuid, ForeignKey("agreement.id"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("planned_on", Date),
)
