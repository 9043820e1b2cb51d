"""Asking again for everything."""

from __future__ import annotations

import asyncio
from uuid import UUID

from common.db.driver import borrowed
from common.errors import ConflictError
from common.mirrors.mirror import Outcome, Reaction
from common.mirrors.resync import Resync, resync_reaction
from common.uow import UnitOfWork
from mirror_kit import THINGS, A, due, event, ids
from react_kit import House, note


async def test_a_resync_while_it_runs_makes_it_run_again(house: House) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        began.set()
        await go_on.wait()
        return await note(uow, id_, fresh)

    async def ask_again() -> None:
        async with borrowed(house.engine) as driver:
            await resync_reaction(driver, Reaction("watch", THINGS, react))

    await house.log.feed(event(A, 1))
    running = asyncio.create_task(house.reactor(react).round())
    await began.wait()
    asking = asyncio.create_task(ask_again())
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(running, asking)
    assert await due(house.engine) == [A]


async def test_resync_makes_every_row_due_and_forgets_errors(house: House) -> None:
    async def refuse(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        raise ConflictError("no")

    everyone = list(ids(700))
    await house.log.feed(*[event(each, 1) for each in everyone])
    await house.reactor(refuse, retry_seconds=30).round()
    reaction = Reaction("watch", THINGS, note)
    async with borrowed(house.engine) as driver:
        assert await resync_reaction(driver, reaction) == 700
        assert await driver.fetchval("SELECT count(error) FROM reaction_due") == 0
    assert await due(house.engine) == everyone


async def test_by_itself_resync_goes_through_every_row_slowly(house: House) -> None:
    stop = asyncio.Event()
    everyone = list(ids(45))
    await house.log.feed(*[event(each, 1) for each in everyone])
    await due(house.engine, take=True)
    resync = Resync(
        house.engine,
        (Reaction("watch", THINGS, note),),
        house.wake,
        round_seconds=0.01,
        pause_seconds=0.01,
    )
    running = asyncio.create_task(resync.run(stop))
    while await due(house.engine) != everyone:
        await asyncio.sleep(0.02)
    stop.set()
    await running
