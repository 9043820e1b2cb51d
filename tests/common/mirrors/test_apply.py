"""A batch of records becomes mirror rows, duties, parked records and a place, all or nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from mirror_kit import (
    THINGS,
    WATCH,
    A,
    B,
    C,
    Log,
    Said,
    broken,
    due,
    erased,
    event,
    everything,
    ids,
    nothing,
    parked,
    record,
    row,
    seq,
    standing,
    thing_mirror,
    tombstone,
    watermark,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed, transaction
from common.db.engine import create_engine
from common.mirrors import partitions
from common.mirrors.apply import Applier, Batch
from common.mirrors.mirror import Reaction
from common.mirrors.partitions import OffsetMovedError

# --- one row --------------------------------------------------------------------------------------


async def test_an_event_becomes_a_row_with_the_facts_of_every_type(log: Log) -> None:
    await log.feed(
        event(
            A, 1, name="Á", amount="12.50", since="2026-02-03", tags=["x", "y"],
            extra={"k": "v"}, code="XAF",
        )  # fmt: skip
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
    assert found is not None and (found["sequence"], found["name"]) == (seq(3), "last")


async def test_a_raised_epoch_beats_every_version_of_the_old_one(log: Log) -> None:
    await log.feed(event(A, 9))
    await log.feed(event(A, 1, epoch=2, name="restored"))
    await log.feed(event(A, 10))
    found = await row(log.engine, A)
    assert found is not None and (found["sequence"], found["name"]) == (seq(1, 2), "restored")


async def test_an_event_type_that_we_have_never_heard_of_counts_by_its_state(log: Log) -> None:
    await log.feed(event(A, 1, happened="teleported", eligible=False))
    found = await row(log.engine, A)
    assert found is not None and found["eligible"] is False


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


# --- any order, any number of times ----------------------------------------------------------------

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


# --- what becomes due ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
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
            "SELECT generation, attempts, error, waiting, not_before <= now() AS now FROM reaction_due"
        )
    assert tuple(found) == (2, 0, None, False, True)


# --- unreadable ----------------------------------------------------------------------------------


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


POISON = {
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
    "bytes that are no text": (("ce_type", b"\xff\xfe"), ("ce_id", b"\x00"), ("traceparent", b"\x00")),
}


@pytest.mark.parametrize("what", HEADERS)
async def test_broken_headers_park_the_record(log: Log, what: str) -> None:
    await log.feed(Said(str(A).encode(), b"{}", HEADERS[what]))
    assert await parked(log.engine) == [(0, None)]
    assert await standing(log.engine) == ("0000-0000000000", False, False)


async def test_an_event_of_another_aggregate_is_unreadable_here(log: Log) -> None:
    await log.feed(event(A, 1, topic="owner.other.v1"))
    assert await standing(log.engine) == (seq(1), False, False)


# --- graves --------------------------------------------------------------------------------------


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
    assert found is not None and (found["gone"], found["name"]) == (True, None)


async def test_a_bare_tombstone_of_an_unknown_key_makes_no_row(log: Log) -> None:
    await log.feed(tombstone(A))
    assert await row(log.engine, A) is None


# --- the place -----------------------------------------------------------------------------------


async def test_a_zombie_that_believes_in_an_old_place_writes_nothing(log: Log) -> None:
    await log.feed(event(A, 1))
    zombie = Log(log.engine, said=list(log.said), at=0)
    await log.feed(event(A, 2))
    zombie.said.append(event(B, 9))
    with pytest.raises(OffsetMovedError):
        await zombie.apply()
    assert await row(log.engine, B) is None


async def test_one_moved_partition_refuses_the_whole_batch(log: Log) -> None:
    await log.feed(event(A, 1))
    other = Log(log.engine, partition=1)
    await other.begin()
    batches = [
        Batch(("owner.thing.v1", 0), 0, [record(event(A, 2), 0)]),
        Batch(("owner.thing.v1", 1), 0, [record(event(B, 1), 0, 1)]),
    ]
    with pytest.raises(OffsetMovedError):
        await Applier(log.engine, (THINGS,), (WATCH,)).apply(log.cluster, batches)
    assert await row(log.engine, B) is None


async def test_a_restored_database_reads_again_what_it_had_forgotten(log: Log) -> None:
    await log.feed(event(A, 1))
    dump = await everything(log.engine)
    await log.feed(event(A, 2, eligible=False))
    async with borrowed(log.engine) as driver:  # back to the dump: rows and places together
        await driver.execute("TRUNCATE thing_seen, reaction_due")
        await driver.execute("UPDATE mirror_partition SET next_offset = 0")
    await Log(log.engine, said=log.said[:1]).apply()
    assert await everything(log.engine) == dump
    with pytest.raises(OffsetMovedError):
        await log.feed_from_memory(event(A, 3))
    again = Log(log.engine, said=log.said[:2])
    await again.begin()
    await again.apply()
    found = await row(log.engine, A)
    assert found is not None and found["eligible"] is False


async def test_another_cluster_begins_anew_and_forgets_the_old_places(log: Log) -> None:
    await log.feed(event(A, 1), watermark(7))
    new = Log(log.engine, cluster="cluster-b")
    await new.begin()
    assert new.at == 0
    async with borrowed(log.engine) as driver:
        rows = await driver.fetch("SELECT cluster_id, watermark_at FROM mirror_partition")
    assert [tuple(each) for each in rows] == [("cluster-b", None)]


async def test_a_consumer_of_the_old_cluster_is_refused(log: Log) -> None:
    await log.feed(event(A, 1))
    await Log(log.engine, cluster="cluster-b").begin()
    log.said.append(event(A, 2))
    with pytest.raises(OffsetMovedError):
        await log.apply()


async def test_a_batch_of_several_partitions_moves_them_all(engine: AsyncEngine) -> None:
    batches = []
    async with transaction(engine) as driver:
        for number in range(3):
            await partitions.begin(driver, "cluster-a", {("owner.thing.v1", number): 0})
            said = record(event(list(ids(3))[number], 1), 5, number)
            batches.append(Batch(("owner.thing.v1", number), 0, [said]))
    applied = await Applier(engine, (THINGS,), ()).apply("cluster-a", batches)
    assert applied.following == {("owner.thing.v1", number): 6 for number in range(3)}
    assert applied.written == 3


async def test_a_command_that_holds_rows_in_use_makes_the_batch_wait_and_not_fail(log: Log) -> None:
    await log.feed(event(A, 1), event(B, 1), event(C, 1))
    async with transaction(log.engine) as driver:
        await driver.execute("SELECT 1 FROM thing_seen WHERE id = $1 FOR SHARE", B)
        feeding = asyncio.create_task(log.feed(event(C, 2), event(B, 2), event(A, 2)))
        await asyncio.sleep(0.1)
        assert not feeding.done()
    await feeding
    assert await standing(log.engine, B) == (seq(2), True, False)


async def test_a_batch_takes_the_same_few_statements_whatever_its_size(
    scratch_database: str, log: Log
) -> None:
    engine = create_engine(scratch_database, application_name="counted", pool_size=1)
    asked: list[str] = []
    async with borrowed(engine) as driver:
        driver.add_query_logger(lambda query: asked.append(query.query))
    one = Log(engine, partition=1)
    await one.begin()
    counts = []
    for said in ([event(A, 1)], [event(each, 2) for each in ids(800)]):
        one.said += said
        asked.clear()
        await one.apply()
        counts.append(len(asked))
    await engine.dispose()
    # BEGIN, the place, lock, rows, duties, COMMIT
    assert counts == [6, 6]
