"""Readers: one holder at a time, and a cursor that moves only from where its holder believes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.journal.reader import (
    FETCH,
    MAX_FETCH_BYTES,
    Cursor,
    LeadershipLostError,
    Reader,
    SealedRow,
)
from common.journal.verify import ROWS
from common.kafka.republish import GRAVES, PASSED
from common.kafka.watermarks import LOOK, STILL_HOLDS
from common.sequence import Sequence
from common.uow import UnitsOfWork
from journal_kit import EDITOR, NOON, fetch, make, rename, seal_everything

ONE, OTHER = UUID(int=1), UUID(int=2)
LONG, OVER = 1000.0, -1.0


async def test_a_new_reader_begins_at_the_beginning(engine: AsyncEngine) -> None:
    assert await Reader(engine).claim("kafka", ONE, LONG) == Cursor(0, None)


async def test_a_cursor_has_one_holder_at_a_time(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    assert await reader.claim("kafka", OTHER, LONG) is None
    assert await reader.claim("webhook", OTHER, LONG) is not None


async def test_its_holder_may_claim_it_again(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    assert await reader.claim("kafka", ONE, LONG) is not None


async def test_a_lease_that_ran_out_is_taken_over_where_it_stood(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, OVER)
    await reader.move("kafka", ONE, 0, 7, lease_seconds=OVER)
    assert await reader.claim("kafka", OTHER, LONG) == Cursor(7, None)


async def test_a_renewed_lease_is_not_taken_over(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, OVER)
    await reader.renew("kafka", ONE, LONG)
    assert await reader.claim("kafka", OTHER, LONG) is None


async def test_a_move_extends_the_lease(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, OVER)
    await reader.move("kafka", ONE, 0, 1, lease_seconds=LONG)
    assert await reader.claim("kafka", OTHER, LONG) is None


async def test_a_move_never_shortens_the_lease(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    await reader.move("kafka", ONE, 0, 1, lease_seconds=OVER)
    assert await reader.claim("kafka", OTHER, LONG) is None


async def test_a_released_cursor_is_free_at_once(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    await reader.release("kafka", ONE)
    assert await reader.claim("kafka", OTHER, LONG) is not None


async def test_only_its_holder_releases_it(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    await reader.release("kafka", OTHER)
    assert await reader.claim("kafka", OTHER, LONG) is None


async def test_who_was_superseded_neither_moves_nor_renews_nor_resets(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, OVER)
    await reader.claim("kafka", OTHER, LONG)
    with pytest.raises(LeadershipLostError):
        await reader.move("kafka", ONE, 0, 1)
    with pytest.raises(LeadershipLostError):
        await reader.renew("kafka", ONE, LONG)
    with pytest.raises(LeadershipLostError):
        await reader.reset("kafka", ONE, 0, "cluster")
    assert await reader.claim("kafka", OTHER, LONG) == Cursor(0, None)


async def test_a_move_from_another_place_than_the_cursors_is_refused(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    await reader.move("kafka", ONE, 0, 5)
    with pytest.raises(LeadershipLostError):
        await reader.move("kafka", ONE, 0, 6)
    assert await reader.claim("kafka", ONE, LONG) == Cursor(5, None)


async def test_a_reset_begins_anew_for_another_cluster(engine: AsyncEngine) -> None:
    reader = Reader(engine)
    await reader.claim("kafka", ONE, LONG)
    await reader.move("kafka", ONE, 0, 5)
    await reader.reset("kafka", ONE, 2, "another")
    assert await reader.claim("kafka", ONE, LONG) == Cursor(2, "another")


async def test_only_sealed_rows_are_fetched_in_order(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp", {"reason": "hush"}), actor=EDITOR)
    await units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    await units.run(lambda uow: rename(uow, lamp, "unsealed"), actor=EDITOR)
    (first_id,) = await fetch(engine, "SELECT id FROM journal WHERE version = 1")
    rows = await Reader(engine).fetch(0, 10)
    assert [row.position for row in rows] == [1, 2]
    assert rows[0] == SealedRow(
        position=1,
        id=first_id["id"],
        stream_type="thing",
        stream=lamp,
        sequence=Sequence(1, 1),
        type="int.iom.test.thing.made.v1",
        occurred_at=NOON,
        traceparent=None,
        data='{"thing": {"name": "lamp", "country": null}, "change": {}}',
    )


async def test_a_fetch_is_bounded_in_rows_bytes_and_positions(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    for number in range(6):
        await units.run(lambda uow, n=number: make(uow, f"thing {n}"), actor=EDITOR)  # type: ignore[misc]
    await seal_everything(engine, scratch_database)
    reader = Reader(engine)
    assert [row.position for row in await reader.fetch(1, 2)] == [2, 3]
    assert [row.position for row in await reader.fetch(1, 10, max_bytes=1)] == [2]
    assert [row.position for row in await reader.fetch(1, 10, max_bytes=150)] == [2, 3, 4]
    assert [row.position for row in await reader.fetch(1, 10, until=3)] == [2, 3]
    assert await reader.fetch(6, 10) == []


async def test_a_fetch_can_be_of_some_types_only(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    rows = await Reader(engine).fetch(0, 10, types=["int.iom.test.thing.renamed.v1"])
    assert [row.position for row in rows] == [2]


async def test_the_head_is_where_the_sealed_journal_ends(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    reader = Reader(engine)
    empty = await reader.head()
    assert (empty.epoch, empty.position, empty.hash) == (1, 0, bytes(32))
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    assert (await reader.head()).position == 1


@pytest.mark.parametrize(
    "statement, values",
    [
        (FETCH, (0, 500, None, MAX_FETCH_BYTES, 500)),
        (ROWS, (0, 250)),
        (LOOK, (0,)),
        (STILL_HOLDS, (0, "00", [1], [UUID(int=1)])),
        (PASSED, (0, timedelta(days=30), 5_000)),
        (GRAVES, (0, 5_000, ["erased"])),
    ],
)
async def test_the_feed_is_read_by_index_whatever_the_planner_believes(
    statement: str, values: tuple[object, ...], engine: AsyncEngine
) -> None:
    rows = await fetch(engine, f"EXPLAIN {statement}", *values)
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using journal_pkey on journal" in plan
    assert "Seq Scan on journal " not in plan
