"""Sealing: every row once, in a gap-free order that keeps each stream's own."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed, connect, transaction
from common.journal import seal
from common.journal.canonical import COLUMNS, GENESIS, chained
from common.journal.seal import Sealer
from common.journal.verify import verify_chain
from common.journal.wake import RECORDED, SEALED, Wake
from common.uow import UnitsOfWork
from journal_kit import (
    EDITOR,
    IDS,
    engine_on,
    fetch,
    make,
    rename,
    seal_everything,
    sealer_on,
)

INSERT = """
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor,
                     correlation_id, data)
VALUES ($1, 'thing', $2, 1, $3, 't', now(), 'a', 'c', '{}')
"""


async def add(driver: Any, stream: UUID, version: int) -> None:
    """One row of `stream`, on whatever transaction `driver` is in."""
    await driver.execute(INSERT, IDS.new(), stream, version)


async def order(engine: AsyncEngine) -> list[tuple[int, UUID, int]]:
    """(position, stream, version) of every sealed row."""
    rows = await fetch(engine, "SELECT position, stream, version FROM sealed ORDER BY position")
    return [(row["position"], row["stream"], row["version"]) for row in rows]


async def holds(engine: AsyncEngine) -> bool:
    async with borrowed(engine) as driver:
        report = await verify_chain(driver)
    assert report.broken is None, str(report.broken)
    return True


async def test_rows_get_gap_free_positions_and_chained_hashes(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    for name in ("one", "two", "three"):
        await units.run(lambda uow, name=name: make(uow, name), actor=EDITOR)  # type: ignore[misc]
    assert await sealer_on(engine, scratch_database).seal_batch() == 3
    rows = await fetch(engine, f"SELECT position, hash, {COLUMNS} FROM sealed ORDER BY entry")
    assert [row["position"] for row in rows] == [1, 2, 3]
    previous = GENESIS
    for row in rows:
        previous = chained(previous, row)
        assert row["hash"] == previous
    (head,) = await fetch(engine, "SELECT position, hash FROM journal_head")
    assert (head["position"], head["hash"]) == (3, previous)


async def test_sealing_again_continues_the_chain(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    sealer = sealer_on(engine, scratch_database)
    for name in ("one", "two"):
        await units.run(lambda uow, name=name: make(uow, name), actor=EDITOR)  # type: ignore[misc]
        assert await sealer.seal_batch() == 1
    assert await sealer.seal_batch() == 0
    assert await holds(engine)


async def test_a_batch_is_bounded_in_rows(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    for number in range(5):
        await units.run(lambda uow, n=number: make(uow, f"thing {n}"), actor=EDITOR)  # type: ignore[misc]
    sealer = sealer_on(engine, scratch_database)
    assert [await sealer.seal_batch(2) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_batch_is_bounded_in_bytes_but_never_empty(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    for number in range(3):
        await units.run(lambda uow, n=number: make(uow, f"thing {n}"), actor=EDITOR)  # type: ignore[misc]
    sealer = sealer_on(engine, scratch_database, batch_bytes=1)
    assert [await sealer.seal_batch() for _ in range(4)] == [1, 1, 1, 0]


async def test_a_row_weighs_what_is_fetched_and_not_what_is_stored(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    for letter in "abc":
        await units.run(lambda uow, n=letter * 100_000: make(uow, n), actor=EDITOR)  # type: ignore[misc]
    sealer = sealer_on(engine, scratch_database, batch_bytes=150_000)
    assert [await sealer.seal_batch() for _ in range(3)] == [2, 1, 0]


async def test_a_row_that_commits_after_later_ones_is_never_skipped(
    engine: AsyncEngine, scratch_database: str
) -> None:
    slow, quick = IDS.new(), IDS.new()
    sealer = sealer_on(engine, scratch_database)
    async with transaction(engine) as late:
        await add(late, slow, 1)
        async with borrowed(engine) as driver:
            await add(driver, quick, 1)
        assert await sealer.seal_batch(everything=False) == 1
    assert await sealer.seal_batch(everything=False) == 1
    assert await order(engine) == [(1, quick, 1), (2, slow, 1)]
    assert await holds(engine)


async def test_a_row_far_below_the_window_is_found_by_the_full_scan(
    engine: AsyncEngine, scratch_database: str
) -> None:
    sealer = sealer_on(engine, scratch_database, window=0)
    async with transaction(engine) as late:
        await add(late, IDS.new(), 1)
        async with borrowed(engine) as driver:
            await add(driver, IDS.new(), 1)
        assert await sealer.seal_batch(everything=False) == 1
    assert await sealer.seal_batch(everything=False) == 0
    assert await sealer.seal_batch(everything=True) == 1


async def test_a_successor_in_the_window_waits_for_a_predecessor_below_it(
    engine: AsyncEngine, scratch_database: str
) -> None:
    slow, quick = IDS.new(), IDS.new()
    sealer = sealer_on(engine, scratch_database, window=0)
    async with transaction(engine) as late:
        await add(late, slow, 1)
        async with borrowed(engine) as driver:
            await add(driver, quick, 1)
        assert await sealer.seal_batch(everything=False) == 1
    async with borrowed(engine) as driver:
        await add(driver, slow, 2)
    assert await sealer.seal_batch(everything=False) == 2
    assert await order(engine) == [(1, quick, 1), (2, slow, 1), (3, slow, 2)]
    assert await holds(engine)


async def test_many_writers_and_two_sealers_make_one_gap_free_chain(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    things = [await units.run(lambda u, n=n: make(u, f"t{n}"), actor=EDITOR) for n in range(4)]  # type: ignore[misc]
    writing = True

    async def write(thing: UUID, number: int) -> None:
        for turn in range(15):
            name = f"{number}/{turn}"
            await units.run(lambda uow, n=name: rename(uow, thing, n), actor=EDITOR)  # type: ignore[misc]

    async def sealing() -> None:
        sealer = sealer_on(engine, scratch_database, window=3)
        turn = 0
        while writing:
            turn += 1
            await sealer.seal_batch(5, everything=turn % 3 == 0)

    sealers = [asyncio.create_task(sealing()) for _ in range(2)]
    await asyncio.gather(*(write(thing, n) for n, thing in enumerate(things)))
    writing = False
    await asyncio.gather(*sealers)
    await seal_everything(engine, scratch_database)
    assert [position for position, _, _ in await order(engine)] == list(range(1, 65))
    assert await holds(engine)


async def test_while_one_sealer_is_at_work_another_finds_nothing_to_do(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    async with transaction(engine) as other:
        await other.fetchrow(seal.HEAD)
        assert await sealer_on(engine, scratch_database).seal_batch() == 0
    assert await sealer_on(engine, scratch_database).seal_batch() == 1


async def test_a_frozen_sealer_lets_go(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    frozen = sealer_on(engine, scratch_database, frozen_seconds=0.2)
    # what a process stopped right after taking the lock leaves behind
    held = await connect(scratch_database, application_name="frozen")
    await held.execute(f"BEGIN; SET LOCAL {frozen._let_go}")
    await held.fetchrow(seal.HEAD)
    sealer = sealer_on(engine, scratch_database)
    while not await sealer.seal_batch():
        await asyncio.sleep(0.02)
    held.terminate()
    assert await holds(engine)


async def test_sealing_wakes_whoever_waits_for_sealed_rows(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    wake = Wake(scratch_database)
    watch = wake.watch(SEALED)
    sealer = Sealer(engine, wake)
    assert await sealer.seal_batch() == 0
    assert not await watch.wait(0.01)
    await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    await sealer.seal_batch()
    assert await watch.wait(0.01)


async def test_a_running_sealer_seals_what_is_recorded_until_it_is_stopped(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    wake, stop = Wake(scratch_database), asyncio.Event()
    watch = wake.watch(SEALED)
    task = asyncio.create_task(Sealer(engine, wake).run(stop))
    await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    wake.mark(RECORDED)
    assert await watch.wait(20.0)
    await units.run(lambda uow: make(uow, "Lantern"), actor=EDITOR)  # its wake-up is lost
    assert await watch.wait(20.0)
    stop.set()
    wake.mark(RECORDED)
    await task


async def test_a_running_sealer_outlives_cut_connections(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    wake, stop = Wake(scratch_database), asyncio.Event()
    watch = wake.watch(SEALED)
    async with engine_on(scratch_database) as other:
        task = asyncio.create_task(Sealer(other, wake).run(stop))
        await units.run(lambda uow: make(uow, "one"), actor=EDITOR)
        assert await watch.wait(20.0)
        await fetch(
            engine,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await units.run(lambda uow: make(uow, "two"), actor=EDITOR)
        assert await watch.wait(20.0)
        stop.set()
        await task
    assert await holds(engine)


@pytest.mark.parametrize("everything", [True, False])
async def test_a_backlog_is_read_in_index_order_whatever_the_planner_believes(
    everything: bool, engine: AsyncEngine
) -> None:
    async with transaction(engine, *seal.IN_INDEX_ORDER) as driver:
        plan = await driver.fetch(f"EXPLAIN {seal.UNSEALED}", 0 if everything else 9, 2000, 10**6)
    text = "\n".join(row[0] for row in plan)
    assert "journal_unsealed_pkey" in text
    assert "Sort" not in text
