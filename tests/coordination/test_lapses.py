"""A partner's time runs out by itself: its seats are suspended though the registry says nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from common.actor import Actor
from common.chores import Chores
from coordination.service import SERVICE
from support.api import NOON
from support.coordination import IDS, Coordination, done, partner_record

LAST_DAY = "2020-06-22"
MACHINE = Actor.system("coordination")
(CHORE,) = SERVICE.chores


async def seated(house: Coordination, **facts: Any) -> tuple[UUID, dict[str, Any]]:
    """A partner on the last day on which it is eligible, and its seat."""
    partner = await house.partner(**{"eligible_until": LAST_DAY, **facts})
    return partner, await house.member(await house.cluster(), partner)


async def found(house: Coordination) -> int:
    """How many duties the chore made."""
    return await Chores("coordination", house.api.units, SERVICE.chores).do(CHORE)


async def standing(house: Coordination, seat: dict[str, Any]) -> tuple[str, list[str]]:
    now = await house.now(seat)
    return now["status"], now["suspended_for"]


async def test_the_day_after_its_last_a_partner_loses_its_seat(house: Coordination) -> None:
    _, seat = await seated(house)
    house.clock.advance(timedelta(days=1))
    assert await found(house) == 1
    await house.registry.react()
    assert await standing(house, seat) == ("suspended", ["partner_ineligible"])


async def test_on_its_last_day_a_partner_keeps_its_seat(house: Coordination) -> None:
    _, seat = await seated(house)
    assert await found(house) == 0
    assert await standing(house, seat) == ("active", [])


async def test_what_has_been_suspended_is_not_found_again(house: Coordination) -> None:
    _, seat = await seated(house)
    house.clock.advance(timedelta(days=1))
    assert await found(house) == 1
    assert await found(house) == 0
    await house.registry.react()
    assert await found(house) == 0
    assert await house.changes(seat) == ["requested", "joined", "suspended"]


async def test_a_seat_that_the_cluster_suspended_gets_the_second_cause(
    house: Coordination,
) -> None:
    _, seat = await seated(house)
    done(await house.do(seat, "suspend", {"reason": "No reports for a year."}))
    house.clock.advance(timedelta(days=1))
    assert await found(house) == 1
    await house.registry.react()
    causes = ["cluster_decision", "partner_ineligible"]
    assert await standing(house, seat) == ("suspended", causes)


async def test_a_lapsed_partner_without_a_seat_is_nobodys_business(house: Coordination) -> None:
    partner = await house.partner(eligible_until=LAST_DAY)
    await house.request(await house.cluster(), partner)
    left = await house.member(await house.cluster(code="WSH"), partner)
    done(await house.do(left, "leave", {}))
    house.clock.advance(timedelta(days=1))
    assert await found(house) == 0


async def test_more_than_a_share_is_found_share_by_share(house: Coordination) -> None:
    cluster = await house.cluster()
    partners = [IDS.new() for _ in range(CHORE.share + 1)]
    await house.registry.hear(*(partner_record(p, eligible_until=LAST_DAY) for p in partners))
    await house.registry.react()
    async with house.api.runtime.engine.begin() as db:
        driver: Any = (await db.get_raw_connection()).driver_connection
        await driver.execute(
            "INSERT INTO membership (id, sequence, partner_id, cluster_id, code, country, role, "
            "status, suspended_for, commitments_version, joined_on) "
            "SELECT gen_random_uuid(), '0001-0000000001', partner, $2, 'HEA', 'BGD', 'member', "
            "'active', '{}', 1, $3 FROM unnest($1::uuid[]) AS partner",
            partners,
            UUID(cluster["id"]),
            NOON.date(),
        )
    house.clock.advance(timedelta(days=1))
    assert await house.api.units.run(CHORE.work, actor=MACHINE) == CHORE.share
    assert await found(house) == 1


async def test_a_duty_that_waits_for_a_fresh_mirror_does_not_keep_a_lapsed_partner_seated(
    house: Coordination,
) -> None:
    partner, first = await seated(house)
    await house.registry.says(partner, eligibility="ineligible", eligible_until=None)
    await house.registry.says(partner, eligible_until=LAST_DAY)  # restored, and the mirror is old
    second = await house.member(await house.cluster(code="WSH"), partner)
    assert await house.registry.due() == 1
    house.clock.advance(timedelta(days=1))
    assert await found(house) == 1
    await house.registry.react()
    assert await standing(house, second) == ("suspended", ["partner_ineligible"])
    assert await standing(house, first) == ("suspended", ["partner_ineligible"])


async def test_a_duty_that_is_due_already_is_left_alone(house: Coordination) -> None:
    partner, _ = await seated(house)
    await house.registry.hear(partner_record(partner, 2, eligible_until="2020-06-21"))
    house.clock.advance(timedelta(days=1))
    assert await found(house) == 0
    assert await house.registry.due() == 1
