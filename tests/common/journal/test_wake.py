"""Waking: a mark reaches whoever waits, here and elsewhere, and costs the marker nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import make_url

from common.db.driver import connect
from common.journal.wake import DUE, GATHER_SECONDS, RECORDED, SEALED, Wake

LONG = 20.0


@asynccontextmanager
async def running(*wakes: Wake) -> AsyncIterator[None]:
    """The wakes listen, and have seen their first connection's mark."""
    stop = asyncio.Event()
    before = [wake.marks(SEALED) for wake in wakes]
    tasks = [asyncio.create_task(wake.run(stop)) for wake in wakes]
    for wake, seen in zip(wakes, before, strict=True):
        assert await wake.wait(SEALED, LONG, since=seen)
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[list[str]]:
    """What is notified in the database at `url`: "sealed" or "due", each time."""
    heard: list[str] = []
    listener = await connect(url, application_name="test")
    await listener.add_listener(SEALED.value, lambda *_: heard.append("sealed"))
    await listener.add_listener(DUE.value, lambda *_: heard.append("due"))
    try:
        yield heard
    finally:
        await listener.close()


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Poll until `condition` holds; the test's own timeout bounds it."""
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.01)


async def test_a_mark_wakes_who_waits_in_the_same_process_without_any_connection() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    waiting = asyncio.create_task(wake.wait(SEALED, LONG))
    await asyncio.sleep(0)
    wake.mark(SEALED)
    assert await waiting


async def test_a_mark_on_one_channel_leaves_the_others_asleep() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    watch = wake.watch(DUE)
    wake.mark(SEALED)
    assert not await watch.wait(0.01)


async def test_a_mark_made_while_a_watcher_was_busy_is_not_lost() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    watch = wake.watch(SEALED)
    wake.mark(SEALED)
    assert await watch.wait(LONG)
    wake.mark(SEALED)
    wake.mark(SEALED)
    assert await watch.wait(LONG)
    assert not await watch.wait(0.01)


async def test_a_mark_made_between_looking_and_waiting_is_not_lost() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    seen = wake.marks(SEALED)
    wake.mark(SEALED)
    assert await wake.wait(SEALED, LONG, since=seen)


async def test_every_waiter_is_woken_by_one_mark() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    waiting = [asyncio.create_task(wake.wait(SEALED, LONG)) for _ in range(50)]
    await asyncio.sleep(0)
    wake.mark(SEALED)
    assert all(await asyncio.gather(*waiting))


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    waiting = asyncio.create_task(wake.wait(SEALED, LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    wake.mark(SEALED)
    assert not wake._waiters[SEALED]


async def test_a_mark_reaches_another_process(scratch_database: str) -> None:
    here, there = Wake(scratch_database), Wake(scratch_database)
    async with running(here, there):
        watch = there.watch(RECORDED)
        here.mark(RECORDED)
        assert await watch.wait(LONG)


async def test_our_own_notification_does_not_wake_us_twice(scratch_database: str) -> None:
    here, there = Wake(scratch_database), Wake(scratch_database)
    async with running(here, there):
        watch = there.watch(RECORDED)
        before = here.marks(RECORDED)
        here.mark(RECORDED)
        assert await watch.wait(LONG)
        there.mark(SEALED)  # goes the same way back, so ours has arrived before it
        assert await here.wait(SEALED, LONG)
        assert here.marks(RECORDED) == before + 1


async def test_a_thousand_marks_become_a_few_notifications(scratch_database: str) -> None:
    wake = Wake(scratch_database)
    async with hearing(scratch_database) as heard, running(wake):
        for _ in range(1000):
            wake.mark(SEALED)
        await asyncio.sleep(0.05)
        wake.mark(DUE)
        await until(lambda: "due" in heard)
    assert 1 <= heard.count("sealed") <= 2


async def test_marks_that_keep_coming_are_gathered(scratch_database: str) -> None:
    wake = Wake(scratch_database)
    clock = asyncio.get_running_loop().time
    async with hearing(scratch_database) as heard, running(wake):
        began = clock()
        for _ in range(100):
            wake.mark(SEALED)
            await asyncio.sleep(0.001)
        wake.mark(DUE)
        await until(lambda: "due" in heard)
        most = (clock() - began) / GATHER_SECONDS + 2
    assert 1 <= heard.count("sealed") <= most


async def test_a_dead_database_neither_blocks_a_mark_nor_ends_the_run() -> None:
    wake = Wake("postgresql://nobody@127.0.0.1:1/nothing")
    stop = asyncio.Event()
    task = asyncio.create_task(wake.run(stop))
    await asyncio.sleep(0.05)
    watch = wake.watch(SEALED)
    wake.mark(SEALED)
    assert await watch.wait(LONG)
    assert not task.done()
    stop.set()
    await task


async def test_a_cut_connection_is_opened_again_and_everything_looked_at_once(
    scratch_database: str,
) -> None:
    wake, other = Wake(scratch_database, application_name="cut me"), Wake(scratch_database)
    async with running(wake, other):
        watch = wake.watch(DUE)
        await _cut(scratch_database, "cut me")
        assert await watch.wait(LONG)  # nobody marked it: the new connection did
        other.mark(DUE)
        assert await watch.wait(LONG)


async def test_marks_made_while_the_connection_was_down_are_sent_later(
    scratch_database: str,
) -> None:
    wake, other = Wake(scratch_database, application_name="cut me"), Wake(scratch_database)
    async with running(other):
        watch = other.watch(DUE)
        wake.mark(DUE)  # before it ever ran
        async with running(wake):
            assert await watch.wait(LONG)


async def test_stopping_releases_every_waiter_at_once(scratch_database: str) -> None:
    wake = Wake(scratch_database)
    async with running(wake):
        waiting = asyncio.create_task(wake.wait(DUE, 1000.0))
        await asyncio.sleep(0)
    assert not await waiting
    assert not await wake.wait(DUE, 1000.0)


async def _cut(url: str, application_name: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    driver = await asyncpg.connect(plain)
    await driver.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = current_database() AND application_name = '{application_name}'"
    )
    await driver.close()
