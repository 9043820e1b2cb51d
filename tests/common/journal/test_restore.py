"""Restoring: after the database went back in time, every stream comes again under a new epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import Aggregate
from common.clock import SetClock
from common.db.driver import borrowed, transaction
from common.journal import restore as restore_module
from common.journal.erase import erase_stream
from common.journal.reader import Reader
from common.journal.restore import RestoreRefusedError, RestoreReport, restore
from common.journal.verify import verify_chain
from common.kafka.watermarks import End, signs_of_a_restore
from common.sequence import Sequence
from common.uow import UnitOfWork, UnitsOfWork
from journal_kit import (
    EDITOR,
    IDS,
    NOON,
    THING,
    Made,
    ThingState,
    fetch,
    make,
    rename,
    seal_everything,
    sealer_on,
    thing_table,
    units_on,
)

Again = Callable[..., Coroutine[Any, Any, RestoreReport]]


@pytest.fixture
def again(engine: AsyncEngine) -> Again:
    """Run the operator's command."""

    async def run(epoch: int | None = None) -> RestoreReport:
        return await restore(
            engine,
            [THING],
            reason="the disk of the primary was lost",
            actor="operator:jane",
            epoch=epoch,
            ids=IDS,
            clock=SetClock(NOON),
        )

    return run


async def test_every_stream_comes_again_with_its_latest_state(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp", country="BGD"), actor=EDITOR)
    await units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    chair = await units.run(lambda uow: make(uow, "chair"), actor=EDITOR)
    report = await again()
    assert (report.epoch, report.streams, report.erased) == (2, {"thing": 2}, 0)
    rows = await fetch(engine, "SELECT * FROM journal WHERE epoch = 2 ORDER BY stream")
    assert {row["stream"]: row["data"] for row in rows} == {
        lamp: {"thing": {"name": "lantern", "country": None}, "change": {}},
        chair: {"thing": {"name": "chair", "country": None}, "change": {}},
    }
    assert {row["version"] for row in rows} == {1}
    assert {row["type"] for row in rows} == {"int.iom.test.thing.restored.v1"}
    assert {row["actor"] for row in rows} == {"operator:jane"}
    assert {row["reason"] for row in rows} == {"restored"}
    assert {row["id"].version for row in rows} == {7}


async def test_aggregates_stand_at_the_new_epochs_first_version(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await again()
    (row,) = await fetch(engine, "SELECT sequence FROM thing")
    assert row["sequence"] == "0002-0000000001"
    assert await units.run(lambda uow: rename(uow, lamp, "x"), actor=EDITOR) == Sequence(2, 2)


async def test_an_erased_stream_stays_erased_under_the_new_epoch(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp", {"reason": "x"}), actor=EDITOR)

    async def erase(uow: UnitOfWork) -> None:
        await uow.db.execute(thing_table.delete())
        await erase_stream(uow, THING, lamp, "0001-0000000001", reason="asked")

    await units.run(erase, actor=EDITOR)
    report = await again()
    assert (report.streams, report.erased) == ({"thing": 0}, 1)
    (row,) = await fetch(engine, "SELECT * FROM journal WHERE epoch = 2")
    assert row["type"] == "int.iom.test.thing.erased.v1"
    assert row["data"] == {"thing": {}, "change": {}}
    (key,) = await fetch(engine, "SELECT wrapped FROM stream_key")
    assert key["wrapped"] is None


async def test_the_chain_goes_on_and_verifies(
    engine: AsyncEngine, units: UnitsOfWork, again: Again, scratch_database: str
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    await units.run(lambda uow: rename(uow, lamp, "x"), actor=EDITOR)  # unsealed meanwhile
    await again()
    await units.run(lambda uow: rename(uow, lamp, "y"), actor=EDITOR)
    await again()
    await seal_everything(engine, scratch_database)
    async with borrowed(engine) as driver:
        report = await verify_chain(driver)
    assert report.broken is None, str(report.broken)
    assert (report.rows, report.epoch) == (5, 3)


async def test_the_quick_scan_seals_what_stood_before_the_new_epoch_first(
    engine: AsyncEngine, units: UnitsOfWork, again: Again, scratch_database: str
) -> None:
    sealer = sealer_on(engine, scratch_database, window=0)
    late = IDS.new()
    async with transaction(engine) as slow:
        await slow.execute(
            "INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at,"
            " actor, correlation_id, data)"
            " VALUES ($1, 'thing', $2, 1, 1, 't', now(), 'a', 'c', '{}')",
            IDS.new(),
            late,
        )
        await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
        assert await sealer.seal_batch(everything=False) == 1
    await again()
    assert await sealer.seal_batch(everything=False) == 3
    rows = await fetch(engine, "SELECT epoch FROM sealed WHERE stream = $1 ORDER BY position", late)
    assert [row["epoch"] for row in rows] == [1, 2]


async def test_readers_are_let_go_and_find_everything_after_their_place(
    engine: AsyncEngine, units: UnitsOfWork, again: Again, scratch_database: str
) -> None:
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    reader, frozen, fresh = Reader(engine), IDS.new(), IDS.new()
    assert await reader.claim("kafka", frozen, 1000.0) is not None
    await reader.move("kafka", frozen, 0, 1)
    report = await again()
    await seal_everything(engine, scratch_database)
    cursor = await reader.claim("kafka", fresh, 1000.0)
    assert cursor is not None
    assert cursor.position == report.after_position == 1
    (row,) = await reader.fetch(cursor.position, 10)
    assert row.sequence == Sequence(2, 1)


async def test_a_row_of_the_old_epoch_is_refused(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    await again()
    async with borrowed(engine) as driver:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await driver.execute(
                "INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at,"
                " actor, correlation_id, data)"
                " VALUES ($1, 'thing', $1, 1, 1, 't', now(), 'a', 'c', '{}')",
                IDS.new(),
            )
    assert refused.value.sqlstate == "FE001"


async def test_units_of_a_running_process_rerun_under_the_new_epoch(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)  # it knows epoch 1 now
    await again()
    runs = 0

    async def make_chair(uow: UnitOfWork) -> UUID:
        nonlocal runs
        runs += 1
        return await make(uow, "chair")

    chair = await units.run(make_chair, actor=EDITOR)
    assert runs == 2
    (row,) = await fetch(engine, "SELECT epoch, version FROM journal WHERE stream = $1", chair)
    assert (row["epoch"], row["version"]) == (2, 1)


async def test_a_writer_under_way_finishes_first_and_is_repeated_too(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(uow: UnitOfWork) -> UUID:
        thing = await make(uow, "lamp")
        inside.set()
        await go_on.wait()
        return thing

    writing = asyncio.create_task(units.run(slowly, actor=EDITOR))
    await inside.wait()
    restoring = asyncio.create_task(again())
    await _until_waiting_for_a_lock(engine)
    go_on.set()
    lamp = await writing
    await restoring
    rows = await fetch(engine, "SELECT epoch FROM journal WHERE stream = $1 ORDER BY entry", lamp)
    assert [row["epoch"] for row in rows] == [1, 2]


async def test_a_writer_that_had_locked_its_aggregate_meets_no_deadlock(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    inside, go_on = asyncio.Event(), asyncio.Event()
    runs = 0

    async def slowly(uow: UnitOfWork) -> None:
        nonlocal runs
        runs += 1
        await uow.db.execute(thing_table.select().with_for_update())
        inside.set()
        await go_on.wait()
        await rename(uow, lamp, "lantern")

    writing = asyncio.create_task(units.run(slowly, actor=EDITOR))
    await inside.wait()
    restoring = asyncio.create_task(again())
    await _until_waiting_for_a_lock(engine)
    go_on.set()
    await asyncio.gather(writing, restoring)
    assert runs == 1


async def test_an_aggregate_that_this_program_does_not_know_stops_the_restore(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    stranger = Aggregate("test", "stranger", "stranger", ThingState, (Made,))

    async def make_stranger(uow: UnitOfWork) -> None:
        await uow.record(stranger, uow.ids.new(), uow.after(None), Made(), ThingState(name="x"))

    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await units.run(make_stranger, actor=EDITOR)
    with pytest.raises(RestoreRefusedError, match="stranger"):
        await again()
    (row,) = await fetch(engine, "SELECT epoch, (SELECT count(*) FROM journal) FROM journal_epoch")
    assert (row["epoch"], row["count"]) == (1, 2)


async def test_an_operator_may_name_a_later_epoch(
    engine: AsyncEngine, units: UnitsOfWork, again: Again
) -> None:
    lamp = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    assert (await again(4)).epoch == 4
    (row,) = await fetch(engine, "SELECT epoch, version FROM journal WHERE epoch > 1")
    assert (row["epoch"], row["version"]) == (4, 1)
    assert await units.run(lambda uow: rename(uow, lamp, "x"), actor=EDITOR) == Sequence(4, 2)


@pytest.mark.parametrize("epoch", [1, 2])
async def test_an_epoch_that_is_not_later_is_refused(
    engine: AsyncEngine, again: Again, epoch: int
) -> None:
    await again()
    with pytest.raises(RestoreRefusedError, match="epoch 2 already"):
        await again(epoch)
    (row,) = await fetch(engine, "SELECT epoch FROM journal_epoch")
    assert row["epoch"] == 2


@pytest.mark.parametrize(
    "highest, command",
    [(1, "`python -m test journal restore`"), (2, "`python -m test journal restore --epoch 3`")],
)
async def test_an_epoch_that_kafka_has_seen_is_not_taken_again(
    engine: AsyncEngine, highest: int, command: str
) -> None:
    async with borrowed(engine) as driver:
        sign = await signs_of_a_restore(driver, "test", [End(None, ((IDS.new(), highest),))])
    assert sign is not None
    assert command in sign


async def test_the_epoch_keeps_when_and_why_it_was_raised(
    engine: AsyncEngine, again: Again
) -> None:
    await again()
    (row,) = await fetch(engine, "SELECT * FROM journal_epoch")
    assert (row["epoch"], row["raised_at"]) == (2, NOON)
    assert row["reason"] == "the disk of the primary was lost"


async def test_more_streams_than_a_page_all_come_again(engine: AsyncEngine, again: Again) -> None:
    count = restore_module.PAGE + 5
    units = units_on(engine)

    async def many(uow: UnitOfWork) -> None:
        for number in range(count):
            await make(uow, f"thing {number}")

    await units.run(many, actor=EDITOR)
    assert (await again()).streams == {"thing": count}
    (row,) = await fetch(engine, "SELECT count(*) FROM thing WHERE sequence = '0002-0000000001'")
    assert row["count"] == count


async def _until_waiting_for_a_lock(engine: AsyncEngine) -> None:
    while not await fetch(
        engine,
        "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND NOT granted",
    ):
        await asyncio.sleep(0.01)
