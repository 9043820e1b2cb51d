"""Following other services: poll Kafka, apply, wake the reactor. Never skips, never gives up.

Whatever fails, the partitions concerned stand still, and are placed again where the database says
after a pause: so a batch that failed comes again, and one that somebody else applied does not.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import PARTITIONS
from common.db.driver import borrowed, transaction
from common.db.faults import fault_of, said
from common.journal.wake import DUE, Wake
from common.kafka.consumer import Consumer, OutOfRangeError, Records
from common.mirrors import partitions
from common.mirrors.apply import Applied, Applier, Batch
from common.mirrors.metrics import FollowerMetrics, look
from common.mirrors.mirror import Mirror, Reaction
from common.mirrors.partitions import AnotherTopicError, OffsetMovedError, Partition
from common.points import Point, reached
from common.settings import CommonSettings
from common.stopping import GrowingPause

if TYPE_CHECKING:
    from common.runtime import Runtime

POLL_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
LOOK_SECONDS = 2.0
"""How often the gauges are read and offsets given to Kafka."""

log = structlog.get_logger(__name__)


class ClusterChangedError(Exception):
    """Another cluster answers at the same address: everything is read from its beginning."""


class Follower:
    """Keeps the mirrors of one service. Any number may run: Kafka shares the partitions out.

    `service` is the name of the consumer group.
    """

    def __init__(
        self,
        *,
        service: str,
        settings: CommonSettings,
        engine: AsyncEngine,
        mirrors: Sequence[Mirror],
        reactions: Sequence[Reaction],
        wake: Wake,
        metrics: FollowerMetrics,
        partitions: int = PARTITIONS,
    ) -> None:
        self._service = service
        self._settings = settings
        self._engine = engine
        self._mirrors = tuple(mirrors)
        self._applier = Applier(engine, mirrors, reactions, partitions=partitions)
        self._wake = wake
        self._metrics = metrics
        self._partitions = partitions
        self._at: dict[Partition, int] = {}
        self._to_commit: dict[Partition, int] = {}
        self._busy = asyncio.Lock()
        self._pause = GrowingPause(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._looked = float("-inf")

    @classmethod
    def of(cls, runtime: "Runtime") -> "Follower":
        """The follower of a running service."""
        return cls(
            service=runtime.service.name,
            settings=runtime.settings,
            engine=runtime.engine,
            mirrors=runtime.service.mirrors,
            reactions=runtime.service.reactions,
            wake=runtime.wake,
            metrics=FollowerMetrics(runtime.registry, runtime.clock),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set; then finish the batch at hand and leave the group."""
        while not stop.is_set():
            consumer = Consumer(
                self._settings,
                group=self._service,
                topics=[mirror.topic for mirror in self._mirrors],
                on_revoked=self._let_go,
            )
            try:
                await consumer.start()
                await self._follow(consumer, stop)
            except ClusterChangedError as error:
                log.warning("cluster_changed", error=str(error))
            except (KafkaError, OSError, TimeoutError) as error:
                await self._trouble("kafka_lost", error, stop)
            except Exception as error:
                log.exception("follower_failed")
                await self._trouble("follower_failed", error, stop)
            finally:
                self._at.clear()
                await consumer.stop()

    async def _follow(self, consumer: Consumer, stop: asyncio.Event) -> None:
        while not stop.is_set():
            records: Mapping[Partition, Records] = {}
            try:
                if consumer.unplaced:
                    await self._place(consumer)
                records = await _unless(stop, consumer.poll(POLL_SECONDS)) or {}
                if records:
                    await self._take(consumer, records)
                    self._pause.begin_anew()
                await self._tell(consumer)
            except OffsetMovedError as error:
                log.warning("offsets_moved", error=str(error))
                consumer.hold(records)
            except OutOfRangeError as error:
                await self._restart(consumer, dict.fromkeys(error.partitions))
            except AnotherTopicError as error:
                consumer.hold(records)
                await self._restart(consumer, error.born)
            except (KafkaError, ClusterChangedError):
                raise
            except Exception as error:
                # The database's trouble, or a batch that nobody foresaw: stand still, and again.
                consumer.hold(records)
                await self._trouble("batch_failed", error, stop)
        if self._to_commit:
            await consumer.commit(self._to_commit)

    async def _take(self, consumer: Consumer, records: Mapping[Partition, Records]) -> None:
        """Apply what was polled; whoever revokes our share waits until it stands."""
        async with self._busy:
            batches = [
                Batch(partition, self._at[partition], fresh)
                for partition, found in sorted(records.items())
                if partition in self._at
                and (fresh := [each for each in found if each.offset >= self._at[partition]])
            ]
            if not batches:
                return
            applied = await self._applier.apply(consumer.cluster_id, batches)
            if applied.events:
                reached(Point.AFTER_MIRROR)
            self._at.update(applied.following)
            self._to_commit.update(applied.following)
        if applied.due:
            self._wake.mark(DUE)
        self._count(applied)

    async def _let_go(self) -> None:
        """Our share is being taken: the batch at hand is finished, the rest forgotten."""
        async with self._busy:
            self._at.clear()
            self._to_commit.clear()

    async def _place(self, consumer: Consumer) -> None:
        """Ask the database where the partitions without a place go on; new ones at the
        beginning.
        """
        wanted = set(consumer.unplaced)
        if await consumer.ask_cluster_id() != consumer.cluster_id:
            raise ClusterChangedError("another cluster answers at the same address")
        async with borrowed(self._engine) as driver:
            known = await partitions.places(driver, consumer.cluster_id, wanted)
        missing = wanted - known.keys()
        if missing:
            beginnings = await consumer.beginnings(missing)
            async with transaction(self._engine) as driver:
                forgotten = await partitions.begin(driver, consumer.cluster_id, beginnings)
                known = await partitions.places(driver, consumer.cluster_id, wanted)
            log.info("partitions_begun", partitions=sorted(missing), forgotten=sorted(forgotten))
        still_ours = {each: at for each, at in known.items() if each in consumer.unplaced}
        self._at.update(still_ours)
        consumer.place(still_ours)

    async def _restart(self, consumer: Consumer, lost: Mapping[Partition, datetime | None]) -> None:
        """The topic was emptied or made anew (born when, if known); a mirror loses nothing by
        reading it all again.
        """
        consumer.hold(lost)
        if await consumer.ask_cluster_id() != consumer.cluster_id:
            raise ClusterChangedError("another cluster answers at the same address")
        beginnings = await consumer.beginnings(lost)
        log.warning("places_mean_nothing", partitions=sorted(lost), beginnings=str(beginnings))
        async with transaction(self._engine) as driver:
            for partition, beginning in beginnings.items():
                await partitions.restart(
                    driver, consumer.cluster_id, partition, beginning, lost[partition]
                )

    async def _tell(self, consumer: Consumer) -> None:
        """Every few seconds: offsets for Kafka's tools, figures for ours."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self._to_commit:
            committing, self._to_commit = self._to_commit, {}
            await consumer.commit(committing)
        self._metrics.lag.clear()
        for (topic, number), lag in consumer.lag(self._at).items():
            self._metrics.lag.labels(topic, str(number)).set(lag)
        async with borrowed(self._engine) as driver:
            await look(self._metrics, driver, self._mirrors, self._partitions)

    def _count(self, applied: Applied) -> None:
        self._metrics.events.labels("applied").inc(applied.written)
        self._metrics.events.labels("parked").inc(applied.parked)
        repeated = applied.events - applied.written - applied.parked
        self._metrics.events.labels("repeated").inc(max(0, repeated))

    async def _trouble(self, event: str, error: Exception, stop: asyncio.Event) -> None:
        """Say it, count it, and wait a little longer each time."""
        self._metrics.failures.labels(type(error).__name__).inc()
        if fault_of(error) is None and not isinstance(error, (KafkaError, OSError, TimeoutError)):
            log.error(event, error=said(error), exc_info=error)
        else:
            log.warning(event, error=said(error), again_in_seconds=self._pause.seconds)
        await self._pause.wait(stop)


async def _unless(stop: asyncio.Event, work: Any) -> Any:
    """What `work` gives, or None as soon as `stop` is set."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
