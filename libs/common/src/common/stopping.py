"""How whatever runs until it is told to stop waits in between."""

import asyncio
from collections.abc import Callable


async def stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait until `stop` is set, at most `seconds` (none if negative). Whether it is set."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
    except TimeoutError:
        pass
    return stop.is_set()


class GrowingPause:
    """The pause between failures: twice the one before each time, up to the longest.

    It begins anew from the first when nothing failed for longer than the longest pause, or when
    told that all went well. `now` gives seconds; the event loop's when left out.
    """

    def __init__(
        self,
        first_seconds: float,
        longest_seconds: float,
        *,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._now = now or _loop_time
        self._next = first_seconds
        self._resumed = float("-inf")

    @property
    def seconds(self) -> float:
        """How long the pause after a failure at this moment is."""
        well_for = self._now() - self._resumed
        return self._first if well_for > self._longest else self._next

    async def wait(self, stop: asyncio.Event) -> bool:
        """Wait that long, or until `stop` is set. Whether it is set."""
        pause = self.seconds
        stopping = await stopped(stop, pause)
        self._next = min(pause * 2, self._longest)
        self._resumed = self._now()
        return stopping

    def begin_anew(self) -> None:
        """All went well: the next pause is the first."""
        self._next = self._first


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
