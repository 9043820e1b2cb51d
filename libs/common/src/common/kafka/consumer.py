"""The small port through which we consume: a group member that knows no offsets of its own.

Kafka shares the partitions out among the members of our group; where each is to be read from is
told by the database, so every partition that we are given stands still until `place` says where it
begins. Offsets are given to Kafka afterwards, for its tools only. aiokafka's names end here.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from common.kafka import client
from common.settings import CommonSettings

Partition = tuple[str, int]
Records = Sequence[Any]
"""aiokafka's ConsumerRecords, in the order of their offsets."""

MAX_RECORDS = 2000
METADATA_MAX_AGE_MS = 5_000
"""How soon a topic that was made after us, or anew on a wiped cluster, is noticed."""
STOP_SECONDS = 5.0
COMMIT_SECONDS = 2.0

log = structlog.get_logger(__name__)


class OutOfRangeError(Exception):
    """The place of these partitions lies outside what the topic holds: it was emptied or made
    anew.
    """

    def __init__(self, partitions: Collection[Partition]) -> None:
        super().__init__(f"outside of the topic: {sorted(partitions)}")
        self.partitions = frozenset(partitions)


class Consumer:
    """A member of `group` that reads `topics`, committed records only.

    `on_revoked` is awaited before partitions go to another member: what was polled of them must be
    finished or forgotten by then.
    """

    def __init__(
        self,
        settings: CommonSettings,
        *,
        group: str,
        topics: Collection[str],
        on_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = sorted(set(topics))
        self._listener = _Listener(self, on_revoked)
        self._client: AIOKafkaConsumer | None = None
        self.unplaced: set[Partition] = set()
        self.cluster_id = ""

    async def start(self) -> None:
        """Connect and ask for a share. Topics that do not exist yet are waited for, not missed.

        Raises aiokafka's KafkaError or TimeoutError when no broker answers.
        """
        self.cluster_id = await client.cluster_id(self._settings)
        options = client.connection(self._settings, f"frontline-{self._group}")
        self._client = AIOKafkaConsumer(
            **{**options, "metadata_max_age_ms": METADATA_MAX_AGE_MS},
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
        )
        await self._client.start()
        # Subscribed only now: a client that starts with its topics waits for them to exist.
        self._client.subscribe(topics=self._topics, listener=self._listener)

    async def stop(self) -> None:
        """Leave the group, so that the others get our share at once. Takes `STOP_SECONDS` at
        most.
        """
        if self._client is None:
            return
        consumer, self._client = self._client, None
        # In a task of its own: aiokafka lets the cancellation of its own fetches out of `stop`.
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
        if not stopping.done():
            stopping.cancel()
            await asyncio.wait({stopping})
        if stopping.cancelled() or stopping.exception() is not None:
            await consumer._client.close()  # what `stop` did not come to: the connections

    async def poll(self, seconds: float) -> dict[Partition, Records]:
        """The next records, in order per partition; empty after `seconds`, also while our share is
        being decided. Records of a partition without a place are never returned.

        Raises OutOfRangeError and aiokafka's KafkaError.
        """
        found: Mapping[Any, Records] = {}
        with contextlib.suppress(TimeoutError):
            # getmany's own timeout does not count while a share is being decided
            async with asyncio.timeout(seconds + 1):
                try:
                    found = await self._running.getmany(
                        timeout_ms=int(seconds * 1000), max_records=MAX_RECORDS
                    )
                except OffsetOutOfRangeError as error:
                    raise OutOfRangeError(
                        [(tp.topic, tp.partition) for tp in error.args[0]]
                    ) from error
        return {
            (tp.topic, tp.partition): records
            for tp, records in found.items()
            if (tp.topic, tp.partition) not in self.unplaced
        }

    async def beginnings(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The first offset that each partition still has. Raises KafkaError."""
        found = await self._running.beginning_offsets(
            [TopicPartition(*each) for each in partitions]
        )
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def ask_cluster_id(self) -> str:
        """The cluster that answers now; it may not be the one of `cluster_id`. Raises
        KafkaError.
        """
        return await client.cluster_id(self._settings)

    def place(self, places: Mapping[Partition, int]) -> None:
        """Read partitions from these offsets on. One that is no longer ours is left out."""
        for partition, offset in places.items():
            with contextlib.suppress(IllegalStateError):
                self._running.seek(TopicPartition(*partition), offset)
                self._running.resume(TopicPartition(*partition))
            self.unplaced.discard(partition)

    def hold(self, partitions: Collection[Partition]) -> None:
        """Stand still on `partitions` until they are placed again."""
        for partition in partitions:
            with contextlib.suppress(IllegalStateError):
                self._running.pause(TopicPartition(*partition))
                self.unplaced.add(partition)

    async def commit(self, following: Mapping[Partition, int]) -> None:
        """Tell Kafka how far we are. Nothing rests on it, so a failure is only remarked on."""
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._running.commit(
                    {TopicPartition(*each): offset for each, offset in following.items()}
                )
        except (KafkaError, TimeoutError) as error:
            log.info("offsets_not_given_to_kafka", error=repr(error))

    def lag(self, following: Mapping[Partition, int]) -> dict[Partition, int]:
        """Records between `following` and the last stable offset; a marker may count as one."""
        found = {}
        for partition, offset in following.items():
            with contextlib.suppress(AssertionError, IllegalStateError, KeyError):
                stable = self._running.last_stable_offset(TopicPartition(*partition))
                if stable is not None:
                    found[partition] = max(0, stable - offset)
        return found

    @property
    def _running(self) -> AIOKafkaConsumer:
        if self._client is None:
            raise RuntimeError("the consumer was not started")
        return self._client

    def given(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka with our new share, before anything of it is fetched."""
        self.unplaced = {(tp.topic, tp.partition) for tp in assigned}
        for tp in assigned:
            self._running.pause(tp)
            # A placeholder: without a position aiokafka would look for one of Kafka's.
            self._running.seek(tp, 0)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer, on_revoked: Callable[[], Awaitable[None]]) -> None:
        self._consumer = consumer
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self._on_revoked()
        self._consumer.unplaced = set()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._consumer.given(assigned)
