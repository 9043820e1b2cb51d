"""Drafts: how a held payment becomes one again, and how one is given up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.errors import ForbiddenError, IllegalMoveError
from disbursement.agreements import commands as agreements
from disbursement.errors import RevisionNeededError, StillHeldError, TrancheTakenError
from disbursement.payments.queries import payment_by_id
from disbursement.payments.rules.payment import Payment
from support.disbursement import EMEKA, SUBMITTER, World

STATES = pytest.mark.parametrize("state", ["submitted", "approved", "released"])


@STATES
async def test_a_held_payment_is_revised_and_its_money_is_free(world: World, state: str) -> None:
    agreement = await world.agreement()
    held = await world.hold(await getattr(world, state)(agreement))
    draft = await world.revise(held)
    assert (draft.status, draft.held_from, draft.revision) == ("draft", None, 2)
    assert (await world.balances(agreement.grant_id)) == {
        "available": "2900000",
        "committed": "100000",
    }
    assert await world.breaches() == []


@STATES
async def test_a_held_payment_is_rejected_and_its_money_is_free(world: World, state: str) -> None:
    agreement = await world.agreement()
    held = await world.hold(await getattr(world, state)(agreement))
    draft = await world.reject(held, EMEKA)
    assert (draft.status, draft.held_from) == ("draft", None)
    assert (await world.balances(agreement.grant_id))["committed"] == "100000"
    assert await world.breaches() == []


async def test_a_draft_shows_what_still_holds_it(world: World) -> None:
    draft = await world.revise(await world.hold(await world.submitted()))
    assert await _holds(world, draft) == ("person",)
    rows = await world.fetch(
        "SELECT data FROM journal WHERE stream = $1 ORDER BY version DESC LIMIT 1", draft.id
    )
    assert rows[0]["data"]["payment"]["holds"] == ["person"]


async def test_a_draft_is_not_submitted_while_something_holds_it(world: World) -> None:
    draft = await world.revise(await world.hold(await world.submitted()))
    with pytest.raises(StillHeldError) as refused:
        await world.resubmit(draft)
    assert refused.value.facts["holds"] == ["person"]
    lifted = await world.lift(draft)
    assert lifted.status == "draft"  # lifting lets it go; submitting it is another step
    assert (await world.changes(draft.id))[-1] == "hold_lifted"
    assert (await world.resubmit(draft)).status == "submitted"
    assert await world.breaches() == []


async def test_a_draft_stays_one_when_the_partner_is_eligible_again(world: World) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    draft = await world.revise(payment)
    assert await _holds(world, draft) == ("partner_ineligible",)
    await world.says(partner, eligibility="eligible")
    await world.react(partner)
    assert (await world.payment(draft)).status == "draft"
    assert await _holds(world, draft) == ()
    assert (await world.resubmit(draft)).status == "submitted"
    assert await world.breaches() == []


async def test_what_was_rejected_while_it_was_held_is_revised_first(world: World) -> None:
    draft = await world.reject(await world.hold(await world.submitted()))
    await world.lift(draft)
    with pytest.raises(RevisionNeededError):
        await world.resubmit(draft)


async def test_a_held_payment_that_was_revised_loses_its_approvals(world: World) -> None:
    draft = await world.revise(await world.hold(await world.approved()))
    await world.lift(draft)
    again = await world.resubmit(draft)
    assert (again.status, again.approvals_given) == ("submitted", 0)
    with pytest.raises(IllegalMoveError):
        await world.release(again)


async def test_the_money_of_a_partner_that_stays_ineligible_comes_back_to_the_grant(
    world: World,
) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    payment = await world.released(agreement)
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    await world.withdraw(await world.revise(payment))
    await world.run(lambda uow: agreements.terminate_agreement(uow, agreement.id, "red flag"))
    assert await world.balances(agreement.grant_id) == {"available": "3000000"}
    assert await world.breaches() == []


# --- withdrawing ---


async def test_a_withdrawn_payment_frees_its_tranche(world: World) -> None:
    agreement = await world.agreement()
    draft = await world.revise(await world.submitted(agreement))
    with pytest.raises(TrancheTakenError):
        await world.submitted(agreement)
    gone = await world.withdraw(draft)
    assert gone.status == "withdrawn"
    other = await world.submitted(agreement)
    assert other.id != gone.id
    assert (await world.changes(gone.id))[-1] == "withdrawn"
    assert await world.breaches() == []


async def test_withdrawn_is_final(world: World) -> None:
    gone = await world.withdraw(await world.drafted())
    for step in (world.revise, world.resubmit, world.withdraw, world.hold, world.reject):
        with pytest.raises(IllegalMoveError):
            await step(gone)


async def test_no_partner_withdraws_a_payment(world: World) -> None:
    draft = await world.drafted()
    with pytest.raises(ForbiddenError):
        await world.withdraw(draft, replace(SUBMITTER, partner=draft.partner_id))


async def test_why_a_payment_was_withdrawn_is_never_published(world: World) -> None:
    gone = await world.withdraw(await world.drafted())
    (row,) = await world.fetch(
        "SELECT data, private FROM journal WHERE stream = $1 AND type LIKE '%withdrawn%'", gone.id
    )
    assert "not needed" not in str(row["data"])
    assert row["private"] is not None


async def _holds(world: World, payment: Payment) -> tuple[str, ...]:
    return (await world.read(lambda uow: payment_by_id(uow, payment.id))).holds
