"""Transactions that the broker has forgotten to end, and that hide everything behind them.

A broker that dies between a commit and its markers completes it when it is back. But when it comes
back before the partitions have a leader, it takes them for deleted, skips their markers and calls
the transaction complete (seen with Apache Kafka 4.3.1: one node, killed right after a commit). What
follows in such a partition stays invisible to everyone who reads committed records only, for ever,
while producers go on as if nothing were wrong.

So before it publishes, a leader looks whether such a thing is there and aborts it, as
`kafka-transactions.sh abort` would do. Once its producers have started, no transaction is open in
good order. What is lost with it is sent again, from the watermarks on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, StaleMetadata, for_code
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from common.aggregate import PARTITIONS
from common.kafka.client import connection
from common.settings import CommonSettings

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
"""How long the markers of transactions that ended in good order may take."""

LOOK_SECONDS = 30.0
_TEXT, _TAGS = CompactString("utf-8"), ("tags", TaggedFields)


def _call(
    name: str, key: int, version: int, request: Schema, response: Schema
) -> type[RequestStruct]:
    """A request that aiokafka does not know, as one that it can send."""
    facts = {"API_KEY": key, "API_VERSION": version}
    answer = type(f"{name}Response", (Response,), {**facts, "SCHEMA": response})
    more = {"SCHEMA": request, "RESPONSE_TYPE": answer, "FLEXIBLE_VERSION": True}
    # aiokafka asks what it sends to build itself for the broker's versions: there is but one
    more["prepare"] = lambda self, versions: self
    return type(f"{name}Request", (RequestStruct,), {**facts, **more})


_PLACES = ("topics", CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), _TAGS))
_DescribeProducers = _call(
    "DescribeProducers",
    61,
    0,
    Schema(_PLACES, _TAGS),
    Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", _TEXT),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("open_since_offset", Int64),
                                _TAGS,
                            ),
                        ),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    ),
)
_WriteTxnMarkers = _call(
    "WriteTxnMarkers",
    27,
    1,
    Schema(
        (
            "markers",
            CompactArray(
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("committed", Boolean),
                _PLACES,
                ("coordinator_epoch", Int32),
                _TAGS,
            ),
        ),
        _TAGS,
    ),
    Schema(
        (
            "markers",
            CompactArray(
                ("producer_id", Int64),
                (
                    "topics",
                    CompactArray(
                        ("name", _TEXT),
                        (
                            "partitions",
                            CompactArray(("partition", Int32), ("error_code", Int16), _TAGS),
                        ),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    ),
)


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that is open in `place` since `offset`, as the partition's leader knows it."""

    place: TopicPartition
    offset: int
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int


async def hanging_in(settings: CommonSettings, topics: Iterable[str]) -> list[OpenTransaction]:
    """What hangs in `topics`: open for longer than markers take.

    Call it after the producers have started, when nothing of theirs is open. Raises KafkaError,
    TimeoutError.
    """
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    async with _client(settings, places) as client:
        hidden = await _hidden(client, places, PATIENCE_SECONDS)
        return [found for place in hidden for found in await _open_in(client, place)]


async def abort(settings: CommonSettings, hanging: Sequence[OpenTransaction]) -> None:
    """Abort what hangs, and wait until readers of committed records see past it.

    Raises KafkaError (it needs the right to alter the cluster), TimeoutError.
    """
    places = [transaction.place for transaction in hanging]
    async with _client(settings, places) as client:
        for transaction in hanging:
            log.warning("hanging_transaction_aborted", transaction=transaction)
            await _abort(client, transaction)
        await _hidden(client, places, LOOK_SECONDS)


@asynccontextmanager
async def _client(
    settings: CommonSettings, places: Iterable[TopicPartition]
) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**connection(settings, "frontline-hanging"))
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await client.bootstrap()
            await client.set_topics({place.topic for place in places})
            yield client
    finally:
        await client.close()


async def _hidden(
    client: AIOKafkaClient, places: list[TopicPartition], patience: float
) -> list[TopicPartition]:
    """Those of `places` whose end cannot be seen under read_committed after `patience` seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    left = places
    while True:
        left = [place for place in left if await _is_hidden(client, place)]
        if not left or loop.time() >= until:
            return left
        await asyncio.sleep(0.05)


async def _is_hidden(client: AIOKafkaClient, place: TopicPartition) -> bool:
    seen = await _end(client, place, committed=True)
    return seen < await _end(client, place, committed=False)


async def _end(client: AIOKafkaClient, place: TopicPartition, *, committed: bool) -> int:
    request = OffsetRequest(-1, int(committed), [(place.topic, [(place.partition, -1)])])
    answer = await _ask(client, place, request)
    _, ((_, code, _, offset),) = answer.topics[0]
    _check(code)
    return int(offset)


async def _open_in(client: AIOKafkaClient, place: TopicPartition) -> list[OpenTransaction]:
    answer = await _ask(client, place, _DescribeProducers([_one(place)], {}))
    ((_, ((_, code, _, producers, _),), _),) = answer.topics
    _check(code)
    return [
        OpenTransaction(place, offset, producer_id, producer_epoch, coordinator_epoch)
        for producer_id, producer_epoch, _, _, coordinator_epoch, offset, _ in producers
        if offset >= 0
    ]


async def _abort(client: AIOKafkaClient, what: OpenTransaction) -> None:
    marker: tuple[Any, ...] = (
        what.producer_id,
        what.producer_epoch,
        False,
        [_one(what.place)],
        what.coordinator_epoch,
        {},
    )
    answer = await _ask(client, what.place, _WriteTxnMarkers([marker], {}))
    ((_, ((_, ((_, code, _),), _),), _),) = answer.markers
    _check(code)


async def _ask(client: AIOKafkaClient, place: TopicPartition, request: Any) -> Any:
    """The answer of the leader of `place`."""
    leader = client.cluster.leader_for_partition(place)
    if leader is None or leader < 0:
        client.force_metadata_update()
        raise StaleMetadata(place)
    return await client.send(leader, request)


def _one(place: TopicPartition) -> tuple[str, list[int], dict[int, bytes]]:
    return (place.topic, [place.partition], {})


def _check(code: int) -> None:
    if code:
        error: type[KafkaError] = for_code(code)
        raise error
