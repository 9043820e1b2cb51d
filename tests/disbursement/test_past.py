"""A database that may have been put back lets no money out: it cannot know what has left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from disbursement.errors import PastUncertainError
from disbursement.payments.commands.past import payments_are_compared
from disbursement.payments.rules.payment import Payment
from support.disbursement import World

STEPS = pytest.mark.parametrize(
    "step, ready", [(World.release, World.approved), (World.send, World.released)]
)
Step = Callable[[World, Payment], Awaitable[Payment]]
Ready = Callable[[World], Awaitable[Payment]]


@STEPS
async def test_money_waits_while_nobody_sees_that_kafka_agrees_with_our_journal(
    world: World, step: Step, ready: Ready
) -> None:
    payment = await ready(world)
    await world.agreed(world.now - timedelta(seconds=61))
    await _refused(world, payment, step, "not_agreed")
    await world.execute("DELETE FROM reader")
    await _refused(world, payment, step, "not_agreed")
    await world.agreed(world.now - timedelta(seconds=60))
    await step(world, payment)


@STEPS
async def test_after_a_restore_money_waits_until_somebody_has_compared_with_the_bank(
    world: World, step: Step, ready: Ready
) -> None:
    payment = await ready(world)
    await world.execute("UPDATE journal_epoch SET epoch = 2")
    await _refused(world, payment, step, "not_compared")
    await world.run(payments_are_compared)
    await step(world, payment)
    await world.execute("UPDATE journal_epoch SET epoch = 3")
    assert await world.fetch("SELECT compared_by FROM payments_compared") == [("amina",)]


async def _refused(world: World, payment: Payment, step: Step, problem: str) -> None:
    before = await world.balances(payment.grant_id)
    with pytest.raises(PastUncertainError) as refused:
        await step(world, payment)
    assert refused.value.facts["problem"] == problem
    assert refused.value.transient, "the same request succeeds once it is certain"
    assert await world.balances(payment.grant_id) == before
