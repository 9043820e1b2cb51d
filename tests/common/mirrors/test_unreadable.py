"""What cannot be read closes its row and is parked; what is erased stays erased."""

from __future__ import annotations

from typing import Any

import pytest

from common.db.driver import borrowed
from mirror_kit import (
    A,
    B,
    Log,
    Said,
    broken,
    erased,
    event,
    everything,
    ids,
    parked,
    row,
    seq,
    standing,
    tombstone,
)

# --- unreadable ---------------------------------------------------------------------------------


async def test_an_unreadable_record_closes_the_row_keeps_its_facts_and_is_parked(log: Log) -> None:
    await log.feed(event(A, 1, name="known"), broken(A, 2, value=b"\x00\xff not json"))
    found = await row(log.engine, A)
    assert found is not None
    assert (found["readable"], found["sequence"], found["name"]) == (False, seq(2), "known")
    async with borrowed(log.engine) as driver:
        kept = await driver.fetchrow("SELECT * FROM parked")
    assert (kept["value"], kept["id"], kept["resolved_at"]) == (b"\x00\xff not json", A, None)
    assert "JSON" in kept["error"]


async def test_the_records_after_an_unreadable_one_are_applied(log: Log) -> None:
    await log.feed(broken(A, 1), event(B, 1))
    assert await standing(log.engine, B) == (seq(1), True, False)
    assert log.at == 2


async def test_an_unreadable_record_that_is_not_newer_than_the_row_closes_nothing(log: Log) -> None:
    await log.feed(event(A, 3))
    await log.feed(broken(A, 2), broken(A, 3))
    assert await standing(log.engine) == (seq(3), True, False)
    assert await parked(log.engine) == [(1, "superseded"), (2, "superseded")]


async def test_an_unreadable_record_without_a_version_closes_the_row(log: Log) -> None:
    await log.feed(event(A, 3), broken(A, None))
    assert await standing(log.engine) == (seq(3), False, False)


async def test_an_unreadable_record_of_a_row_never_seen_makes_a_closed_one(log: Log) -> None:
    await log.feed(broken(A, None), broken(B, 7))
    assert await standing(log.engine, A) == ("0000-0000000000", False, False)
    assert await standing(log.engine, B) == (seq(7), False, False)


@pytest.mark.parametrize("version", [None, 4])
async def test_the_next_good_event_opens_the_row_and_settles_its_parked_records(
    log: Log, version: int | None
) -> None:
    await log.feed(event(A, 3), broken(A, version))
    await log.feed(event(A, 5))
    assert await standing(log.engine) == (seq(5), True, False)
    assert await parked(log.engine) == [(1, "superseded")]


async def test_the_same_version_readable_at_last_opens_the_row(log: Log) -> None:
    await log.feed(broken(A, 4))
    await log.feed(event(A, 4))
    assert await standing(log.engine) == (seq(4), True, False)


async def test_an_older_good_event_does_not_open_the_row(log: Log) -> None:
    await log.feed(broken(A, 4))
    await log.feed(event(A, 3))
    assert await standing(log.engine) == (seq(4), False, False)
    assert await parked(log.engine) == [(0, None)]


async def test_a_key_that_is_no_id_is_parked_and_closes_nothing(log: Log) -> None:
    await log.feed(Said(b"\xff\x00", b"x"), Said(None, b"x"), event(A, 1))
    assert await parked(log.engine) == [(0, None), (1, None)]
    assert (await everything(log.engine))["rows"][0]["id"] == A


POISON: dict[str, dict[str, Any]] = {
    "a text too long for its column": {"code": "FOUR"},
    "a NUL character": {"name": "a\0b"},
    "a number too large": {"amount": "1" + "0" * 30},
}


@pytest.mark.parametrize("what", POISON)
async def test_a_row_that_the_database_refuses_is_unreadable_and_blocks_no_other(
    log: Log, what: str
) -> None:
    said = [event(each, 1) for each in ids(20)]
    bad = list(ids(20))[13]
    said[13] = event(bad, 1, **POISON[what])
    await log.feed(*said)
    rows = (await everything(log.engine))["rows"]
    assert [each["id"] for each in rows if not each["readable"]] == [bad]
    assert len(rows) == 20
    assert await parked(log.engine) == [(13, None)]


async def test_when_the_newest_is_refused_the_one_before_it_is_judged_too(log: Log) -> None:
    await log.feed(event(A, 1, code="FOUR"), event(A, 2, code="FIVE"))
    assert await parked(log.engine) == [(0, None), (1, None)]
    assert await standing(log.engine) == (seq(2), False, False)


HEADERS = {
    "no headers at all": (),
    "a sequence that is none": (("ce_sequence", b"seven"),),
    "bytes that are no text": (
        ("ce_type", b"\xff\xfe"),
        ("ce_id", b"\x00"),
        ("traceparent", b"\x00"),
    ),
}


@pytest.mark.parametrize("what", HEADERS)
async def test_broken_headers_park_the_record(log: Log, what: str) -> None:
    await log.feed(Said(str(A).encode(), b"{}", HEADERS[what]))
    assert await parked(log.engine) == [(0, None)]
    assert await standing(log.engine) == ("0000-0000000000", False, False)


async def test_an_event_of_another_aggregate_is_unreadable_here(log: Log) -> None:
    await log.feed(event(A, 1, topic="owner.other.v1"))
    assert await standing(log.engine) == (seq(1), False, False)


# --- graves -------------------------------------------------------------------------------------


async def test_a_grave_keeps_nothing_but_its_version(log: Log) -> None:
    await log.feed(event(A, 1, name="known", tags=["x"]), erased(A, 2))
    found = await row(log.engine, A)
    assert found is not None
    assert {k for k, v in found.items() if v is not None} == {"id", "sequence", "readable", "gone"}
    assert (found["sequence"], found["gone"]) == (seq(2), True)


@pytest.mark.parametrize("late", [event(A, 1), event(A, 2), broken(A, None), tombstone(A, 2)])
async def test_a_grave_is_not_opened_by_what_is_not_newer(log: Log, late: Said) -> None:
    await log.feed(event(A, 1), erased(A, 2))
    await log.feed(late)
    assert await standing(log.engine) == (seq(2), True, True)
    assert all(resolution for _, resolution in await parked(log.engine))


async def test_a_bare_tombstone_buries_the_row_that_stands(log: Log) -> None:
    await log.feed(event(A, 2, name="known"))
    await log.feed(tombstone(A))
    found = await row(log.engine, A)
    assert found is not None
    assert (found["gone"], found["name"]) == (True, None)


async def test_a_bare_tombstone_of_an_unknown_key_makes_no_row(log: Log) -> None:
    await log.feed(tombstone(A))
    assert await row(log.engine, A) is None
