"""What has happened is dated where it happened: a day has come once it is that day anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from disbursement.agreements.commands import (
    pass_agreement_review,
    sign_agreement,
    submit_agreement_for_review,
)
from disbursement.errors import DatesError
from disbursement.grants.commands import NewGrant, record_receipt, register_grant
from disbursement.grants.rules import Source
from disbursement.payments.commands import confirm_receipt
from support.disbursement import World, usd

NEARLY = datetime(2020, 7, 6, 9, 59, 59, tzinfo=UTC)
"""A second before the seventh begins at UTC+14, the first place where it does."""
SEVENTH = date(2020, 7, 7)

Deed = Callable[[date], Awaitable[Any]]
NEW = NewGrant(
    source=Source.DONOR,
    cerf_window=None,
    code_text=None,
    title="Front-line health",
    country="BGD",
    emergency=None,
    amount=usd(100),
)


async def _approval(world: World) -> Deed:
    return lambda day: world.run(lambda uow: register_grant(uow, replace(NEW, approved_on=day)))


async def _disbursal(world: World) -> Deed:
    return lambda day: world.run(lambda uow: register_grant(uow, replace(NEW, disbursed_on=day)))


async def _receipt(world: World) -> Deed:
    grant = await world.grant(received=False)
    return lambda day: world.run(lambda uow: record_receipt(uow, grant.id, usd(1), day))


async def _signature(world: World) -> Deed:
    draft = await world.draft(await world.grant(), await world.partner())
    await world.run(lambda uow: submit_agreement_for_review(uow, draft.id))
    await world.run(lambda uow: pass_agreement_review(uow, draft.id))
    return lambda day: world.run(lambda uow: sign_agreement(uow, draft.id, day))


async def _evidence(world: World) -> Deed:
    payment = await world.sent()
    return lambda day: world.evidence(payment, "settled", on=day)


async def _confirmation(world: World) -> Deed:
    payment = await world.sent()
    return lambda day: world.run(lambda uow: confirm_receipt(uow, payment.id, day))


@pytest.mark.parametrize(
    "prepared", [_approval, _disbursal, _receipt, _signature, _evidence, _confirmation]
)
async def test_what_happened_today_in_the_east_is_taken_and_what_is_to_come_is_not(
    world: World, prepared: Callable[[World], Awaitable[Deed]]
) -> None:
    deed = await prepared(world)
    world.clock.advance(NEARLY - world.now)
    with pytest.raises(DatesError, match="future"):
        await deed(SEVENTH)
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(DatesError, match="future"):
        await deed(SEVENTH + timedelta(days=1))
    await deed(SEVENTH)
    assert await world.breaches() == []
