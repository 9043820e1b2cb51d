"""The reports: layers, days, shares."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.money import Money
from disbursement.agreements import commands as agreements
from disbursement.transparency.queries import shares_of_money, ways_of_grant
from support.disbursement import SUBMITTER, TODAY, World, in_country, usd


async def test_layers_and_days_to_the_first_settled_instalment(world: World) -> None:
    grant = await world.grant()
    agreement = await world.agreement(grant)
    await world.settled(agreement)
    waiting = await world.agreement(grant)
    await world.draft(grant, await world.partner())
    (first, second), complete = await world.read(lambda uow: ways_of_grant(uow, grant))
    assert complete
    assert (first.agreement_id, second.agreement_id) == (agreement.id, waiting.id)
    assert (first.layers_from_fund, first.layers_from_donor) == (1, 2)
    assert first.first_settled_on == TODAY
    assert first.days is not None
    # the fund paid on Friday 19 June, the bank on Monday 22 June
    assert (first.days.calendar, first.days.working) == (3, 1)
    assert (second.first_settled_on, second.days) == (None, None)


async def test_an_instalment_that_came_back_was_not_the_first(world: World) -> None:
    grant = await world.grant()
    agreement = await world.agreement(grant)
    back = await world.evidence(await world.sent(agreement), "settled", on=TODAY)
    await world.evidence(back, "returned")
    await world.confirmed(back)
    world.clock.advance(timedelta(days=2))
    await world.watermark()
    payment = await world.sent(agreement)
    await world.evidence(payment, "settled", on=TODAY + timedelta(days=2))
    (way,), _ = await world.read(lambda uow: ways_of_grant(uow, grant))
    assert way.first_settled_on == TODAY + timedelta(days=2)


async def test_a_report_shows_the_first_agreements_and_says_that_there_are_more(
    world: World,
) -> None:
    grant = await world.grant()
    first = await world.agreement(grant)
    await world.agreement(grant)
    (way,), complete = await world.read(lambda uow: ways_of_grant(uow, grant, most=1))
    assert (way.agreement_id, complete) == (first.id, False)
    _, complete = await world.read(lambda uow: ways_of_grant(uow, grant, most=2))
    assert complete


async def test_agreements_of_partners_that_are_alike_add_up(world: World) -> None:
    grant = await world.grant()
    for amount in (10_000, 5_000):
        await world.agreement(grant, await world.partner(), usd(amount), tranches=1)
    (usd_shares,) = await world.read(shares_of_money)
    assert _whole(usd_shares.committed.total, usd_shares.committed.to_local) == [15_000, 15_000]


async def test_a_local_actor_of_another_country_counts_on_neither_side(world: World) -> None:
    partner = await world.partner(local="yes", kind="national_ngo", country="NPL")
    await world.agreement(await world.grant(), partner, usd(10_000), tranches=1)
    (usd_shares,) = await world.read(shares_of_money)
    committed = usd_shares.committed
    assert _whole(committed.to_local, committed.undetermined) == [0, 10_000]


@pytest.mark.parametrize("facts", [{"country": None}, {"gone": True}])
async def test_a_local_actor_of_whom_too_little_is_known_counts_on_neither_side(
    world: World, facts: dict[str, Any]
) -> None:
    partner = await world.partner(local="yes", kind="national_ngo")
    await world.agreement(await world.grant(), partner, usd(10_000), tranches=1)
    await world.says(partner, **facts)
    (usd_shares,) = await world.read(shares_of_money)
    committed = usd_shares.committed
    assert _whole(committed.to_local, committed.undetermined) == [0, 10_000]


async def test_shares_are_by_locality_paid_and_committed_apart(world: World) -> None:
    grant = await world.grant()
    for local, kind, amount in (
        ("yes", "national_ngo", 60_000),
        ("no", "international_ngo", 30_000),
        ("undetermined", "university_research", 8_000),
        (None, None, 2_000),
    ):
        partner = await world.partner(local=local, kind=kind)
        agreement = await world.agreement(grant, partner, usd(amount), tranches=1)
        if local == "yes":
            await world.settled(agreement)
    (usd_shares,) = await world.read(shares_of_money)
    committed = usd_shares.committed
    assert _whole(committed.total, committed.to_civil_society) == [100_000, 98_000]
    assert _whole(committed.to_local, committed.not_local, committed.undetermined) == [
        60_000,
        30_000,
        10_000,
    ]
    assert committed.share(committed.to_local) == Decimal("0.6000")
    paid = usd_shares.paid
    assert _whole(paid.total) == [60_000]
    assert paid.share(paid.to_local) == Decimal("1.0000")


async def test_currencies_are_never_added_up(world: World) -> None:
    for currency in ("XAF", "USD"):
        grant = await world.grant(Money(Decimal(1000), currency))
        await world.agreement(grant, amount=Money(Decimal(1000), currency))
    found = await world.read(shares_of_money)
    assert [(each.currency, int(each.committed.total)) for each in found] == [
        ("USD", 1000),
        ("XAF", 1000),
    ]


async def test_what_a_terminated_agreement_gave_back_is_no_longer_committed(world: World) -> None:
    agreement = await world.agreement()
    await world.settled(agreement)
    await world.run(lambda uow: agreements.terminate_agreement(uow, agreement.id, "war"))
    (found,) = await world.read(shares_of_money)
    assert _whole(found.committed.total, found.paid.total) == [50_000, 50_000]


async def test_shares_can_be_narrowed_and_stay_within_reach(world: World) -> None:
    agreement = await world.agreement()
    by_country = await world.read(lambda uow: shares_of_money(uow, country="HTI"))
    by_emergency = await world.read(lambda uow: shares_of_money(uow, emergency="COVID-19"))
    by_grant = await world.read(lambda uow: shares_of_money(uow, grant_id=agreement.grant_id))
    assert (len(by_country), len(by_emergency), len(by_grant)) == (0, 1, 1)
    abroad = await world.runtime.units.read(shares_of_money, actor=in_country(SUBMITTER, "HTI"))
    assert abroad == []


def _whole(*amounts: Decimal) -> list[int]:
    """Amounts without cents, as integers."""
    assert all(amount == int(amount) for amount in amounts)
    return [int(amount) for amount in amounts]
