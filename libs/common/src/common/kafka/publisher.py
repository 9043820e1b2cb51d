"""The publisher: follows the sealed journal and puts every row into Kafka, in order.

Of all the workers of a service one leads. It holds the lease on the cursor `kafka`, and starting
its producers fences every earlier leader, so that one which was frozen cannot write old states
after newer ones. A transaction per batch; the cursor moves after the commit, by compare-and-set.
Whatever goes wrong, the answer is the same: drop the producers, elect again, read the cursor again.
A batch whose commit returned but whose cursor did not move is sent twice; consumers compare
sequences.

Before the first batch it asks Kafka how far it had come. A Kafka that is ahead of the journal halts
the publisher until a person has acted; one that lost its records gets the latest states again.

Kafka being away stops nobody else: the journal, its feed and the API go on.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import Aggregate
from common.db.driver import borrowed
from common.db.faults import fault_of
from common.ids import Ids
from common.journal.reader import Cursor, Head, LeadershipLostError, Reader
from common.journal.wake import Wake
from common.kafka import watermarks
from common.kafka.client import cluster_id
from common.kafka.cloudevents import CloudEvents, UnknownStreamError
from common.kafka.hanging import abort, hanging_in
from common.kafka.metrics import PublisherMetrics
from common.kafka.producers import Producers, TopicReplacedError
from common.kafka.republish import republish
from common.kafka.term import READER, Outlet, Term
from common.kafka.topics import TopicsDifferError, ensure_topics, topic_names
from common.kafka.watermarks import HaltedError
from common.runtime import Runtime
from common.settings import CommonSettings
from common.stopping import GrowingPause, stopped

log = structlog.get_logger(__name__)

LEASE_SECONDS = 5.0
BATCH_ROWS = 2_000
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
HALTED_PAUSE_SECONDS = 5.0
GRACE_SECONDS = 5.0


class State(StrEnum):
    """STANDBY: another leads, or none can yet. HALTED: publishing would do harm; see `trouble`."""

    STANDBY = "standby"
    LEADING = "leading"
    REPUBLISHING = "republishing"
    HALTED = "halted"


class Publisher:
    """Publishes one service's journal. `state` and `trouble` say how it is doing, for people.

    `batch_rows`, `lease_seconds` and `halted_pause_seconds` are there for tests and benches.
    """

    def __init__(
        self,
        *,
        service: str,
        aggregates: tuple[Aggregate, ...],
        settings: CommonSettings,
        engine: AsyncEngine,
        wake: Wake,
        ids: Ids,
        metrics: PublisherMetrics,
        batch_rows: int = BATCH_ROWS,
        lease_seconds: float = LEASE_SECONDS,
        halted_pause_seconds: float = HALTED_PAUSE_SECONDS,
    ) -> None:
        self.events = CloudEvents(service, aggregates, settings.base_url)
        self._out = Outlet(
            service=service,
            topics=topic_names(aggregates),
            engine=engine,
            reader=Reader(engine),
            wake=wake,
            events=self.events,
            metrics=metrics,
            batch_rows=batch_rows,
            lease_seconds=lease_seconds,
            watermark_seconds=settings.watermark_seconds,
        )
        self._aggregates = aggregates
        self._settings = settings
        self._ids = ids
        self._halted_pause_seconds = halted_pause_seconds
        self._refused = 0
        self.state = State.STANDBY
        self.trouble = ""

    @classmethod
    def of(cls, runtime: Runtime) -> "Publisher":
        """The publisher of a running service."""
        return cls(
            service=runtime.service.name,
            aggregates=runtime.service.aggregates,
            settings=runtime.settings,
            engine=runtime.engine,
            wake=runtime.wake,
            ids=runtime.ids,
            metrics=PublisherMetrics(runtime.registry),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Lead when we can, wait while another does, until `stop` is set.

        Never raises for what breaks: it tries again, ever more slowly, and says so.
        """
        pause = GrowingPause(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not stop.is_set():
            try:
                await self._try_to_lead(stop)
                await stopped(stop, self._out.lease_seconds / 2)
            except (HaltedError, UnknownStreamError) as halted:
                self._enter(State.HALTED, str(halted))
                await stopped(stop, self._halted_pause_seconds)
            except Exception as error:
                self._broke_off(error)
                await pause.wait(stop)
        self._enter(State.STANDBY)

    # --- leading --------------------------------------------------------------------------------

    async def _try_to_lead(self, stop: asyncio.Event) -> None:
        """Publish until `stop` or until something breaks. Returns at once while another leads."""
        holder = self._ids.new()
        cursor = await self._out.reader.claim(READER, holder, self._out.lease_seconds)
        self._refused = self._refused + 1 if cursor is None else 0
        if cursor is None:
            # Who is halted holds the lease for its short checks only: twice refused, another leads.
            if self.state is not State.HALTED or self._refused > 1:
                self._enter(State.STANDBY)
            return
        producers = Producers(self._settings, self._out.service)
        try:
            await _first_to_end(
                self._lead(producers, holder, cursor, stop),
                self._keep_lease(holder),
                _grace_after(stop),
            )
        finally:
            self._out.metrics.leading.set(0)
            await producers.close()
            with contextlib.suppress(Exception):  # then it runs out by itself
                await self._out.reader.release(READER, holder)

    async def _keep_lease(self, holder: UUID) -> None:
        while True:
            await asyncio.sleep(self._out.lease_seconds / 3)
            await self._out.reader.renew(READER, holder, self._out.lease_seconds)

    async def _lead(
        self, producers: Producers, holder: UUID, cursor: Cursor, stop: asyncio.Event
    ) -> None:
        """Fence the predecessors, see where Kafka stands, and follow the journal from there."""
        try:
            await ensure_topics(self._settings, self._aggregates)
        except TopicsDifferError as differ:
            raise HaltedError(f"Kafka's topics are not as declared: {differ}.") from differ
        cluster = await cluster_id(self._settings)
        await producers.start(self._out.topics)
        cursor = await self._end_what_hangs(holder, cursor)
        ends = await watermarks.ends_of(self._settings, self._out.topics)
        async with borrowed(self._out.engine) as driver:
            trouble = await watermarks.signs_of_a_restore(driver, self._out.service, ends.values())
            start = (await watermarks.look(driver, cursor.position)).watermark
            now = await driver.fetchval("SELECT clock_timestamp()")
        if trouble is not None:
            await self._out.reader.agree(READER, holder, agreed=False)
            raise HaltedError(trouble)
        emptied = {place.topic for place, end in ends.items() if end.watermark is None}
        if cursor.cluster_id != cluster:
            emptied = set(self._out.topics)
        place = await self._catch_up(producers, holder, cursor, cluster, emptied)
        if place is not None:
            start = replace(start, position=place.position, head_hash=place.hash.hex())
        born = watermarks.births(ends, now)
        self._enter(State.LEADING)
        await Term(self._out, producers, holder, start, born).follow(stop)

    async def _end_what_hangs(self, holder: UUID, cursor: Cursor) -> Cursor:
        """Abort transactions that the broker forgot. What they held is sent again: the cursor goes
        back to the lowest watermark that can be seen, before anything is aborted.
        """
        hanging = await hanging_in(self._settings, self._out.topics)
        if not hanging:
            return cursor
        ends = await watermarks.ends_of(self._settings, self._out.topics)
        marks = (end.watermark.position for end in ends.values() if end.watermark is not None)
        cursor = replace(cursor, position=min((cursor.position, *marks)))
        if cursor.cluster_id is not None:
            await self._out.reader.reset(READER, holder, cursor.position, cursor.cluster_id)
        await abort(self._settings, hanging)
        return cursor

    async def _catch_up(
        self, producers: Producers, holder: UUID, cursor: Cursor, cluster: str, emptied: set[str]
    ) -> Head | None:
        """Give a new cluster, or topics that lost their records, the latest states.

        Returns where to follow from, never after the moment at which the pages began; None: from
        the cursor.
        """
        place = None
        if cursor.position > 0 and emptied:
            self._enter(State.REPUBLISHING)
            if cursor.cluster_id != cluster:
                # The pages of all topics cover whatever the cursor had not come to.
                place = await self._out.reader.head()
            sent = await republish(self._out.engine, self._out.events, producers, emptied)
            self._out.metrics.republished.inc(sent)
        if cursor.cluster_id != cluster:
            position = cursor.position if place is None else place.position
            await self._out.reader.reset(READER, holder, position, cluster)
        return place

    # --- how it is doing ------------------------------------------------------------------------

    def _enter(self, state: State, trouble: str = "") -> None:
        if (state, trouble) != (self.state, self.trouble):
            say = log.error if state is State.HALTED else log.info
            say("publisher", service=self._out.service, state=state.value, trouble=trouble)
        self.state, self.trouble = state, trouble
        self._out.metrics.halted.set(state is State.HALTED)
        self._out.metrics.leading.set(state in (State.LEADING, State.REPUBLISHING))

    def _broke_off(self, error: Exception) -> None:
        kind = type(error).__name__
        self._out.metrics.failures.labels(kind).inc()
        self._enter(State.STANDBY, f"{kind}: {error}".removesuffix(": "))
        if not _passing(error):
            log.error("publisher_failed", service=self._out.service, exc_info=error)


def _passing(error: Exception) -> bool:
    """Whether `error` is one that comes with networks, servers and elections."""
    known = (KafkaError, LeadershipLostError, TopicReplacedError, TimeoutError)
    return isinstance(error, known) or fault_of(error) is not None


async def _first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run `works` side by side; when one ends, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _grace_after(stop: asyncio.Event) -> None:
    """Ends some seconds after `stop`: what is under way may finish, what hangs is cut off."""
    await stop.wait()
    await asyncio.sleep(GRACE_SECONDS)
