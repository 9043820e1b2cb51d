"""The ledger's tables. What makes them a ledger (triggers, constraints) is in the migration."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Numeric,
    Table,
    Text,
    Uuid,
)

from disbursement.metadata import metadata

ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("grant_id", Uuid, nullable=False),
    Column("agreement_id", Uuid),
    Column("payment_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("transaction_id", Uuid, ForeignKey("ledger_transaction.id"), nullable=False),
    Column("owner", Uuid, nullable=False),
    Column("purse", Text, nullable=False),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("currency", Text, nullable=False),
)

ledger_balance = Table(
    "ledger_balance",
    metadata,
    Column("owner", Uuid, primary_key=True),
    Column("purse", Text, primary_key=True),
    Column("grant_id", Uuid, nullable=False),
    Column("currency", Text, nullable=False),
    Column("balance", Numeric(19, 4), nullable=False),
)
