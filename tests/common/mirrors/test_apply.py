"""A batch of records becomes mirror rows and duties, whatever the order and however often."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed
from common.mirrors.mirror import Reaction
from mirror_kit import (
    THINGS,
    WATCH,
    A,
    B,
    Log,
    Said,
    broken,
    due,
    erased,
    event,
    everything,
    nothing,
    row,
    seq,
    standing,
    thing_mirror,
    tombstone,
    watermark,
)

# --- one row ------------------------------------------------------------------------------------


async def test_an_event_becomes_a_row_with_the_facts_of_every_type(log: Log) -> None:
    await log.feed(
        event(
            A,
            1,
            name="Á",
            amount="12.50",
            since="2026-02-03",
            tags=["x", "y"],
            extra={"k": "v"},
            code="XAF",
        )
    )
    assert await row(log.engine, A) == {
        "id": A,
        "sequence": seq(1),
        "readable": True,
        "gone": False,
        "name": "Á",
        "eligible": True,
        "amount": Decimal("12.50"),
        "since": date(2026, 2, 3),
        "tags": ["x", "y"],
        "extra": {"k": "v"},
        "code": "XAF",
    }


async def test_a_key_repeated_in_one_batch_leaves_its_newest_version(log: Log) -> None:
    await log.feed(event(A, 1), event(B, 1), event(A, 3, name="last"), event(A, 2))
    found = await row(log.engine, A)
    assert found is not None
    assert (found["sequence"], found["name"]) == (seq(3), "last")


async def test_a_raised_epoch_beats_every_version_of_the_old_one(log: Log) -> None:
    await log.feed(event(A, 9))
    await log.feed(event(A, 1, epoch=2, name="restored"))
    await log.feed(event(A, 10))
    found = await row(log.engine, A)
    assert found is not None
    assert (found["sequence"], found["name"]) == (seq(1, 2), "restored")


async def test_an_event_type_that_we_have_never_heard_of_counts_by_its_state(log: Log) -> None:
    await log.feed(event(A, 1, happened="teleported", eligible=False))
    found = await row(log.engine, A)
    assert found is not None
    assert found["eligible"] is False


async def test_two_mirrors_of_one_topic_take_the_same_batch(engine: AsyncEngine) -> None:
    async with borrowed(engine) as driver:
        await driver.execute("CREATE TABLE twin (LIKE thing_seen INCLUDING ALL)")
    twin = thing_mirror()
    twin.table.name = "twin"
    log = Log(engine, mirrors=(THINGS, twin))
    await log.feed(event(A, 1))
    async with borrowed(engine) as driver:
        assert await driver.fetchval("SELECT sequence FROM twin WHERE id = $1", A) == seq(1)
    assert await standing(engine) == (seq(1), True, False)


# --- any order, any number of times -------------------------------------------------------------

STORIES: dict[str, Sequence[Said]] = {
    "three versions": [event(A, 1), event(A, 2, eligible=False), event(A, 3)],
    "a raised epoch": [event(A, 7), event(A, 1, epoch=2, eligible=False), event(B, 1)],
    "unreadable in between": [event(A, 1), broken(A, 2), event(A, 3)],
    "unreadable at the end": [event(A, 1), event(B, 1), broken(A, 2)],
    "unreadable only": [broken(A, 4)],
    "erased": [event(A, 1), erased(A, 2), tombstone(A, 2)],
    "erased after an unreadable one": [broken(A, 1), erased(A, 2)],
}


@pytest.mark.parametrize("story", STORIES)
async def test_fed_in_any_order_the_rows_end_the_same(engine: AsyncEngine, story: str) -> None:
    """The facts of a closed row are for people to see; they may be those of an older version."""
    ends = set()
    for number, order in enumerate(itertools.permutations(STORIES[story])):
        async with borrowed(engine) as driver:
            await driver.execute("TRUNCATE thing_seen, parked, reaction_due")
        log = Log(engine, partition=number)
        await log.feed(*order)
        rows = (await everything(engine))["rows"]
        ends.add(repr([each if each["readable"] else list(each.values())[:4] for each in rows]))
    assert len(ends) == 1


TWICE = STORIES | {
    "unreadable without a version": [event(A, 1), broken(A, None)],
    "never read, without a version": [broken(A, None)],
    "readable again": [event(A, 1), broken(A, None), event(A, 2)],
    "a bare tombstone": [event(A, 1), tombstone(A)],
    "a key that is no id": [Said(b"nonsense", b"{}")],
    "what the database refuses": [event(A, 1, code="FOUR"), event(B, 1)],
}


@pytest.mark.parametrize("story", TWICE)
async def test_fed_twice_everything_ends_the_same(log: Log, story: str) -> None:
    await log.feed(*TWICE[story])
    once = await everything(log.engine)
    await log.replay()
    assert await everything(log.engine) == once


@pytest.mark.parametrize("story", TWICE)
async def test_fed_one_by_one_everything_ends_as_in_one_batch(log: Log, story: str) -> None:
    await log.feed(*TWICE[story])
    at_once = await everything(log.engine)
    async with borrowed(log.engine) as driver:
        await driver.execute("TRUNCATE thing_seen, parked, reaction_due, mirror_partition")
    singly = Log(log.engine)
    for said in TWICE[story]:
        await singly.feed(said)
    assert await everything(log.engine) == at_once


async def test_a_replay_makes_nothing_due(log: Log) -> None:
    await log.feed(event(A, 1), event(B, 1))
    await due(log.engine, take=True)
    applied = await log.replay()
    assert (applied.written, await due(log.engine)) == (0, [])


# --- what becomes due ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, after, expected",
    [
        (event(A, 1), event(A, 2, eligible=False), [A]),
        (event(A, 1, tags=["a"]), event(A, 2, tags=["b"]), [A]),
        (event(A, 1), event(A, 2, name="renamed"), []),
        (event(A, 1), event(A, 1, epoch=2), []),
        (event(A, 1), broken(A, 2), [A]),
        (broken(A, 1), event(A, 2), [A]),
        (event(A, 1), erased(A, 2), [A]),
        (event(A, 1), tombstone(A), [A]),
        (erased(A, 2), tombstone(A, 2), []),
        (event(A, 1), watermark(4), []),
        (event(A, 1), event(B, 1), [B]),
    ],
)
async def test_a_reaction_is_due_when_the_relevant_part_changed(
    log: Log, before: Said, after: Said, expected: list[object]
) -> None:
    await log.feed(before)
    await due(log.engine, take=True)
    await log.feed(after)
    assert await due(log.engine) == expected


async def test_every_reaction_of_the_mirror_is_due_with_the_event_behind_it(
    engine: AsyncEngine,
) -> None:
    log = Log(engine, reactions=(WATCH, Reaction("second", THINGS, nothing)))
    await log.feed(event(A, 1), event(A, 2, eligible=False))
    async with borrowed(engine) as driver:
        rows = await driver.fetch("SELECT reaction, causation_id FROM reaction_due ORDER BY 1")
    cause = f"event-{A.int}-{seq(2)}"
    assert [tuple(each) for each in rows] == [("second", cause), ("watch", cause)]


async def test_a_duty_that_becomes_due_again_forgets_its_error_and_its_pause(log: Log) -> None:
    await log.feed(event(A, 1))
    async with borrowed(log.engine) as driver:
        await driver.execute(
            "UPDATE reaction_due SET attempts = 4, error = 'no', waiting = true, "
            "not_before = now() + interval '1 hour'"
        )
    await log.feed(event(A, 2, eligible=False))
    async with borrowed(log.engine) as driver:
        found = await driver.fetchrow(
            "SELECT generation, attempts, error, waiting, not_before <= now() FROM reaction_due"
        )
    assert tuple(found) == (2, 0, None, False, True)
