"""Two transactional producers of one service, used in turn.

A transaction per batch, under transactional ids that belong to the service: whoever starts later
fences whoever started earlier, so a publisher that was frozen in the middle of a batch can never
add its old states after newer ones. Two ids, because the broker finishes a transaction a moment
after its commit returned, and the next one under the same id would have to wait for that.

It knows records and partitions, and nothing of journals.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from common.aggregate import PARTITIONS
from common.kafka.client import connection
from common.kafka.cloudevents import Record
from common.settings import CommonSettings

TRANSACTION_TIMEOUT_MS = 10_000
"""After this the broker ends a transaction whose publisher is gone, and readers see past it."""

BATCH_BYTES = 512 * 1024
"""What is sent to one partition at a time; twice that is what a topic takes."""

START_SECONDS = 20.0
CLOSE_SECONDS = 3.0


class TopicReplacedError(Exception):
    """A partition's offsets went backwards: the topic was deleted and made anew under our hands."""


@lru_cache(maxsize=50_000)
def partition_of(key: bytes) -> int:
    """The partition of `key`, the same as any Kafka client with the default partitioner chooses."""
    return int(murmur2(key) & 0x7FFFFFFF) % PARTITIONS


@dataclass
class Parcel:
    """Records encoded for their partitions, to be sent in one transaction, in order per key."""

    batches: dict[TopicPartition, list[Any]] = field(default_factory=dict)

    def in_rounds(self) -> Iterator[tuple[TopicPartition, Any]]:
        """The first batch of every partition, then the second ones: a request takes one of each."""
        for round_ in zip_longest(*self.batches.values()):
            for place, batch in zip(self.batches, round_, strict=True):
                if batch is not None:
                    yield place, batch


class Producers:
    """The pair. `pack` a parcel (at any time), then `send` and `commit` it, then the next.

    `turn` is the producer (0 or 1) of the next transaction.

    Any error of `send` or `commit` ends the pair's use: close it, and start a new one. Errors are
    aiokafka's KafkaError (ProducerFenced: another publisher has taken over), TimeoutError, or
    TopicReplacedError.
    """

    def __init__(self, settings: CommonSettings, service: str) -> None:
        self._pair = tuple(
            AIOKafkaProducer(
                **connection(settings, f"frontline-{service}-{number}"),
                transactional_id=f"{service}-{number}",
                transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                acks="all",
                max_batch_size=BATCH_BYTES,
                retry_backoff_ms=50,
            )
            for number in range(2)
        )
        self.turn = 0
        self._last_offset: dict[TopicPartition, int] = {}

    async def start(self, topics: Iterable[str]) -> None:
        """Start both, which fences every earlier publisher and ends its transactions.

        `topics` are learnt beforehand, so that the first batch need not ask for them.
        """
        async with asyncio.timeout(START_SECONDS):
            for producer in self._pair:
                await producer.start()
            for producer in self._pair:
                for topic in topics:
                    await producer.partitions_for(topic)

    def pack(
        self,
        records: Iterable[Record],
        watermarks: Iterable[tuple[int, Record]] = (),
        *,
        into: Parcel | None = None,
    ) -> Parcel:
        """`records` by their keys' partitions, then each watermark into the partition beside it.

        Behind what is in the parcel `into` already, or in a new one.
        """
        parcel = Parcel() if into is None else into
        for record in records:
            self._add(parcel, partition_of(record.key), record)
        for partition, record in watermarks:
            self._add(parcel, partition, record)
        return parcel

    def _add(self, parcel: Parcel, partition: int, record: Record) -> None:
        place = TopicPartition(record.topic, partition)
        batches = parcel.batches.setdefault(place, [])
        for builder in batches[-1:]:
            if _append(builder, record):
                return
        builder = self._pair[0].create_batch()  # takes its first record, whatever that weighs
        _append(builder, record)
        batches.append(builder)

    async def send(self, parcel: Parcel) -> None:
        """Open a transaction and put everything in; returns when the broker has it all.

        A batch that failed must never be committed around: aiokafka's commit alone would do that.
        """
        producer = self._pair[self.turn]
        sent: dict[TopicPartition, list[asyncio.Future[Any]]] = {}
        try:
            async with asyncio.timeout(TRANSACTION_TIMEOUT_MS / 1000):
                await producer.begin_transaction()
                for place, builder in parcel.in_rounds():
                    builder.close()
                    future = await producer.send_batch(
                        builder, place.topic, partition=place.partition
                    )
                    sent.setdefault(place, []).append(future)
                for place, futures in sent.items():
                    for future in futures:
                        self._note(place, (await future).offset)
        finally:
            for futures in sent.values():
                for future in futures:
                    if not future.cancel() and not future.cancelled():
                        future.exception()  # looked at, or asyncio complains

    def _note(self, place: TopicPartition, offset: int) -> None:
        if 0 <= offset <= self._last_offset.get(place, -1):
            raise TopicReplacedError(
                f"{place.topic}/{place.partition} went from offset {self._last_offset[place]} to "
                f"{offset}: the topic was deleted and made anew"
            )
        self._last_offset[place] = offset

    async def commit(self) -> None:
        """Commit what was sent. Only then is it the other producer's turn."""
        async with asyncio.timeout(TRANSACTION_TIMEOUT_MS / 1000):
            await self._pair[self.turn].commit_transaction()
        self.turn = 1 - self.turn

    async def close(self) -> None:
        """Drop both at once. What was not committed is aborted by the next pair that starts."""
        await asyncio.gather(*(_drop(producer) for producer in self._pair))


def _append(builder: Any, record: Record) -> bool:
    """Whether `record` found room in `builder`. The broker sets the time (LogAppendTime)."""
    _, key, value, headers = record
    return builder.append(timestamp=None, key=key, value=value, headers=headers) is not None


async def _drop(producer: AIOKafkaProducer) -> None:
    """Close without delivering. aiokafka's own `stop` would first wait until a broker has taken
    what is left, for ever if need be; so we end its sender and close its connections, and let the
    rest go.
    """
    producer._closed = True
    sender = producer._sender.sender_task
    if sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait({sender}, timeout=CLOSE_SECONDS)
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.client.close()
