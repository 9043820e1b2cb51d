"""Release and send: everything is checked again, under lock, by the state now; nothing moves
otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from common.errors import DomainError, IllegalMoveError
from disbursement.agreements import commands as agreements
from disbursement.errors import (
    AgreementNotActiveError,
    PartnerIneligibleError,
    PartnerStateTooOldError,
    PartnerUnknownError,
    PayloadChangedError,
    TrancheTooEarlyError,
)
from disbursement.payments.rules.payment import Payment
from support.disbursement import TODAY, World, open_world

Step = Callable[[World, Payment], Awaitable[Payment]]


async def _release(world: World, payment: Payment) -> Payment:
    return await world.release(payment)


async def _send(world: World, payment: Payment) -> Payment:
    return await world.send(payment)


async def _ready(world: World, step: Step, **agreement: Any) -> Payment:
    made = await world.agreement(**agreement)
    return await (world.approved(made) if step is _release else world.released(made))


STEPS = pytest.mark.parametrize("step", [_release, _send], ids=["release", "send"])


@STEPS
@pytest.mark.parametrize(
    "facts",
    [
        {"eligibility": "ineligible"},
        {"eligibility": "provisional"},
        {"eligible_until": TODAY - timedelta(days=1)},
        {"readable": False},
        {"gone": True},
    ],
    ids=["ineligible", "provisional", "lapsed", "unreadable", "gone"],
)
async def test_a_partner_that_may_not_be_paid_now_is_not_paid(
    world: World, step: Step, facts: dict[str, Any]
) -> None:
    partner = await world.partner()
    payment = await _ready(world, step, partner=partner)
    await world.says(partner, **facts)
    await _refused(world, payment, step, PartnerIneligibleError)


@STEPS
async def test_a_partner_that_is_unknown_now_is_not_paid(world: World, step: Step) -> None:
    partner = await world.partner()
    payment = await _ready(world, step, partner=partner)
    await world.execute("DELETE FROM partner_mirror WHERE id = $1", partner)
    await _refused(world, payment, step, PartnerUnknownError)


@STEPS
async def test_eligible_until_today_is_eligible_today(world: World, step: Step) -> None:
    payment = await _ready(world, step, partner=await world.partner(eligible_until=TODAY))
    await step(world, payment)


@STEPS
async def test_on_a_stale_mirror_nothing_moves_and_on_a_fresh_one_it_does(
    world: World, step: Step
) -> None:
    payment = await _ready(world, step)
    world.clock.advance(timedelta(seconds=61))
    error = await _refused(world, payment, step, PartnerStateTooOldError)
    assert (error.code, error.kind, error.transient) == ("partner_state_too_old", "conflict", True)
    assert error.from_mirror
    assert error.facts["problem"] == "too_old"
    await world.watermark()
    await step(world, payment)
    assert await world.breaches() == []


@STEPS
async def test_a_mirror_exactly_as_old_as_the_bound_will_do(world: World, step: Step) -> None:
    payment = await _ready(world, step)
    world.clock.advance(timedelta(seconds=60))
    await step(world, payment)


@STEPS
async def test_a_partition_that_was_never_heard_makes_the_mirror_infinitely_old(
    world: World, step: Step
) -> None:
    payment = await _ready(world, step)
    await world.execute("DELETE FROM mirror_partition WHERE partition = 5")
    error = await _refused(world, payment, step, PartnerStateTooOldError)
    assert error.facts["problem"] == "never_heard"


@STEPS
async def test_a_watermark_from_the_future_tells_no_age(world: World, step: Step) -> None:
    payment = await _ready(world, step)
    await world.watermark(world.now + timedelta(seconds=30))
    error = await _refused(world, payment, step, PartnerStateTooOldError)
    assert error.facts["problem"] == "clock_skew"


@STEPS
async def test_under_a_suspended_agreement_nothing_is_paid(world: World, step: Step) -> None:
    payment = await _ready(world, step)
    await world.run(lambda uow: agreements.suspend_agreement(uow, payment.agreement_id, "audit"))
    await _refused(world, payment, step, AgreementNotActiveError)


@STEPS
async def test_what_stands_there_must_be_what_was_approved(world: World, step: Step) -> None:
    payment = await _ready(world, step)
    await world.execute(
        "UPDATE payment SET account_id = id, account_version = 1 WHERE id = $1", payment.id
    )
    await _refused(world, payment, step, PayloadChangedError)


async def test_a_payment_is_released_once_it_is_approved_only(world: World) -> None:
    payment = await world.submitted()
    with pytest.raises(IllegalMoveError):
        await world.release(payment)


async def test_a_payment_is_sent_once_it_is_released_only(world: World) -> None:
    payment = await world.approved()
    with pytest.raises(IllegalMoveError):
        await world.send(payment)


async def test_the_second_tranche_waits_for_the_first_to_settle(world: World) -> None:
    agreement = await world.agreement()
    first = await world.sent(agreement)
    second = await world.approved(agreement, 2)
    await _refused(world, second, _release, TrancheTooEarlyError)
    await world.evidence(first, "settled")
    await world.release(second)
    assert await world.breaches() == []


async def test_a_first_tranche_that_came_back_counts_as_unpaid(world: World) -> None:
    agreement = await world.agreement()
    first = await world.settled(agreement)
    second = await world.released(agreement, 2)
    await world.evidence(first, "returned")
    await world.confirmed(first)
    await _refused(world, second, _send, TrancheTooEarlyError)


async def test_a_policy_may_let_tranches_go_in_any_order(disbursement_url: str) -> None:
    async with open_world(disbursement_url, next_tranche="any_time") as world:
        payment = await world.approved(await world.agreement(), 2)
        await world.release(payment)


async def _refused(
    world: World, payment: Payment, step: Step, refusal: type[DomainError]
) -> DomainError:
    """The refusal, after which nothing has moved."""
    balances = await world.balances(payment.grant_id)
    before = await world.payment(payment)
    with pytest.raises(refusal) as refused:
        await step(world, payment)
    assert await world.balances(payment.grant_id) == balances
    assert await world.payment(payment) == before
    return refused.value
