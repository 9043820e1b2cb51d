"""Seats follow their partner's eligibility, however the registry's word arrives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from common.kafka.cloudevents import Record
from common.mirrors.mirror import Outcome
from support.api import problem
from support.coordination import IDS, Coordination, done, grave, partner_record

REASON = "A written reason that stays here."


async def seated(house: Coordination) -> tuple[UUID, dict[str, Any]]:
    """An eligible partner and its seat."""
    partner = await house.partner()
    return partner, await house.member(await house.cluster(), partner)


async def standing(house: Coordination, membership: dict[str, Any]) -> tuple[str, list[str]]:
    now = await house.now(membership)
    return now["status"], now["suspended_for"]


HELD = ("suspended", ["partner_ineligible"])


# --- tightening ---------------------------------------------------------------------------------


async def test_an_ineligible_partner_loses_its_seat_at_once(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.says(partner, eligibility="ineligible", status="suspended")
    assert await standing(house, seat) == HELD
    assert await house.registry.due() == 0


async def test_every_seat_of_the_partner_is_suspended(house: Coordination) -> None:
    partner = await house.partner()
    seats = [
        await house.member(await house.cluster(code=code, country=country), partner)
        for code, country in (("HEA", "BGD"), ("WSH", "BGD"), ("HEA", "SSD"))
    ]
    bystander = await house.member(await house.cluster(code="NUT"), await house.partner())
    await house.registry.says(partner, eligibility="ineligible")
    assert [await standing(house, seat) for seat in seats] == [HELD] * 3
    assert await standing(house, bystander) == ("active", [])


async def test_seats_are_suspended_and_restored_in_shares_until_none_is_left(
    house: Coordination,
) -> None:
    partner, seats = await seated_everywhere(house)
    done(await house.do(seats[0], "suspend", {"reason": REASON}))
    await house.registry.hear(partner_record(partner, 2, eligibility="ineligible"))
    outcomes = [await house.follow(partner, share=2) for _ in range(3)]
    assert outcomes == [Outcome.MORE, Outcome.MORE, Outcome.DONE]
    both = ("suspended", ["cluster_decision", "partner_ineligible"])
    assert [await standing(house, seat) for seat in seats] == [both, HELD, HELD, HELD]

    await house.registry.hear(partner_record(partner, 3))
    assert await house.follow(partner, share=2, fresh=False) is Outcome.WAIT
    outcomes = [await house.follow(partner, share=3) for _ in range(2)]
    assert outcomes == [Outcome.MORE, Outcome.DONE]
    decision = ("suspended", ["cluster_decision"])
    assert [await standing(house, seat) for seat in seats] == [decision] + [("active", [])] * 3
    assert await house.follow(partner, share=2, fresh=False) is Outcome.DONE
    for seat in seats:
        assert (await house.changes(seat)).count("lifted") == 1


async def test_a_share_that_was_done_stays_done_when_the_next_finds_the_partner_eligible(
    house: Coordination,
) -> None:
    partner, seats = await seated_everywhere(house)
    await house.registry.hear(partner_record(partner, 2, eligibility="ineligible"))
    assert await house.follow(partner, share=2) is Outcome.MORE
    await house.registry.hear(partner_record(partner, 3))
    assert await house.follow(partner, share=3) is Outcome.DONE
    assert [await standing(house, seat) for seat in seats] == [("active", [])] * 4


async def seated_everywhere(house: Coordination) -> tuple[UUID, list[dict[str, Any]]]:
    """An eligible partner and its four seats, oldest first."""
    partner = await house.partner()
    clusters = [("HEA", "BGD"), ("WSH", "BGD"), ("HEA", "SSD"), ("WSH", "SSD")]
    seats = [
        await house.member(await house.cluster(code=code, country=country), partner)
        for code, country in clusters
    ]
    return partner, seats


async def test_requests_and_invitations_wait_for_the_decision(house: Coordination) -> None:
    partner = await house.partner()
    asked = await house.request(await house.cluster(), partner)
    invited = await house.invite(await house.cluster(code="WSH"), partner)
    await house.registry.says(partner, eligibility="ineligible")
    assert await standing(house, asked) == ("requested", [])
    assert await standing(house, invited) == ("invited", [])


def broken(partner: UUID) -> Record:
    return partner_record(partner, 2)._replace(value=b"not JSON")


def tombstone(partner: UUID) -> Record:
    return partner_record(partner, 2)._replace(value=None)


@pytest.mark.parametrize(
    "record",
    [broken, lambda partner: grave(partner, 2), tombstone],
    ids=["a record that cannot be read", "a grave", "a tombstone"],
)
async def test_what_is_not_known_to_be_eligible_does_not_sit(
    house: Coordination, record: Any
) -> None:
    partner, seat = await seated(house)
    await house.registry.hear(record(partner))
    await house.registry.react()
    assert await standing(house, seat) == HELD


async def test_a_readable_record_after_an_unreadable_one_restores_the_seat(
    house: Coordination,
) -> None:
    partner, seat = await seated(house)
    await house.registry.hear(broken(partner))
    await house.registry.react()
    await house.registry.watermark()
    await house.registry.hear(partner_record(partner, 3))
    await house.registry.react()
    assert await standing(house, seat) == ("active", [])


async def test_a_partner_whose_time_is_over_does_not_keep_its_seat(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.says(partner, eligible_until="2020-06-21")
    assert await standing(house, seat) == HELD


async def test_the_event_behind_a_suspension_is_its_cause(house: Coordination) -> None:
    partner, seat = await seated(house)
    record = partner_record(partner, 2, eligibility="ineligible")
    await house.registry.hear(record)
    await house.registry.react()
    async with house.api.runtime.engine.connect() as db:
        driver: Any = (await db.get_raw_connection()).driver_connection
        row = await driver.fetchrow(
            "SELECT actor, reason, causation_id FROM journal "
            "WHERE stream = $1 ORDER BY version DESC LIMIT 1",
            UUID(seat["id"]),
        )
    assert row["actor"] == "system:coordination"
    assert row["reason"] == "partner_ineligible"
    assert row["causation_id"] == dict(record.headers)["ce_id"].decode()


# --- loosening ----------------------------------------------------------------------------------


async def test_a_reinstated_partner_gets_its_seat_back_once_the_mirror_is_fresh(
    house: Coordination,
) -> None:
    partner, seat = await seated(house)
    await house.registry.says(partner, eligibility="ineligible")
    await house.registry.says(partner)
    assert await standing(house, seat) == HELD
    assert await house.registry.due() == 1
    await house.registry.watermark()
    await house.registry.react()
    assert await standing(house, seat) == ("active", [])
    assert await house.registry.due() == 0


async def test_a_stale_mirror_suspends_and_does_not_restore(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.watermark(house.clock.now() - timedelta(seconds=61))
    await house.registry.says(partner, eligibility="ineligible")
    assert await standing(house, seat) == HELD
    await house.registry.says(partner)
    assert await standing(house, seat) == HELD


async def test_a_dormant_member_is_restored_as_dormant(house: Coordination) -> None:
    partner, seat = await seated(house)
    done(await house.do(seat, "find-dormant"))
    await house.registry.watermark()
    await house.registry.says(partner, eligibility="ineligible")
    await house.registry.says(partner)
    assert await standing(house, seat) == ("dormant", [])


async def test_only_the_cause_that_we_made_is_lifted(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.watermark()
    done(await house.do(seat, "suspend", {"reason": REASON}))
    await house.registry.says(partner, eligibility="ineligible")
    await house.registry.says(partner)
    assert await standing(house, seat) == ("suspended", ["cluster_decision"])


async def test_a_seat_left_meanwhile_stays_left(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.watermark()
    await house.registry.says(partner, eligibility="ineligible")
    done(await house.do(seat, "leave", {}))
    await house.registry.says(partner)
    assert await standing(house, seat) == ("left", [])


async def test_lifting_by_hand_does_not_outrun_a_reaction_that_is_due(
    house: Coordination,
) -> None:
    partner, seat = await seated(house)
    done(await house.do(seat, "suspend", {"reason": REASON}))
    await house.registry.hear(partner_record(partner, 2, eligibility="ineligible"))
    problem(await house.do(seat, "lift-suspension"), 409, "partner_ineligible")


# --- redelivery, order, replay ------------------------------------------------------------------


def story(partner: UUID) -> list[Record]:
    """Eligible, suspended, reinstated, suspended again."""
    return [
        partner_record(partner, 1),
        partner_record(partner, 2, eligibility="ineligible"),
        partner_record(partner, 3),
        partner_record(partner, 4, eligibility="ineligible"),
    ]


DELIVERIES: dict[str, list[int]] = {
    "in order": [1, 2, 3],
    "each one twice": [1, 1, 2, 2, 3, 3],
    "backwards": [3, 2, 1],
    "the last alone": [3],
    "replayed from the beginning": [1, 2, 3, 0, 1, 2, 3],
    "an old one last": [3, 0],
}


@pytest.mark.parametrize("order", DELIVERIES)
@pytest.mark.parametrize("reacting", ["after each", "at the end"])
async def test_the_end_is_the_same_however_the_records_come(
    house: Coordination, order: str, reacting: str
) -> None:
    partner = IDS.new()
    records = story(partner)
    await house.registry.hear(records[0])
    seat = await house.member(await house.cluster(), partner)
    await house.registry.watermark()
    for number in DELIVERIES[order]:
        await house.registry.hear(records[number])
        if reacting == "after each":
            await house.registry.react()
    await house.registry.react()
    assert await standing(house, seat) == HELD
    assert await house.registry.due() == 0


async def test_a_word_heard_twice_is_recorded_once(house: Coordination) -> None:
    partner, seat = await seated(house)
    record = partner_record(partner, 2, eligibility="ineligible")
    for _ in range(2):
        await house.registry.hear(record)
        await house.registry.react()
    assert await house.changes(seat) == ["requested", "joined", "suspended"]


async def test_a_raised_epoch_wins_over_any_version_of_the_old_one(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.hear(partner_record(partner, 9))
    await house.registry.hear(partner_record(partner, 1, epoch=2, eligibility="ineligible"))
    await house.registry.hear(partner_record(partner, 10))
    await house.registry.react()
    assert await standing(house, seat) == HELD


async def test_the_erased_do_not_come_back(house: Coordination) -> None:
    partner, seat = await seated(house)
    await house.registry.watermark()
    await house.registry.hear(grave(partner, 5))
    await house.registry.hear(partner_record(partner, 4))
    await house.registry.react()
    assert await standing(house, seat) == HELD


async def test_news_that_do_not_matter_make_nothing_due(house: Coordination) -> None:
    partner, _ = await seated(house)
    await house.registry.hear(partner_record(partner, 2, legal_name="Shapla Health Trust"))
    assert await house.registry.due() == 0
