"""Whoever waits is told at once to stop, and waits longer only while it goes on failing."""

from __future__ import annotations

import asyncio

from common.stopping import GrowingPause, stopped


async def test_a_stop_ends_a_wait_at_once() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    async with asyncio.timeout(5):
        assert await stopped(stop, 3600)
        assert await GrowingPause(3600, 3600).wait(stop)


async def test_a_wait_ends_by_itself() -> None:
    assert not await stopped(asyncio.Event(), 0.001)
    assert not await stopped(asyncio.Event(), -1)


async def test_a_pause_grows_to_the_longest_and_begins_anew_when_all_went_well() -> None:
    stop, pause = asyncio.Event(), GrowingPause(0.001, 0.003, now=lambda: 0.0)
    lengths = []
    for _ in range(4):
        lengths.append(pause.seconds)
        assert not await pause.wait(stop)
    assert lengths == [0.001, 0.002, 0.003, 0.003]
    pause.begin_anew()
    assert pause.seconds == 0.001


async def test_a_pause_begins_anew_after_a_time_longer_than_the_longest_without_failure() -> None:
    at = [100.0]
    pause = GrowingPause(0.001, 0.004, now=lambda: at[0])
    await pause.wait(asyncio.Event())
    at[0] += 0.003
    assert pause.seconds == 0.002
    at[0] += 0.002
    assert pause.seconds == 0.001
