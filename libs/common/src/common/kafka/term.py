"""One term of a leading publisher: from the cursor onwards, batch by batch, until something breaks.

It decides what goes into a transaction and when: rows in the order of the journal, watermarks
behind them, the cursor after the commit. Who leads, and whether anything may be published at all,
was decided before.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import PARTITIONS
from common.db.driver import transaction
from common.journal.reader import LeadershipLostError, Reader, SealedRow
from common.journal.seal import IN_INDEX_ORDER
from common.journal.wake import SEALED, Wake, Watch
from common.kafka.cloudevents import CloudEvents, Record
from common.kafka.metrics import PublisherMetrics
from common.kafka.producers import Parcel, Producers
from common.kafka.republish import bury
from common.kafka.watermarks import Watermark, look, still_holds
from common.points import Point, reached

READER = "kafka"
BATCH_BYTES = 8 * 1024 * 1024
LARGEST_ROW_BYTES = 256 * 1024

SETTLED_SECONDS = 0.25
"""How soon after a burst has drained a watermark follows it."""

POLL_SECONDS = 1.0
BURIAL_SECONDS = 3_600.0
ROWS_IN_ONE_GO = 250
"""Rows encoded before others on the event loop get a turn."""


@dataclass(frozen=True)
class Outlet:
    """What every term of one service's publisher has in common. Times are in seconds."""

    service: str
    topics: tuple[str, ...]
    engine: AsyncEngine
    reader: Reader
    wake: Wake
    events: CloudEvents
    metrics: PublisherMetrics
    batch_rows: int
    lease_seconds: float
    watermark_seconds: float


@dataclass(frozen=True)
class Batch:
    """Rows to publish together. `drained`: they were all there was."""

    rows: list[SealedRow]
    drained: bool


class Term:
    """The publishing of one leader, `holder` of the cursor.

    `start` is where the cursor stands, as the journal was when it was checked for a restore; `born`
    says when each topic was.
    """

    def __init__(
        self,
        outlet: Outlet,
        producers: Producers,
        holder: UUID,
        start: Watermark,
        born: Mapping[str, datetime],
    ) -> None:
        self._out = outlet
        self._producers = producers
        self._holder = holder
        self._born = born
        self._seen = start
        self._position = start.position
        self._sent: list[SealedRow] = []
        self._marked_at = float("-inf")
        self._unmarked_since: float | None = None
        self._bury_at = 0.0
        self._moving: asyncio.Task[None] | None = None
        self._ahead: asyncio.Task[Batch] | None = None

    async def follow(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set; what is under way then is finished.

        Raises LeadershipLostError, and whatever Kafka or the database raise.
        """
        watch = self._out.wake.watch(SEALED)
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                batch = await self._next()
                if batch.rows or self._now() >= self._mark_at(batch.drained):
                    await self._publish(batch)
                elif not await self._bury():
                    await self._idle(watch, stopping)
            await self._moved()
        finally:
            left = [task for task in (stopping, self._ahead, self._moving) if task is not None]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # --- a batch --------------------------------------------------------------------------------

    async def _next(self) -> Batch:
        """The rows after the position. The next ones are fetched while these are on their way."""
        ahead, self._ahead = self._ahead, None
        batch = await (ahead if ahead is not None else self._fetch(self._position))
        if not batch.drained:
            self._ahead = asyncio.create_task(self._fetch(batch.rows[-1].position))
        return batch

    async def _fetch(self, after: int) -> Batch:
        limit = self._out.batch_rows
        rows = await self._out.reader.fetch(after, limit, max_bytes=BATCH_BYTES)
        weight = sum(len(row.data) for row in rows)
        return Batch(rows, len(rows) < limit and weight < BATCH_BYTES - LARGEST_ROW_BYTES)

    async def _publish(self, batch: Batch) -> None:
        """One transaction. The cursor's move may overlap with the next one, but for its commit."""
        position = batch.rows[-1].position if batch.rows else self._position
        marks: list[tuple[int, Record]] = []
        if self._now() >= self._mark_at(batch.drained):
            marks = list(self._marks(await self._look(position, batch.rows)))
        await self._producers.send(await self._pack(batch.rows, marks))
        if batch.rows:
            reached(Point.IN_KAFKA_TRANSACTION)
        await self._moved()
        await self._producers.commit()
        self._out.metrics.batches.inc()
        self._out.metrics.events.inc(len(batch.rows))
        if batch.rows:
            reached(Point.BEFORE_CURSOR)
            self._moving = asyncio.create_task(self._move(self._position, position))
            self._position = position
            self._sent = batch.rows[-1:]
        self._remember(marked=bool(marks), events=bool(batch.rows))
        if marks:
            await self._out.reader.agree(READER, self._holder)

    async def _pack(self, rows: list[SealedRow], marks: list[tuple[int, Record]]) -> Parcel:
        """Everything encoded, watermarks last. Others on the event loop get their turns."""
        parcel = Parcel()
        for start in range(0, len(rows), ROWS_IN_ONE_GO):
            records = map(self._out.events.record, rows[start : start + ROWS_IN_ONE_GO])
            self._producers.pack(records, into=parcel)
            await asyncio.sleep(0)
        return self._producers.pack((), marks, into=parcel)

    async def _move(self, start: int, to: int) -> None:
        lease = self._out.lease_seconds
        await self._out.reader.move(READER, self._holder, start, to, lease_seconds=lease)

    async def _moved(self) -> None:
        """Wait for the move under way. Raises LeadershipLostError when it was refused."""
        moving, self._moving = self._moving, None
        if moving is not None:
            await moving

    # --- watermarks -----------------------------------------------------------------------------

    def _mark_at(self, drained: bool) -> float:
        """When the next watermark is due, on the event loop's clock."""
        due = self._marked_at + self._out.watermark_seconds
        if drained and self._unmarked_since is not None:
            due = min(due, self._unmarked_since + SETTLED_SECONDS)
        return due

    def _remember(self, *, marked: bool, events: bool) -> None:
        if marked:
            self._marked_at, self._unmarked_since = self._now(), None
        elif events and self._unmarked_since is None:
            self._unmarked_since = self._now()

    async def _look(self, position: int, rows: list[SealedRow]) -> Watermark:
        """The watermark for `position`, where `rows` end. Raises LeadershipLostError when the
        journal is no longer the one that was checked.

        A replica that lagged may take over under us: it knows us as the leader, but lacks what we
        have sent. The next term checks it against Kafka.
        """
        # As for the sealer: plain index scans clear away what was sealed meanwhile.
        async with transaction(self._out.engine, *IN_INDEX_ORDER) as driver:
            seen = await look(driver, position)
            holds = await still_holds(driver, self._seen, self._sent + rows[-1:])
        if not holds or seen.watermark.epoch != self._seen.epoch:
            raise LeadershipLostError(
                f"the journal has changed under us: at position {self._seen.position} of epoch "
                f"{self._seen.epoch}, or behind it, it is not what it was"
            )
        self._seen = seen.watermark
        self._out.metrics.lag.set(seen.head - position)
        return seen.watermark

    def _marks(self, watermark: Watermark) -> Iterator[tuple[int, Record]]:
        for topic in self._out.topics:
            mark = replace(watermark, born=self._born[topic])
            for partition in range(PARTITIONS):
                yield partition, mark.record(self._out.service, topic, partition)

    # --- when there is nothing to publish -------------------------------------------------------

    async def _bury(self) -> bool:
        """One step of the tombstones that are due. Whether there may be more."""
        if self._now() < self._bury_at:
            return False
        more = await bury(
            self._out.engine,
            self._out.reader,
            self._out.events,
            self._producers,
            holder=self._holder,
            lease_seconds=self._out.lease_seconds,
        )
        if not more:
            self._bury_at = self._now() + BURIAL_SECONDS
        return more

    async def _idle(self, watch: Watch, stopping: "asyncio.Task[bool]") -> None:
        """Finish the cursor's move, then wait for a wake-up, the next watermark or the slow poll
        that catches a lost wake-up.
        """
        await self._moved()
        pause = min(POLL_SECONDS, max(0.0, self._mark_at(drained=True) - self._now()))
        woken = asyncio.create_task(watch.wait(pause))
        try:
            await asyncio.wait({woken, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
