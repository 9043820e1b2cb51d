"""Reading the ledger: balances now, and the movements behind them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from common.money import Money
from common.uow import UnitOfWork
from disbursement.ledger.rules import Purse
from disbursement.ledger.tables import ledger_balance, ledger_entry, ledger_transaction


@dataclass(frozen=True)
class EntryRow:
    """One side of a posted movement."""

    owner: UUID
    purse: Purse
    amount: Decimal


@dataclass(frozen=True)
class TransactionRow:
    """A posted movement with its entries."""

    id: UUID
    agreement_id: UUID | None
    payment_id: UUID | None
    kind: str
    currency: str
    occurred_at: datetime
    entries: tuple[EntryRow, ...]


async def balances_of_grant(uow: UnitOfWork, grant_id: UUID) -> dict[Purse, Decimal]:
    """What lies in each purse, the grant's own and those of all its agreements together."""
    statement = (
        select(ledger_balance.c.purse, func.sum(ledger_balance.c.balance))
        .where(ledger_balance.c.grant_id == grant_id)
        .group_by(ledger_balance.c.purse)
    )
    found = {Purse(purse): total for purse, total in await uow.db.execute(statement)}
    return {purse: found.get(purse, Decimal(0)) for purse in Purse}


async def balances_of_owner(uow: UnitOfWork, owner: UUID) -> dict[Purse, Decimal]:
    """What lies in each purse of one grant or agreement."""
    statement = select(ledger_balance.c.purse, ledger_balance.c.balance).where(
        ledger_balance.c.owner == owner
    )
    return {Purse(purse): balance for purse, balance in await uow.db.execute(statement)}


async def transactions_of_grant(
    uow: UnitOfWork, grant_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[TransactionRow]:
    """Up to `limit` movements of a grant, oldest first, after the one with that id."""
    page = (
        select(ledger_transaction)
        .where(ledger_transaction.c.grant_id == grant_id)
        .order_by(ledger_transaction.c.id)
        .limit(limit)
    )
    if after is not None:
        page = page.where(ledger_transaction.c.id > after)
    rows = (await uow.db.execute(page)).all()
    entries: dict[UUID, list[Any]] = defaultdict(list)
    for entry in await uow.db.execute(
        select(ledger_entry)
        .where(ledger_entry.c.transaction_id.in_([row.id for row in rows]))
        .order_by(ledger_entry.c.id)
    ):
        entries[entry.transaction_id].append(entry)
    return [
        TransactionRow(
            id=row.id,
            agreement_id=row.agreement_id,
            payment_id=row.payment_id,
            kind=row.kind,
            currency=entries[row.id][0].currency,
            occurred_at=row.occurred_at,
            entries=tuple(
                EntryRow(each.owner, Purse(each.purse), Money(each.amount, each.currency).amount)
                for each in entries[row.id]
            ),
        )
        for row in rows
    ]
