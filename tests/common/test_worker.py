"""What runs beside the API is kept running, and trouble of long ago slows nothing down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from common.stopping import GrowingPause
from common.worker import run_parts

FIRST, LONGEST = 0.001, 0.004


class Failing:
    """A part that fails after each of `lasts` seconds by its own watch, and then is told to stop.

    `pauses`: what it would be made to wait, each time that it failed.
    """

    def __init__(self, lasts: Sequence[float], stop: asyncio.Event) -> None:
        self._lasts = list(lasts)
        self._stop = stop
        self._now = 0.0
        self.pause = GrowingPause(FIRST, LONGEST, now=lambda: self._now)
        self.pauses: list[float] = []

    async def run(self, stop: asyncio.Event) -> None:
        if not self._lasts:
            self._stop.set()
            return
        self._now += self._lasts.pop(0)
        self.pauses.append(self.pause.seconds)
        raise LookupError("a fault of ours")


async def _pauses(lasts: Sequence[float]) -> list[float]:
    stop = asyncio.Event()
    part = Failing(lasts, stop)
    async with asyncio.timeout(5):
        await run_parts({"failing": part}, stop, lambda: part.pause)
    return part.pauses


async def test_a_part_that_goes_on_failing_is_started_ever_more_slowly() -> None:
    assert await _pauses([0, 0, 0, 0]) == [0.001, 0.002, 0.004, 0.004]


async def test_a_part_that_ran_well_for_long_begins_anew_with_the_first_pause() -> None:
    assert await _pauses([0, 0, 0, LONGEST + 0.001, 0]) == [0.001, 0.002, 0.004, 0.001, 0.002]


async def test_a_part_that_ran_for_no_longer_than_the_longest_pause_has_not_run_well() -> None:
    assert await _pauses([0, 0, LONGEST]) == [0.001, 0.002, 0.004]


async def test_one_part_that_fails_does_not_slow_another() -> None:
    stop = asyncio.Event()
    parts = [Failing([0], stop), Failing([0], stop)]
    pauses = iter([part.pause for part in parts])
    async with asyncio.timeout(5):
        await run_parts(dict(zip("ab", parts, strict=True)), stop, lambda: next(pauses))
    assert [part.pauses for part in parts] == [[FIRST], [FIRST]]
