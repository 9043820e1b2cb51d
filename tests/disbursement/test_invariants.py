"""The audit finds what is broken, and nothing where nothing is."""

from __future__ import annotations

import pytest

from common.db.driver import transaction
from disbursement.agreements import commands as agreements
from disbursement.invariants import INVARIANTS
from support.disbursement import World


async def test_nothing_is_broken_in_an_empty_database(world: World) -> None:
    assert await world.breaches() == []


@pytest.mark.parametrize(
    "damage, found",
    [
        ("UPDATE ledger_entry SET amount = amount + 1 WHERE amount > 0", "sums to"),
        ("UPDATE ledger_balance SET balance = balance + 1 WHERE purse = 'paid'", "is the sum of"),
        ("UPDATE payment SET status = 'settled'", "lies where its status says"),
        ("UPDATE agreement_tranche SET amount = amount + 1", "the sum of its tranches"),
        ("UPDATE funding_grant SET amount = 1", "promised twice"),
        ("DELETE FROM payment_approval", "without its approvals"),
        ("UPDATE payment SET status = 'held', held_from = 'released'", "held exactly while"),
        ("UPDATE grant_receipt SET amount = amount - 1", "sum of its receipts"),
        ("UPDATE agreement SET status = 'terminated'", "has nothing committed"),
    ],
)
async def test_damage_that_the_database_would_refuse_is_found(
    world: World, damage: str, found: str
) -> None:
    await world.sent()
    async with transaction(world.runtime.engine) as driver:
        # triggers off, as only a superuser can: somebody repaired the database by hand
        await driver.execute("SET LOCAL session_replication_role = replica")
        await driver.execute(damage)
    broken = []
    for invariant in INVARIANTS:
        if await world.read(invariant.check):
            broken.append(invariant.name)
    assert any(found in name for name in broken), broken


async def test_what_a_terminated_agreement_paid_was_promised_too(world: World) -> None:
    grant = await world.grant()
    agreement = await world.agreement(grant)
    await world.settled(agreement)
    await world.run(lambda uow: agreements.terminate_agreement(uow, agreement.id, "war"))
    async with transaction(world.runtime.engine) as driver:
        await driver.execute("SET LOCAL session_replication_role = replica")
        await driver.execute("UPDATE funding_grant SET amount = 49999")
    assert any("its signed agreements take 50000" in each for each in await world.breaches())


async def test_a_draft_that_something_holds_is_no_breach(world: World) -> None:
    await world.revise(await world.hold(await world.approved()))
    assert await world.breaches() == []


async def test_an_overdraft_is_found(world: World) -> None:
    await world.grant()
    async with transaction(world.runtime.engine) as driver:
        await driver.execute("SET LOCAL session_replication_role = replica")
        await driver.execute(
            "ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_not_overdrawn"
        )
        await driver.execute("UPDATE ledger_balance SET balance = -1 WHERE purse = 'available'")
    assert any("-1" in each for each in await world.breaches())
