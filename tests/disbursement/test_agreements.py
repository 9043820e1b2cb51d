"""Drafting, signing, ending agreements, and the grant's money behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.errors import ForbiddenError, IllegalMoveError, StaleVersionError
from common.money import Money
from common.sequence import Sequence
from disbursement.agreements import commands
from disbursement.agreements.rules import Agreement
from disbursement.errors import (
    CurrencyMismatchError,
    DatesError,
    NotCoveredError,
    PartnerIneligibleError,
    PartnerUnknownError,
    PaymentsOpenError,
)
from disbursement.grants.codes import Window
from disbursement.grants.commands import NewGrant, record_receipt, register_grant
from disbursement.grants.rules import Source
from support.disbursement import IDS, SUBMITTER, TODAY, World, in_country, usd

Move = Callable[..., Awaitable[Agreement]]


async def test_signing_commits_the_grants_money(world: World) -> None:
    agreement = await world.agreement(active=False)
    assert await world.balances(agreement.grant_id) == {
        "available": "2900000",
        "committed": "100000",
    }
    assert await world.changes(agreement.id) == [
        "drafted",
        "submitted_for_review",
        "reviewed",
        "signed",
    ]
    assert await world.breaches() == []


async def test_a_draft_promises_nothing(world: World) -> None:
    grant = await world.grant()
    await world.draft(grant, await world.partner(), usd(9_000_000))
    assert await world.balances(grant.id) == {"available": "3000000"}


async def test_a_grant_is_not_promised_twice(world: World) -> None:
    grant = await world.grant(usd(100))
    await world.agreement(grant, amount=usd(60))
    with pytest.raises(NotCoveredError, match=r"USD 40\.00 available"):
        await world.agreement(grant, amount=usd("40.01"))
    assert await world.balances(grant.id) == {"available": "40", "committed": "60"}
    await world.agreement(grant, amount=usd(40))
    assert await world.breaches() == []


async def test_money_that_has_not_arrived_is_not_promised(world: World) -> None:
    grant = await world.grant(received=False)
    with pytest.raises(NotCoveredError):
        await world.agreement(grant)


@pytest.mark.parametrize("eligibility", ["ineligible", "provisional"])
async def test_a_partner_that_may_not_be_paid_is_not_signed(world: World, eligibility: str) -> None:
    with pytest.raises(PartnerIneligibleError):
        await world.agreement(partner=await world.partner(eligibility))


async def test_a_partner_that_we_never_heard_of_is_not_signed(world: World) -> None:
    with pytest.raises(PartnerUnknownError):
        await world.agreement(partner=IDS.new())


async def test_a_partner_that_lost_its_eligibility_blocks_activation_and_resumption(
    world: World,
) -> None:
    partner = await world.partner()
    signed = await world.agreement(partner=partner, active=False)
    await world.says(partner, eligibility="ineligible")
    with pytest.raises(PartnerIneligibleError):
        await world.run(lambda uow: commands.activate_agreement(uow, signed.id))
    await world.says(partner, eligibility="eligible")
    await world.run(lambda uow: commands.activate_agreement(uow, signed.id))
    await world.run(lambda uow: commands.suspend_agreement(uow, signed.id, "audit"))
    await world.says(partner, eligibility="ineligible")
    with pytest.raises(PartnerIneligibleError):
        await world.run(lambda uow: commands.resume_agreement(uow, signed.id))


@pytest.mark.parametrize(
    "step", [commands.submit_agreement_for_review, commands.pass_agreement_review]
)
async def test_a_partner_that_was_blocked_stops_every_step_forward(
    world: World, step: Move
) -> None:
    partner = await world.partner()
    draft = await world.draft(await world.grant(), partner)
    if step is commands.pass_agreement_review:
        await world.run(lambda uow: commands.submit_agreement_for_review(uow, draft.id))
    await world.says(partner, eligibility="ineligible")
    with pytest.raises(PartnerIneligibleError):
        await world.run(lambda uow: step(uow, draft.id))
    await world.says(partner, eligibility="eligible")
    await world.run(lambda uow: step(uow, draft.id))


async def test_an_agreement_with_a_blocked_partner_can_still_be_given_up(world: World) -> None:
    partner = await world.partner()
    draft = await world.draft(await world.grant(), partner)
    await world.run(lambda uow: commands.submit_agreement_for_review(uow, draft.id))
    await world.says(partner, eligibility="ineligible")
    await world.run(lambda uow: commands.return_agreement_to_draft(uow, draft.id, "blocked"))
    gone = await world.run(lambda uow: commands.cancel_agreement(uow, draft.id, "blocked"))
    assert gone.status == "cancelled"


async def test_rapid_response_starts_six_weeks_before_its_money_at_the_earliest(
    world: World,
) -> None:
    grant, partner = await world.grant(), await world.partner()
    assert grant.disbursed_on is not None
    earliest = grant.disbursed_on - timedelta(weeks=6)
    await world.draft(grant, partner, starts_on=earliest)
    with pytest.raises(DatesError):
        await world.draft(grant, partner, starts_on=earliest - timedelta(days=1))


async def test_signing_looks_at_the_start_again_once_it_is_known_when_the_money_came(
    world: World,
) -> None:
    new = NewGrant(
        source=Source.CERF,
        cerf_window=Window.RAPID_RESPONSE,
        code_text=None,
        title="Front-line health",
        country="BGD",
        emergency=None,
        amount=usd(100_000),
    )
    grant = await world.run(lambda uow: register_grant(uow, new))
    early = TODAY - timedelta(weeks=6, days=1)
    draft = await world.draft(grant, await world.partner(), starts_on=early)
    await world.run(lambda uow: commands.submit_agreement_for_review(uow, draft.id))
    await world.run(lambda uow: commands.pass_agreement_review(uow, draft.id))
    await world.run(lambda uow: record_receipt(uow, grant.id, usd(100_000), TODAY))
    with pytest.raises(DatesError, match="pays for nothing before"):
        await world.run(lambda uow: commands.sign_agreement(uow, draft.id, TODAY))


async def test_an_agreement_is_in_its_grants_currency(world: World) -> None:
    with pytest.raises(CurrencyMismatchError):
        await world.draft(await world.grant(), await world.partner(), Money(Decimal(1), "CHF"))


async def test_an_agreement_does_not_outlast_its_grant(world: World) -> None:
    grant = await world.grant()
    assert grant.ends_on is not None
    world.clock.advance(timedelta(days=1))
    await world.execute("UPDATE funding_grant SET ends_on = $1", TODAY + timedelta(days=119))
    with pytest.raises(DatesError):
        await world.draft(grant, await world.partner())


async def test_termination_gives_back_what_was_not_paid(world: World) -> None:
    agreement = await world.agreement()
    await world.settled(agreement)
    ended = await world.run(lambda uow: commands.terminate_agreement(uow, agreement.id, "war"))
    assert ended.status == "terminated"
    assert await world.balances(agreement.grant_id) == {"available": "2950000", "paid": "50000"}
    assert await world.breaches() == []


@pytest.mark.parametrize("state", ["submitted", "approved", "released", "sent"])
async def test_nothing_is_terminated_under_a_payment_on_its_way(world: World, state: str) -> None:
    agreement = await world.agreement()
    await getattr(world, state)(agreement)
    with pytest.raises(PaymentsOpenError):
        await world.run(lambda uow: commands.terminate_agreement(uow, agreement.id, "war"))


async def test_a_fully_paid_agreement_is_terminated_without_moving_money(world: World) -> None:
    agreement = await world.agreement(tranches=1)
    await world.settled(agreement)
    await world.run(lambda uow: commands.terminate_agreement(uow, agreement.id, "done"))
    assert await world.balances(agreement.grant_id) == {"available": "2900000", "paid": "100000"}


@pytest.mark.parametrize(
    "move, arguments",
    [
        (commands.submit_agreement_for_review, ()),
        (commands.pass_agreement_review, ()),
        (commands.return_agreement_to_draft, ("no",)),
        (commands.sign_agreement, (TODAY,)),
        (commands.activate_agreement, ()),
        (commands.resume_agreement, ()),
        (commands.cancel_agreement, ("no",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_an_illegal_move_names_the_state(
    world: World, move: Move, arguments: tuple[Any, ...]
) -> None:
    agreement = await world.agreement()
    with pytest.raises(IllegalMoveError) as refused:
        await world.run(lambda uow: move(uow, agreement.id, *arguments))
    assert refused.value.facts["state"] == "active"


async def test_a_move_on_an_older_version_is_refused(world: World) -> None:
    draft = await world.draft(await world.grant(), await world.partner())
    seen = Sequence.parse(draft.sequence)
    await world.run(lambda uow: commands.submit_agreement_for_review(uow, draft.id, expected=seen))
    with pytest.raises(StaleVersionError):
        await world.run(lambda uow: commands.pass_agreement_review(uow, draft.id, expected=seen))


async def test_an_agreement_goes_back_to_draft_and_is_cancelled(world: World) -> None:
    draft = await _in_signature(world)
    back = await world.run(
        lambda uow: commands.return_agreement_to_draft(uow, draft.id, "the annex is wrong")
    )
    assert back.status == "draft"
    gone = await world.run(lambda uow: commands.cancel_agreement(uow, draft.id, "given up"))
    assert gone.status == "cancelled"
    (row,) = await world.fetch(
        "SELECT data::text AS data FROM journal WHERE type LIKE '%returned_to_draft%'"
    )
    assert "annex" not in row["data"]


async def test_an_agreement_of_another_country_is_out_of_reach(world: World) -> None:
    draft = await world.draft(await world.grant(), await world.partner())
    with pytest.raises(ForbiddenError):
        await world.run(
            lambda uow: commands.submit_agreement_for_review(uow, draft.id),
            in_country(SUBMITTER, "HTI"),
        )


async def _in_signature(world: World) -> Agreement:
    draft = await world.draft(await world.grant(), await world.partner())
    await world.run(lambda uow: commands.submit_agreement_for_review(uow, draft.id))
    return await world.run(lambda uow: commands.pass_agreement_review(uow, draft.id))
