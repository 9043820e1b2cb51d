"""Two at once: balances stay exact, one approval closes, and a suspension is never overtaken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from common.db.driver import transaction
from common.errors import DomainError, IllegalMoveError
from disbursement.agreements import commands as agreements
from disbursement.agreements.rules import Agreement
from disbursement.errors import (
    AgreementNotActiveError,
    AlreadyActedError,
    NotCoveredError,
    PartnerIneligibleError,
    TrancheTakenError,
)
from disbursement.payments.rules.payment import Payment
from support.disbursement import BORIS, CHEN, DINA, TODAY, World, usd


async def test_two_hundred_submits_on_one_grant_leave_exact_balances(world: World) -> None:
    grant = await world.grant()
    made = [await world.agreement(grant, amount=usd(24_000), tranches=20) for _ in range(10)]
    todo = [(agreement, tranche) for tranche in range(1, 21) for agreement in made]
    await _all_at_once([partial(world.submitted, each, tranche) for each, tranche in todo])
    assert await world.balances(grant.id) == {"available": "2760000", "earmarked": "240000"}
    (count,) = await world.fetch("SELECT count(*) AS n FROM payment")
    assert count["n"] == 200
    assert await world.breaches() == []


async def test_twenty_submits_of_one_tranche_make_one_payment(world: World) -> None:
    agreement = await world.agreement()
    results = await _all_at_once([lambda: world.submitted(agreement)] * 20)
    assert Counter(type(each) for each in results) == {Payment: 1, TrancheTakenError: 19}
    assert (await world.balances(agreement.grant_id))["earmarked"] == "50000"
    assert await world.breaches() == []


async def test_two_signatures_at_once_do_not_promise_the_money_twice(world: World) -> None:
    grant = await world.grant(usd(100))
    drafts = []
    for _ in range(4):
        draft = await world.draft(grant, await world.partner(), usd(60))
        for move in (agreements.submit_agreement_for_review, agreements.pass_agreement_review):
            await world.run(partial(move, agreement_id=draft.id))
        drafts.append(draft)

    async def sign(draft: Agreement) -> Agreement:
        return await world.run(lambda uow: agreements.sign_agreement(uow, draft.id, TODAY))

    results = await _all_at_once([partial(sign, draft) for draft in drafts])
    assert Counter(type(each) for each in results) == {Agreement: 1, NotCoveredError: 3}
    assert await world.balances(grant.id) == {"available": "40", "committed": "60"}


async def test_of_approvers_at_once_one_closes_and_none_too_many_is_counted(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    people = (BORIS, CHEN, DINA)
    results = await _all_at_once([partial(world.approve, payment, person) for person in people])
    assert Counter(type(each) for each in results) == {Payment: 2, IllegalMoveError: 1}
    assert await world.changes(payment.id) == ["submitted", "approval_given", "approved"]
    assert await world.breaches() == []


async def test_one_person_in_two_windows_approves_once(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    results = await _all_at_once([lambda: world.approve(payment, BORIS)] * 5)
    assert Counter(type(each) for each in results) == {Payment: 1, AlreadyActedError: 4}


async def test_two_releases_at_once_move_the_money_once(world: World) -> None:
    payment = await world.approved()
    results = await _all_at_once([lambda: world.release(payment)] * 5)
    assert Counter(type(each) for each in results) == {Payment: 1, IllegalMoveError: 4}
    assert await world.breaches() == []


# --- a suspension beside a decision ---


async def test_a_submit_that_waited_for_the_agreement_sees_no_old_eligibility(
    world: World,
) -> None:
    """It holds the partner while it waits, so the suspension comes after it and catches its
    payment.
    """
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    async with _locked(world, "SELECT 1 FROM agreement FOR UPDATE"):
        submitting = asyncio.create_task(world.submitted(agreement))
        await _waits(world, "agreement")
        suspending = asyncio.create_task(world.says(partner, eligibility="ineligible"))
        await _waits(world, "partner_mirror")
        assert not submitting.done()
        assert not suspending.done()
    payment = await submitting
    await suspending
    await world.react(partner)
    assert (await world.payment(payment)).status == "held"


async def test_a_submit_that_waited_for_the_suspension_is_refused(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    async with _locked(world, "UPDATE partner_mirror SET eligibility = 'ineligible'"):
        submitting = asyncio.create_task(world.submitted(agreement))
        await _waits(world, "partner_mirror")
    with pytest.raises(PartnerIneligibleError):
        await submitting


async def test_a_submit_that_waited_for_the_partner_sees_the_agreement_as_it_is_by_then(
    world: World,
) -> None:
    """One statement locks both, and looks with a snapshot from before it waited."""
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    async with _locked(world, "SELECT 1 FROM partner_mirror FOR UPDATE"):
        submitting = asyncio.create_task(world.submitted(agreement))
        await _waits(world, "partner_mirror")
        await world.execute("UPDATE agreement SET status = 'suspended'")
    with pytest.raises(AgreementNotActiveError):
        await submitting


async def test_a_release_that_waited_for_the_suspension_is_refused(world: World) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    async with _locked(world, "UPDATE partner_mirror SET eligibility = 'ineligible'"):
        releasing = asyncio.create_task(world.release(payment))
        await _waits(world, "partner_mirror")
    with pytest.raises(PartnerIneligibleError):
        await releasing
    assert (await world.balances(payment.grant_id))["reserved"] == "50000"


async def test_a_release_beside_the_reaction_ends_held_with_its_money_reserved(
    world: World,
) -> None:
    partner = await world.partner()
    grant = await world.grant()
    waiting = [
        await world.approved(await world.agreement(grant, partner, usd(100_000))) for _ in range(8)
    ]
    releases = [partial(world.release, each) for each in waiting]

    async def suspend() -> None:
        await world.says(partner, eligibility="ineligible")
        await world.react(partner)

    await _all_at_once([*releases[:4], suspend, *releases[4:]])
    assert {(await world.payment(each)).status for each in waiting} == {"held"}
    assert (await world.balances(grant.id))["reserved"] == "400000"
    assert await world.breaches() == []


async def test_holds_and_decisions_at_once_do_not_deadlock(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner, amount=usd(200_000), tranches=10)
    made = [await world.submitted(agreement, tranche) for tranche in range(1, 11)]

    async def swing() -> None:
        for eligibility in ("ineligible", "eligible", "ineligible", "eligible"):
            await world.says(partner, eligibility=eligibility)
            await world.react(partner)

    await _all_at_once([swing, *(partial(world.approve, each, BORIS) for each in reversed(made))])
    await world.react(partner)
    assert {(await world.payment(each)).status for each in made} <= {"submitted", "approved"}
    assert await world.breaches() == []


async def _all_at_once(works: Sequence[Callable[[], Awaitable[object]]]) -> list[object]:
    """The results of `works`, started together; a refusal is a result, anything else is raised."""
    results = await asyncio.gather(*(work() for work in works), return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException) and not isinstance(each, DomainError):
            raise each
    return results


@asynccontextmanager
async def _locked(world: World, statement: str) -> AsyncIterator[None]:
    """While another session holds what `statement` locks; it commits at the end."""
    async with transaction(world.runtime.engine) as driver:
        await driver.execute(statement)
        yield


async def _waits(world: World, table: str) -> None:
    """Return once a session waits for a row lock in a statement on `table`."""
    async with asyncio.timeout(20):
        while not await world.fetch(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE $1 AND pid <> pg_backend_pid()",
            f"%{table}%",
        ):
            await asyncio.sleep(0.01)
