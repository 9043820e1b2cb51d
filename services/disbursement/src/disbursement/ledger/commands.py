"""Moving money: one statement, however many movements, in the transaction of the change behind
them.

The entries' trigger keeps the balances, in account order, so a command posts once and last.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from common.db.faults import constraint_of
from common.uow import UnitOfWork
from disbursement.errors import NotCoveredError
from disbursement.ledger.rules import Movement, Purse
from disbursement.locks import Lock

NOT_OVERDRAWN = "ledger_balance_not_overdrawn"

# On the driver's connection: every payment pays for this statement, and SQLAlchemy would send one
# per table.
POST = """
WITH moved AS (
    INSERT INTO ledger_transaction (id, grant_id, agreement_id, payment_id, kind, occurred_at)
    SELECT *, $6::timestamptz
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
)
INSERT INTO ledger_entry (transaction_id, owner, purse, amount, currency)
SELECT * FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::numeric[], $11::text[])
"""

# Nearly always it is one, and single values cost driver and server less than lists.
MOVED = """
moved AS (
    INSERT INTO ledger_transaction (id, grant_id, agreement_id, payment_id, kind, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6)
)
INSERT INTO ledger_entry (transaction_id, owner, purse, amount, currency)
VALUES ($1, $7, $8, $9, $13), ($1, $10, $11, $12, $13)
"""

OPEN = """
INSERT INTO ledger_balance (owner, purse, grant_id, currency)
SELECT $1, purse, $2, $3 FROM unnest($4::text[]) AS purse
"""


async def open_accounts(
    uow: UnitOfWork, owner: UUID, purses: Sequence[Purse], *, grant_id: UUID, currency: str
) -> None:
    """Open empty `purses` for `owner` (the grant itself or one of its agreements)."""
    await uow.driver.execute(OPEN, owner, grant_id, currency, [purse.value for purse in purses])


async def post(uow: UnitOfWork, *movements: Movement) -> None:
    """Make `movements`.

    Raises NotCoveredError when a purse would be overdrawn; nothing is moved then.
    """
    if not movements:
        return
    uow.locks(Lock.BALANCE)
    with _covered(movements[0]):
        if len(movements) == 1:
            await uow.driver.execute(f"WITH {MOVED}", *_values(uow, movements[0]))
        else:
            await _post_many(uow, movements)


async def post_with(uow: UnitOfWork, movement: Movement, inserts: str, *values: object) -> None:
    """Make `movement` in one statement with the `inserts` of what it is for, parts of a WITH.

    Those take what they share with the movement from its own values, as `MOVED` numbers them;
    `values` are the rest, from $14 on. Raises NotCoveredError as `post` does.
    """
    uow.locks(Lock.BALANCE)
    with _covered(movement):
        await uow.driver.execute(f"WITH {inserts}, {MOVED}", *_values(uow, movement), *values)


@contextmanager
def _covered(movement: Movement) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if constraint_of(error) != NOT_OVERDRAWN:
            raise
        raise NotCoveredError(
            f"There is not enough money to be {movement.kind.value}; nothing was moved.",
            movement=movement.kind.value,
        ) from error


def _values(uow: UnitOfWork, movement: Movement) -> tuple[object, ...]:
    """Of `MOVED`."""
    source, target = movement.entries()
    return (
        uow.ids.new(),
        movement.grant_id,
        movement.agreement_id,
        movement.payment_id,
        movement.kind.value,
        uow.now,
        source.owner,
        source.purse.value,
        source.amount,
        target.owner,
        target.purse.value,
        target.amount,
        movement.money.currency,
    )


async def _post_many(uow: UnitOfWork, movements: Sequence[Movement]) -> None:
    ids = [uow.ids.new() for _ in movements]
    sides = [
        (id_, entry, m.money.currency)
        for id_, m in zip(ids, movements, strict=True)
        for entry in m.entries()
    ]
    await uow.driver.execute(
        POST,
        ids,
        [movement.grant_id for movement in movements],
        [movement.agreement_id for movement in movements],
        [movement.payment_id for movement in movements],
        [movement.kind.value for movement in movements],
        uow.now,
        [id_ for id_, _, _ in sides],
        [entry.owner for _, entry, _ in sides],
        [entry.purse.value for _, entry, _ in sides],
        [entry.amount for _, entry, _ in sides],
        [currency for _, _, currency in sides],
    )
