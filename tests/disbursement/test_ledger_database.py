"""The ledger's promises are the database's: plain SQL cannot break them."""

from __future__ import annotations

import asyncpg
import pytest

from support.disbursement import IDS, World, usd

TRANSACTION = (
    "INSERT INTO ledger_transaction (id, grant_id, kind, occurred_at)"
    " VALUES ('{id}', '{grant}', 'received', now())"
)
ENTRIES = "INSERT INTO ledger_entry (transaction_id, owner, purse, amount, currency) VALUES "
ENTRY = "('{id}', '{grant}', '{purse}', {amount}, '{currency}')"


async def test_a_movement_that_does_not_sum_to_zero_is_not_committed(world: World) -> None:
    await _refused(world, "FD002", ("available", 100, "USD"), ("received", -99, "USD"))


async def test_a_movement_of_one_side_is_not_committed(world: World) -> None:
    await _refused(world, "FD002", ("available", 100, "USD"))


async def test_a_movement_without_sides_is_not_committed(world: World) -> None:
    await _refused(world, "FD002")


async def test_a_movement_sums_to_zero_in_each_currency(world: World) -> None:
    await _refused(world, "FD002", ("available", 100, "USD"), ("received", -100, "CHF"))


async def test_the_sides_of_a_movement_are_posted_together(world: World) -> None:
    grant = await world.grant(usd(1000), received=False)
    id_ = IDS.new()
    statements = [TRANSACTION.format(id=id_, grant=grant.id)] + [
        ENTRIES + ENTRY.format(id=id_, grant=grant.id, purse=purse, amount=amount, currency="USD")
        for purse, amount in (("available", 100), ("received", -100))
    ]
    await _is_refused(world, "; ".join(statements), "FD002")


async def test_each_movement_of_a_statement_sums_to_zero(world: World) -> None:
    grant = await world.grant(usd(1000), received=False)
    first, second = IDS.new(), IDS.new()
    sides = [
        ENTRY.format(id=id_, grant=grant.id, purse=purse, amount=amount, currency="USD")
        for id_, purse, amount in ((first, "available", 100), (second, "received", -100))
    ]
    statements = [TRANSACTION.format(id=id_, grant=grant.id) for id_ in (first, second)]
    await _is_refused(world, "; ".join([*statements, ENTRIES + ", ".join(sides)]), "FD002")


async def test_an_account_of_another_currency_is_not_open(world: World) -> None:
    await _refused(world, "FD003", ("available", 100, "CHF"), ("received", -100, "CHF"))


async def test_an_entry_on_an_account_that_is_not_open_is_refused(world: World) -> None:
    await _refused(world, "FD003", ("committed", 100, "USD"), ("received", -100, "USD"))


async def test_a_purse_is_not_overdrawn(world: World) -> None:
    await _refused(world, "23514", ("available", -1, "USD"), ("received", 1, "USD"))


async def test_a_side_cannot_be_added_to_an_old_movement(world: World) -> None:
    grant = await world.grant()
    (old,) = await world.fetch("SELECT id FROM ledger_transaction")
    with pytest.raises(asyncpg.PostgresError) as refused:
        await world.execute(
            ENTRIES
            + ENTRY.format(
                id=old["id"], grant=grant.id, purse="available", amount=1, currency="USD"
            )
        )
    assert refused.value.sqlstate == "FD002"


async def test_what_was_posted_stays(world: World) -> None:
    await world.grant()
    for table, column in (("ledger_transaction", "kind"), ("ledger_entry", "amount")):
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            await _is_refused(world, statement, "FD001")


async def test_a_balance_is_never_set_by_hand(world: World) -> None:
    await world.grant()
    for statement in (
        "UPDATE ledger_balance SET balance = balance + 1",
        "DELETE FROM ledger_balance",
        "TRUNCATE ledger_balance",
        "INSERT INTO ledger_balance VALUES"
        " (gen_random_uuid(), 'available', gen_random_uuid(), 'USD', 5)",
    ):
        await _is_refused(world, statement, "FD004")


async def test_one_statement_that_touches_an_account_twice_counts_both(world: World) -> None:
    grant = await world.grant(usd(100))
    agreement = await world.draft(grant, await world.partner(), usd(10))
    ids = [IDS.new(), IDS.new()]
    entries = ", ".join(
        f"('{id_}', '{owner}', '{purse}', {sign}{amount}, 'USD')"
        for id_, amount in zip(ids, (10, 5), strict=True)
        for owner, purse, sign in (
            (grant.id, "available", "-"),
            (agreement.id, "committed", ""),
        )
    )
    transactions = ", ".join(f"('{id_}', '{grant.id}', 'signed', now())" for id_ in ids)
    await world.execute(
        "WITH moved AS (INSERT INTO ledger_transaction (id, grant_id, kind, occurred_at)"
        f" VALUES {transactions})"
        " INSERT INTO ledger_entry (transaction_id, owner, purse, amount, currency)"
        f" VALUES {entries}"
    )
    assert await world.balances(grant.id) == {"available": "85", "committed": "15"}


async def test_an_agreements_tranches_make_up_its_amount_or_nothing_is_committed(
    world: World,
) -> None:
    agreement = await world.draft(await world.grant(), await world.partner())
    where = f"agreement_id = '{agreement.id}'"
    for statement in (
        f"UPDATE agreement_tranche SET amount = amount + 0.01 WHERE {where} AND number = 1",
        f"DELETE FROM agreement_tranche WHERE {where} AND number = 1",
        f"UPDATE agreement SET amount = amount + 0.01 WHERE id = '{agreement.id}'",
    ):
        await _is_refused(world, statement, "FD005")


async def test_parties_of_an_agreement_and_a_payment_never_change(world: World) -> None:
    await world.submitted()
    for statement in (
        "UPDATE agreement SET partner_id = gen_random_uuid()",
        "UPDATE payment SET partner_id = gen_random_uuid()",
        "UPDATE payment SET amount = amount + 1",
        "DELETE FROM payment",
    ):
        await _is_refused(world, statement, "FD001")


async def _refused(world: World, sqlstate: str, *sides: tuple[str, int, str]) -> None:
    """A movement of a grant with these sides is refused, at the latest when it is committed."""
    grant = await world.grant(usd(1000), received=False)
    id_ = IDS.new()
    statements = [TRANSACTION.format(id=id_, grant=grant.id)]
    if sides:
        entries = (
            ENTRY.format(id=id_, grant=grant.id, purse=purse, amount=amount, currency=currency)
            for purse, amount, currency in sides
        )
        statements.append(ENTRIES + ", ".join(entries))
    await _is_refused(world, "; ".join(statements), sqlstate)
    assert await world.balances(grant.id) == {}


async def _is_refused(world: World, statement: str, sqlstate: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        await world.execute(statement)
    assert refused.value.sqlstate == sqlstate
