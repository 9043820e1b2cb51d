"""Holds: by cause, until it is sent; what a hold does to the money, and who lifts which."""

from __future__ import annotations

from uuid import UUID

import pytest

from common.errors import ForbiddenError, IllegalMoveError
from common.mirrors.mirror import Outcome
from disbursement.agreements.rules import Agreement
from disbursement.errors import (
    AlreadyHeldError,
    AlreadySentError,
    NotHeldError,
    PartnerIneligibleError,
)
from disbursement.payments.queries import payment_by_id
from disbursement.payments.rules.holds import HoldCause
from support.disbursement import BORIS, CHEN, IDS, MACHINE, World, usd


async def test_a_hold_keeps_the_state_before_it(world: World) -> None:
    for make, before in ((world.submitted, "submitted"), (world.approved, "approved")):
        held = await world.hold(await make(await world.agreement()))
        assert (held.status, held.held_from) == ("held", before)
        resumed = await world.lift(held)
        assert (resumed.status, resumed.held_from) == (before, None)
    assert await world.breaches() == []


async def test_a_released_payment_is_taken_back_and_must_be_released_anew(world: World) -> None:
    agreement = await world.agreement()
    payment = await world.released(agreement)
    held = await world.hold(payment)
    assert (held.held_from, held.released_at) == ("released", None)
    assert (await world.balances(agreement.grant_id))["reserved"] == "50000"
    assert await world.breaches() == []
    resumed = await world.lift(held)
    assert resumed.status == "approved"
    await world.send(await world.release(resumed))
    assert await world.breaches() == []


async def test_what_is_held_goes_nowhere(world: World) -> None:
    held = await world.hold(await world.submitted())
    for step in (
        world.release,
        world.send,
        lambda payment: world.approve(payment, BORIS),
        world.resubmit,
        world.withdraw,
    ):
        with pytest.raises(IllegalMoveError):
            await step(held)
    assert (await world.payment(held)).status == "held"


async def test_what_has_left_cannot_be_held_by_a_person(world: World) -> None:
    sent = await world.sent()
    with pytest.raises(AlreadySentError):
        await world.hold(sent)
    unknown = await world.evidence(sent, "unknown", "no_answer")
    with pytest.raises(AlreadySentError):
        await world.hold(unknown)
    assert await world.fetch("SELECT 1 FROM payment_hold") == []


async def test_a_machine_neither_holds_nor_lifts(world: World) -> None:
    payment = await world.submitted()
    with pytest.raises(ForbiddenError):
        await world.hold(payment, MACHINE)
    held = await world.hold(payment)
    with pytest.raises(ForbiddenError):
        await world.lift(held, MACHINE)


async def test_one_cause_holds_once(world: World) -> None:
    held = await world.hold(await world.submitted())
    with pytest.raises(AlreadyHeldError):
        await world.hold(held, CHEN)


async def test_there_is_nothing_to_lift_where_no_person_holds(world: World) -> None:
    with pytest.raises(NotHeldError):
        await world.lift(await world.submitted())


async def test_a_person_does_not_lift_a_hold_for_ineligibility(world: World) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    with pytest.raises(NotHeldError):
        await world.lift(payment)
    assert (await world.payment(payment)).status == "held"


async def test_eligibility_does_not_lift_a_persons_hold(world: World) -> None:
    partner = await world.partner()
    payment = await world.hold(await world.approved(await world.agreement(partner=partner)))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    assert await _causes(world, payment.id) == ("partner_ineligible", "person")
    await world.says(partner, eligibility="eligible")
    await world.react(partner)
    assert await _causes(world, payment.id) == ("person",)
    assert await world.changes(payment.id) == [
        "submitted",
        "approved",
        "held",
        "held",
        "hold_lifted",
    ]
    assert (await world.lift(payment)).status == "approved"
    assert await world.breaches() == []


async def test_a_persons_hold_lifted_first_leaves_the_other_in_place(world: World) -> None:
    partner = await world.partner()
    payment = await world.released(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    await world.hold(payment)
    lifted = await world.lift(payment)
    assert lifted.status == "held"
    assert await _causes(world, payment.id) == ("partner_ineligible",)
    await world.says(partner, eligibility="eligible")
    await world.react(partner)
    assert (await world.payment(payment)).status == "approved"
    assert await world.breaches() == []


# --- the reaction ---


async def test_whatever_has_not_left_is_held_when_the_partner_is_not_eligible(
    world: World,
) -> None:
    partner = await world.partner()
    grant = await world.grant()

    async def agreement() -> Agreement:
        return await world.agreement(grant, partner, usd(100_000))

    made = {
        "submitted": await world.submitted(await agreement()),
        "approved": await world.approved(await agreement()),
        "released": await world.released(await agreement()),
        "sent": await world.sent(await agreement()),
        "settled": await world.settled(await agreement()),
    }
    await world.says(partner, eligibility="ineligible")
    assert await world.react(partner, fresh=False) is Outcome.DONE
    after = {name: (await world.payment(payment)).status for name, payment in made.items()}
    assert after == {
        "submitted": "held",
        "approved": "held",
        "released": "held",
        "sent": "sent",
        "settled": "settled",
    }
    balances = await world.balances(grant.id)
    assert (balances["earmarked"], balances["reserved"], balances["in_transit"]) == (
        "50000",
        "100000",
        "50000",
    )
    assert await world.breaches() == []


async def test_that_a_hold_came_too_late_is_recorded_once(world: World) -> None:
    partner = await world.partner()
    payment = await world.sent(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    await world.react(partner)
    assert await world.changes(payment.id) == [
        "submitted",
        "approved",
        "released",
        "sent",
        "hold_missed",
    ]
    (hold,) = await world.fetch("SELECT took_effect, lifted_at FROM payment_hold")
    assert (hold["took_effect"], hold["lifted_at"]) == (False, None)
    assert (await world.evidence(payment, "settled")).status == "settled"
    assert await world.breaches() == []


async def test_the_reaction_is_a_function_of_the_state_now(world: World) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.says(partner, eligibility="eligible")
    await world.react(partner)
    assert await world.changes(payment.id) == ["submitted", "approved"]


async def test_a_reaction_run_twice_changes_nothing_more(world: World) -> None:
    partner = await world.partner()
    payment = await world.released(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    once = await world.payment(payment)
    await world.react(partner)
    assert await world.payment(payment) == once


@pytest.mark.parametrize("facts", [{"readable": False}, {"gone": True}], ids=["unreadable", "gone"])
async def test_what_cannot_be_read_or_is_gone_is_held(world: World, facts: dict[str, bool]) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    await world.says(partner, **facts)
    await world.react(partner)
    assert (await world.payment(payment)).status == "held"


async def test_loosening_waits_for_a_fresh_mirror(world: World) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    await world.says(partner, eligibility="eligible")
    assert await world.react(partner, fresh=False) is Outcome.WAIT
    assert (await world.payment(payment)).status == "held"
    assert await world.react(partner, fresh=True) is Outcome.DONE
    assert (await world.payment(payment)).status == "approved"


async def test_a_partner_that_never_was_has_nothing_to_hold(world: World) -> None:
    assert await world.react(IDS.new()) is Outcome.DONE


async def test_another_partners_payments_go_on(world: World) -> None:
    grant = await world.grant()
    suspended, other = await world.partner(), await world.partner()
    payment = await world.approved(await world.agreement(grant, other))
    await world.says(suspended, eligibility="ineligible")
    await world.react(suspended)
    assert (await world.payment(payment)).status == "approved"


async def test_a_suspension_holds_a_hundred_payments_by_a_handful_of_statements(
    world: World,
) -> None:
    partner = await world.partner()
    grant = await world.grant()
    for _ in range(5):
        agreement = await world.agreement(grant, partner, usd(100_000), tranches=20)
        for tranche in range(1, 21):
            await world.submitted(agreement, tranche)
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    (held,) = await world.fetch("SELECT count(*) AS n FROM payment WHERE status = 'held'")
    assert held["n"] == 100
    (events,) = await world.fetch("SELECT count(*) AS n FROM journal WHERE type LIKE '%.held.v1'")
    assert events["n"] == 100
    await world.says(partner, eligibility="eligible")
    await world.react(partner)
    (resumed,) = await world.fetch(
        "SELECT count(*) AS n FROM payment WHERE status = 'submitted' AND held_from IS NULL"
    )
    assert resumed["n"] == 100
    assert await world.breaches() == []


async def test_many_payments_are_held_and_let_go_share_by_share(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner, tranches=5)
    for tranche in range(1, 6):
        await world.submitted(agreement, tranche)
    for eligibility, after in (("ineligible", "held"), ("eligible", "submitted")):
        await world.says(partner, eligibility=eligibility)
        for share in (2, 4, 5):
            done = await world.react(partner, share=2)
            assert done is (Outcome.DONE if share == 5 else Outcome.MORE)
            (count,) = await world.fetch("SELECT count(*) FROM payment WHERE status = $1", after)
            assert count[0] == share
            assert await world.breaches() == []


async def test_what_is_not_held_yet_is_not_released_either(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner, tranches=2)
    made = [await world.approved(agreement, tranche) for tranche in (1, 2)]
    await world.says(partner, eligibility="ineligible")
    assert await world.react(partner, share=1) is Outcome.MORE
    (left,) = [each for each in made if (await world.payment(each)).status == "approved"]
    with pytest.raises(PartnerIneligibleError):
        await world.release(left)


async def _causes(world: World, payment_id: UUID) -> tuple[HoldCause, ...]:
    return (await world.read(lambda uow: payment_by_id(uow, payment_id))).holds
