"""Registering grants and receiving their money."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from common.errors import ForbiddenError, NotFoundError
from common.http import PageQuery
from common.money import Money
from disbursement.errors import BeyondGrantError, CurrencyMismatchError, DatesError
from disbursement.grants import commands, queries
from disbursement.grants.codes import Window
from disbursement.grants.commands import NewGrant
from disbursement.grants.rules import Funder, FunderRole, Grant, Source
from disbursement.ledger.queries import transactions_of_grant
from support.disbursement import IDS, SUBMITTER, TODAY, World, in_country, usd

NEW = NewGrant(
    source=Source.CERF,
    cerf_window=None,
    code_text="part of 20-RR-IOM-027/X",
    title="Front-line health",
    country="BGD",
    emergency=None,
    amount=usd(3_000_000),
)


async def test_a_grant_keeps_its_raw_code_and_the_codes_found_in_it(world: World) -> None:
    grant = await _register(world)
    assert (grant.code_text, grant.project_code) == ("part of 20-RR-IOM-027/X", "20-RR-IOM-027")
    assert grant.cerf_window is Window.RAPID_RESPONSE


async def test_a_code_is_no_key(world: World) -> None:
    first, second = await _register(world), await _register(world)
    found = await world.read(
        lambda uow: queries.grants(uow, PageQuery(limit=10), code="20-RR-IOM-027")
    )
    assert [grant.id for grant in found] == [first.id, second.id]


async def test_the_first_receipt_dates_the_funds_payment_and_the_deadline(world: World) -> None:
    grant = await _register(world)
    assert grant.ends_on is None
    received = await _receive(world, grant, usd(1_000_000), date(2020, 6, 19))
    assert (received.disbursed_on, received.ends_on) == (date(2020, 6, 19), date(2020, 12, 19))
    again = await _receive(world, grant, usd(2_000_000), TODAY)
    assert (again.disbursed_on, again.ends_on) == (date(2020, 6, 19), date(2020, 12, 19))
    assert again.ends_source == received.ends_source
    assert await world.balances(grant.id) == {"available": "3000000"}
    assert await world.changes(grant.id) == ["registered", "received", "received"]
    assert await world.breaches() == []


async def test_no_more_is_received_than_was_granted(world: World) -> None:
    grant = await _register(world)
    await _receive(world, grant, usd(2_999_999), TODAY)
    with pytest.raises(BeyondGrantError):
        await _receive(world, grant, usd("1.01"), TODAY)
    assert await world.balances(grant.id) == {"available": "2999999"}


async def test_a_receipt_in_another_currency_is_refused(world: World) -> None:
    grant = await _register(world)
    with pytest.raises(CurrencyMismatchError):
        await _receive(world, grant, Money(Decimal(1), "CHF"), TODAY)


@pytest.mark.parametrize(
    "code",
    ["20-rr-iom-027", " part of 20-RR-IOM-027/X", "20-RR-IOM-027 and 20-RR-BGD-43712"],
)
async def test_a_grant_is_found_by_its_code_however_it_is_written(world: World, code: str) -> None:
    grant = await _register(world)
    await _register(world, code_text="20-RR-IOM-028")
    await _register(world, source=Source.DONOR, code_text=None)
    found = await world.read(lambda uow: queries.grants(uow, PageQuery(limit=10), code=code))
    assert [each.id for each in found] == [grant.id]


async def test_a_code_that_no_grant_has_finds_none(world: World) -> None:
    await _register(world, source=Source.DONOR, code_text=None)
    for code in ("no code at all", "23-RR-AFG-61441"):
        find = partial(queries.grants, page=PageQuery(limit=9), code=code)
        found = await world.read(find)
        assert found == []


async def test_money_does_not_arrive_before_the_fund_granted_it_or_paid_it_out(
    world: World,
) -> None:
    dates = {"approved_on": TODAY - timedelta(days=10), "disbursed_on": None}
    granted = await _register(world, **dates)
    with pytest.raises(DatesError, match="granted"):
        await _receive(world, granted, usd(1), TODAY - timedelta(days=11))
    await _receive(world, granted, usd(1), TODAY - timedelta(days=10))
    paid = await _register(world, **dates | {"disbursed_on": TODAY - timedelta(days=3)})
    with pytest.raises(DatesError, match="first paid out"):
        await _receive(world, paid, usd(1), TODAY - timedelta(days=4))


async def test_the_round_of_underfunded_emergencies_sets_the_deadline(world: World) -> None:
    approved = {"code_text": "19-UF-IOM-027", "approved_on": date(2019, 9, 15)}
    grant = await _register(world, **approved, cerf_round=2)
    received = await _receive(world, grant, usd(1), TODAY)
    assert (grant.ends_on, received.ends_on) == (None, date(2020, 6, 30))
    paid = await _register(world, **approved, cerf_round=1, disbursed_on=TODAY)
    assert paid.ends_on == date(2019, 12, 31)
    assert await world.breaches() == []


async def test_what_is_published_of_a_grant_names_nobody_and_holds_no_text(world: World) -> None:
    funders = [Funder(FunderRole.DONOR, "Jane Doe"), Funder(FunderRole.FUND, "A fund")]
    grant = await _register(world, emergency="COVID-19", funders=funders)
    (row,) = await world.fetch("SELECT data FROM journal WHERE stream = $1", grant.id)
    assert row["data"]["grant"]["funder_roles"] == ["donor", "fund"]
    for written in ("Jane Doe", "A fund", "COVID-19", "Front-line health", "part of"):
        assert written not in str(row["data"])


async def test_a_grant_of_another_country_is_out_of_reach(world: World) -> None:
    haitian = in_country(SUBMITTER, "HTI")
    with pytest.raises(ForbiddenError):
        await world.run(lambda uow: commands.register_grant(uow, NEW), haitian)
    grant = await _register(world)
    with pytest.raises(ForbiddenError):
        await world.runtime.units.read(
            lambda uow: queries.grant_by_id(uow, grant.id), actor=haitian
        )
    listed = await world.runtime.units.read(
        lambda uow: queries.grants(uow, PageQuery(limit=10)), actor=haitian
    )
    assert listed == []


async def test_a_grant_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.run(lambda uow: commands.record_receipt(uow, IDS.new(), usd(1), TODAY))


async def test_the_ledger_of_a_grant_is_paged_by_its_keys(world: World) -> None:
    payment = await world.settled()
    everything = await world.read(
        lambda uow: transactions_of_grant(uow, payment.grant_id, after=None, limit=100)
    )
    kinds = [row.kind for row in everything]
    assert kinds == ["received", "signed", "submitted", "approved", "released", "settled"]
    first = everything[1]
    rest = await world.read(
        lambda uow: transactions_of_grant(uow, payment.grant_id, after=first.id, limit=2)
    )
    assert [row.kind for row in rest] == ["submitted", "approved"]
    assert all(sum(entry.amount for entry in row.entries) == 0 for row in everything)


async def test_a_payment_does_not_change_its_grant(world: World) -> None:
    grant = await world.grant()
    await world.settled(await world.agreement(grant))
    now = await world.read(lambda uow: queries.grant_by_id(uow, grant.id))
    assert now == grant


@pytest.mark.parametrize(
    "currency, amount, parts",
    [("XAF", 1_000_001, ["500001", "500000"]), ("LYD", "10.001", ["5.001", "5.000"])],
)
async def test_money_has_its_currencys_coins(
    world: World, currency: str, amount: Any, parts: list[str]
) -> None:
    whole = Money(Decimal(amount), currency)
    grant = await world.grant(whole)
    agreement = await world.agreement(grant, amount=whole)
    assert [str(each.amount.amount) for each in agreement.tranches] == parts
    payment = await world.settled(agreement)
    assert payment.approvals_required == 3
    assert str(payment.amount.amount) == parts[0]
    assert await world.breaches() == []


async def _register(world: World, **facts: Any) -> Grant:
    return await world.run(lambda uow: commands.register_grant(uow, replace(NEW, **facts)))


async def _receive(world: World, grant: Grant, amount: Money, on: date) -> Grant:
    return await world.run(lambda uow: commands.record_receipt(uow, grant.id, amount, on))
