"""How far a partition was read: moved with the records, by whoever is right about it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed, transaction
from common.db.engine import create_engine
from common.mirrors import partitions
from common.mirrors.apply import Applier, Batch
from common.mirrors.partitions import OffsetMovedError
from mirror_kit import (
    THINGS,
    WATCH,
    A,
    B,
    C,
    Log,
    event,
    everything,
    ids,
    record,
    row,
    seq,
    standing,
    watermark,
)


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
    assert found is not None
    assert found["eligible"] is False


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
    for said in ([event(B, 1)], [event(A, 1)], [event(each, 2) for each in ids(800)]):
        one.said += said
        asked.clear()
        await one.apply()
        counts.append(len(asked))
    await engine.dispose()
    # BEGIN, the place, lock, rows, duties, COMMIT; the first time the driver also looks up types
    assert counts[1:] == [6, 6]
