"""The unit of work when the database cannot serve: refused, whole, and clean afterwards."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed
from common.db.embedded import EmbeddedPostgres
from common.uow import (
    BusyError,
    DatabaseUnavailableError,
    UnitOfWork,
    UnitsOfWork,
)
from journal_kit import (
    EDITOR,
    clean,
    count,
    create_tables,
    engine_on,
    fetch,
    make,
    rename,
    thing_table,
    units_on,
)

# what a database says when it asks for a rerun; raised by the server itself, inside the transaction
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '{}'; END $$"


# --- when the database cannot serve ---------------------------------------------------------------


async def test_an_exhausted_pool_is_busy(units: UnitsOfWork) -> None:
    go_on, holding = asyncio.Event(), asyncio.Semaphore(0)

    async def hold(uow: UnitOfWork) -> None:
        holding.release()
        await go_on.wait()

    holders = [asyncio.create_task(units.run(hold, actor=EDITOR)) for _ in range(2)]
    for _ in holders:
        await holding.acquire()
    with pytest.raises(BusyError):
        await units.run(hold, actor=EDITOR)
    with pytest.raises(BusyError):
        await units.read(hold, actor=EDITOR)
    go_on.set()
    await asyncio.gather(*holders)


async def test_a_lock_held_too_long_is_busy_and_not_tried_again(journal_database: str) -> None:
    async with engine_on(journal_database, lock_timeout=0.1) as engine:
        units = units_on(engine)
        lamp = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
        runs = 0

        async def wait(uow: UnitOfWork) -> None:
            nonlocal runs
            runs += 1
            await rename(uow, lamp, "lantern")

        async def hold(uow: UnitOfWork) -> None:
            await uow.db.execute(select(thing_table).with_for_update())
            with pytest.raises(BusyError):
                await units.run(wait, actor=EDITOR)

        await units.run(hold, actor=EDITOR)
        assert runs == 1


async def test_a_connection_cut_in_the_middle_is_unavailable_and_nothing_is_written(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    async def cut(uow: UnitOfWork) -> None:
        await make(uow, "lamp")
        own = uow.driver.get_server_pid()
        async with borrowed(engine) as other:
            await other.execute("SELECT pg_terminate_backend($1)", own)
        await rename(uow, UUID(int=0), "x")

    with pytest.raises(DatabaseUnavailableError) as away:
        await units.run(cut, actor=EDITOR)
    assert away.value.transient
    assert await count(engine) == 0
    assert await clean(engine)


async def test_a_connection_cut_under_a_driver_statement_is_unavailable_too(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    async def cut(uow: UnitOfWork) -> None:
        await uow.driver.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailableError):
        await units.run(cut, actor=EDITOR)
    with pytest.raises(DatabaseUnavailableError):
        await units.read(cut, actor=EDITOR)
    assert await clean(engine)


async def test_connections_that_died_idle_in_the_pool_are_not_noticed(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    assert await clean(engine)  # two idle connections now
    async with borrowed(engine) as driver, borrowed(engine) as other:
        pids = [driver.get_server_pid(), other.get_server_pid()]
    async with engine_on(engine.url.render_as_string(hide_password=False)) as killer:
        await fetch(killer, "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", pids)
        while await fetch(killer, "SELECT FROM pg_stat_activity WHERE pid = ANY ($1)", pids):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # let the loop read the goodbyes
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await units.read(lambda uow: uow.db.execute(select(thing_table)), actor=EDITOR)
    assert await count(engine) == 1


async def test_a_database_that_is_down_is_unavailable_and_comes_back(
    own_postgres: EmbeddedPostgres,
) -> None:
    url = await own_postgres.create_database("falling")
    await create_tables(url)
    async with engine_on(url) as engine:
        units = units_on(engine)
        await asyncio.to_thread(own_postgres.kill)
        with pytest.raises(DatabaseUnavailableError):
            await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
        with pytest.raises(DatabaseUnavailableError):
            await units.read(lambda uow: uow.db.execute(select(thing_table)), actor=EDITOR)
        await asyncio.to_thread(own_postgres.start)
        await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
        assert await count(engine) == 1


# --- cancelled ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["SELECT pg_sleep(60)", "SELECT pg_sleep(0); SELECT pg_sleep(60)"]
)
async def test_a_cancelled_request_rolls_back_and_its_connection_is_clean(
    where: str, engine: AsyncEngine, units: UnitsOfWork
) -> None:
    asleep = asyncio.Event()

    async def sleep(uow: UnitOfWork) -> None:
        await make(uow, "lamp")
        asleep.set()
        await uow.driver.execute(where)

    task = asyncio.create_task(units.run(sleep, actor=EDITOR))
    await asleep.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(engine) == 0
    assert await clean(engine)
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)


async def test_a_request_cancelled_at_any_moment_writes_all_or_nothing(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    for steps in range(40):
        task: asyncio.Task[Any] = asyncio.create_task(
            units.run(lambda uow, n=steps: make(uow, f"thing {n}"), actor=EDITOR)  # type: ignore[misc]
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await clean(engine)
    assert await count(engine) == await count(engine, "journal")


async def test_a_refused_insert_of_an_old_epoch_names_itself(engine: AsyncEngine) -> None:
    async with borrowed(engine) as driver:
        await driver.execute("UPDATE journal_epoch SET epoch = 2")
        with pytest.raises(asyncpg.PostgresError, match="another epoch"):
            await driver.execute(
                "INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at,"
                " actor, correlation_id, data) VALUES (gen_random_uuid(), 't', gen_random_uuid(),"
                " 1, 1, 't', now(), 'a', 'c', '{}')"
            )
