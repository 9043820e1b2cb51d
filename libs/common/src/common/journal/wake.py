"""Telling whoever waits that there is something to do, in this process and in the others.

A wake-up is a hint and never the truth: it says "look", and whoever looks reads the tables. Lost
ones are caught by the slow poll of each waiter, doubled ones cost a look. That is why it can be
cheap: no NOTIFY stands in a writing transaction (all committing writers would queue on its lock);
instead the process marks a channel after the commit and one connection of its own sends a single
NOTIFY for all the marks that came meanwhile.
"""

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Any

import structlog

from common.db.driver import connect
from common.db.faults import fault_of, said
from common.stopping import GrowingPause

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
HEARTBEAT_SECONDS = 10.0
GATHER_SECONDS = 0.01
"""The least between two notifications: a busy process would send one for nearly every commit."""
ANSWER_SECONDS = 5.0


class Channel(StrEnum):
    """What there is to look at. The values are PostgreSQL channel names."""

    RECORDED = "journal_recorded"
    SEALED = "journal_sealed"
    DUE = "reaction_due"


RECORDED, SEALED, DUE = Channel.RECORDED, Channel.SEALED, Channel.DUE


class Watch:
    """One waiter's view of a channel. A mark made between two waits is never lost."""

    def __init__(self, wake: "Wake", channel: Channel) -> None:
        self._wake = wake
        self._channel = channel
        self._seen = wake.marks(channel)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for a mark made since the last wait returned (or since the watch began).

        True when there was one; False after `timeout_seconds`, or at once when we are stopping.
        """
        marked = await self._wake.wait(self._channel, timeout_seconds, since=self._seen)
        self._seen = self._wake.marks(self._channel)
        return marked


class Wake:
    """Marks and waits on the channels of the database at `url`.

    Works inside the process even while `run` is not running or its connection is down.
    """

    def __init__(self, url: str, *, application_name: str = "frontline wake") -> None:
        self._url = url
        self._name = application_name
        self._marks = dict.fromkeys(Channel, 0)
        self._waiters: dict[Channel, set[asyncio.Future[None]]] = {each: set() for each in Channel}
        self._to_send: set[Channel] = set()
        self._something_to_send = asyncio.Event()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether the process is stopping; every wait returns at once then."""
        return self._stopped

    def mark(self, channel: Channel) -> None:
        """There is something to look at: wakes this process's waiters now, the others' shortly.

        Never blocks and never fails; call it after the commit.
        """
        self._wake_here(channel)
        self._to_send.add(channel)
        self._something_to_send.set()

    def marks(self, channel: Channel) -> int:
        """How often the channel was marked, as far as this process knows; for `wait(since=…)`."""
        return self._marks[channel]

    def waiting(self, channel: Channel) -> int:
        """How many wait on the channel in this process now."""
        return len(self._waiters[channel])

    def watch(self, channel: Channel) -> Watch:
        """A waiter for a loop: it remembers what it has seen, so that no mark falls in between."""
        return Watch(self, channel)

    async def wait(
        self, channel: Channel, timeout_seconds: float, *, since: int | None = None
    ) -> bool:
        """Wait until the channel is marked. False after `timeout_seconds` or when stopped.

        `since`: what `marks` gave before you looked; a mark made after that counts. Without it only
        marks from now on count, so a loop should use `watch`.
        """
        seen = self._marks[channel] if since is None else since
        if self._marks[channel] != seen:
            return True
        if self._stopped:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[channel].add(waiter)
        try:
            async with asyncio.timeout(timeout_seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters[channel].discard(waiter)
        return self._marks[channel] != seen

    async def run(self, stop: asyncio.Event) -> None:
        """Hold the connection that listens and notifies until `stop` is set.

        A broken connection is opened again with growing pauses, and everything is marked once then,
        since marks of others may have been missed. When stopped, every wait returns at once.
        """
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._something_to_send.set())
        pause = GrowingPause(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        try:
            while not stop.is_set():
                try:
                    await self._serve(stopping)
                except Exception as error:
                    if fault_of(error) is None and not isinstance(error, TimeoutError):
                        log.exception("wake_failed")
                    else:
                        log.warning("wake_connection_lost", error=said(error))
                await pause.wait(stop)
        finally:
            stopping.cancel()
            self._stopped = True
            for channel in Channel:
                self._release(channel)

    async def _serve(self, stopping: "asyncio.Task[Any]") -> None:
        """Listen and notify on one connection until it breaks (raises) or we stop (returns)."""
        driver = await connect(self._url, application_name=self._name, timeout=ANSWER_SECONDS)
        try:
            driver.add_termination_listener(lambda _: self._something_to_send.set())
            await self._listen(driver)
            for channel in Channel:
                self._wake_here(channel)
            while not stopping.done():
                await self._send(driver)
                await asyncio.sleep(GATHER_SECONDS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await self._something_to_send.wait()
            await self._send(driver)
        finally:
            driver.terminate()

    async def _listen(self, driver: Any) -> None:
        own = driver.get_server_pid()

        def heard(_: Any, sender: int, channel: str, __: str) -> None:
            if sender != own:
                self._wake_here(Channel(channel))

        for channel in Channel:
            await driver.add_listener(channel.value, heard)

    async def _send(self, driver: Any) -> None:
        """One NOTIFY per marked channel, however often marked; also proves the line alive."""
        self._something_to_send.clear()
        sending, self._to_send = self._to_send, set()
        try:
            await driver.execute(
                "; ".join(f"NOTIFY {channel.value}" for channel in sending) or "SELECT",
                timeout=ANSWER_SECONDS,
            )
        except BaseException:
            self._to_send |= sending
            raise

    def _wake_here(self, channel: Channel) -> None:
        self._marks[channel] += 1
        self._release(channel)

    def _release(self, channel: Channel) -> None:
        for waiter in self._waiters[channel]:
            if not waiter.done():
                waiter.set_result(None)
