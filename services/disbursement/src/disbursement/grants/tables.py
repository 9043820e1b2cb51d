"""Grants and what was received of them."""

from sqlalchemy import Column, Date, DateTime, ForeignKey, Numeric, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from common.sequence import sequence_column
from disbursement.metadata import metadata

funding_grant = Table(
    "funding_grant",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("source", Text, nullable=False),
    Column("cerf_window", Text),
    Column("cerf_round", SmallInteger),
    Column("code_text", Text),
    Column("project_code", Text),
    Column("application_code", Text),
    Column("title", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("emergency", Text),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("currency", Text, nullable=False),
    Column("funders", JSONB, nullable=False),
    Column("approved_on", Date),
    Column("disbursed_on", Date),
    Column("ends_on", Date),
    Column("ends_source", Text),
    Column("registered_at", DateTime(timezone=True), nullable=False),
)

grant_receipt = Table(
    "grant_receipt",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("grant_id", Uuid, ForeignKey("funding_grant.id"), nullable=False),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("currency", Text, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("reference", Text),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)
