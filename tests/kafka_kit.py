"""What the tests of the way out to Kafka stand on: one service with one aggregate, and a plain
reader.

Every test has a service name of its own, so topics and transactional ids of tests never meet on the
shared broker. The reader is aiokafka alone: it shares no code with what is tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import PARTITIONS, Aggregate, Change, Erased
from common.clock import Clock
from common.db.driver import borrowed
from common.journal.wake import Wake
from common.kafka.metrics import PublisherMetrics
from common.kafka.publisher import Publisher, State
from common.kafka.watermarks import KEY
from common.sequence import Sequence
from common.settings import CommonSettings
from common.uow import UnitOfWork, UnitsOfWork
from journal_kit import (
    EDITOR,
    IDS,
    Made,
    Renamed,
    ThingState,
    engine_on,
    fetch,
    seal_everything,
    units_on,
)

PATIENCE_SECONDS = 50.0


def thing_of(service: str) -> Aggregate:
    return Aggregate(service, "thing", "thing", ThingState, (Made, Renamed))


def settings_for(bootstrap: str, url: str, **others: Any) -> CommonSettings:
    """Development settings on the given servers. Watermarks come often."""
    given = {
        "profile": "development",
        "public_url": "https://things.example.org",
        "database_url": url,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "kafka_create_topics": True,
        "watermark_seconds": 0.5,
    }
    return CommonSettings(**{**given, **others})


@dataclass
class House:
    """A service with its database, and what its commands would do."""

    service: str
    engine: AsyncEngine
    url: str
    settings: CommonSettings
    units: UnitsOfWork
    wake: Wake
    sequences: dict[UUID, Sequence] = field(default_factory=dict)

    @property
    def aggregate(self) -> Aggregate:
        return thing_of(self.service)

    @property
    def topic(self) -> str:
        return self.aggregate.topic

    def fresh_units(self, clock: Clock | None = None) -> UnitsOfWork:
        """Units of a process that starts now: they learn the epoch anew, and may have another
        clock.
        """
        units = units_on(self.engine, self.wake)
        units.clock = clock or units.clock
        return units

    async def record(self, stream: UUID, change: Change, name: str, **private: Any) -> Sequence:
        """One change of one thing, committed."""

        async def command(uow: UnitOfWork) -> Sequence:
            before = self.sequences.get(stream)
            sequence = uow.after(None if before is None else str(before))
            state = ThingState(name=name)
            await uow.record(self.aggregate, stream, sequence, change, state, private=private)
            return sequence

        self.sequences[stream] = await self.units.run(command, actor=EDITOR)
        return self.sequences[stream]

    async def make(self, name: str) -> UUID:
        stream = IDS.new()
        await self.record(stream, Made(), name)
        return stream

    async def rename(self, stream: UUID, name: str) -> Sequence:
        return await self.record(stream, Renamed(before=""), name)

    async def erase(self, stream: UUID) -> Sequence:
        return await self.record(stream, Erased(), "")

    async def seal(self) -> None:
        await seal_everything(self.engine, self.url)

    async def fill(self, streams: int, versions: int) -> list[UUID]:
        """Sealed rows: `streams` things, each renamed until it has `versions`."""
        made = [await self.make(f"{n}/1") for n in range(streams)]
        for version in range(2, versions + 1):
            for n, stream in enumerate(made):
                await self.rename(stream, f"{n}/{version}")
        await self.seal()
        return made

    def publisher(self, registry: CollectorRegistry | None = None, **others: Any) -> Publisher:
        others = {"lease_seconds": 2.0, "halted_pause_seconds": 0.3, **others}
        return Publisher(
            service=self.service,
            aggregates=(self.aggregate,),
            settings=others.pop("settings", self.settings),
            engine=self.engine,
            wake=self.wake,
            ids=IDS,
            metrics=PublisherMetrics(registry or CollectorRegistry()),
            **others,
        )

    async def position(self) -> int:
        """Where the publisher's cursor stands."""
        rows = await fetch(self.engine, "SELECT position FROM reader WHERE name = 'kafka'")
        return int(rows[0]["position"]) if rows else 0

    async def published(self) -> None:
        """Wait until the cursor has reached the end of the sealed journal."""

        async def caught_up() -> bool:
            head = await fetch(self.engine, "SELECT position FROM journal_head")
            return await self.position() == int(head[0]["position"])

        await until(caught_up)

    async def sql(self, statement: str, *values: Any) -> None:
        async with borrowed(self.engine) as driver:
            await driver.execute(statement, *values)


@asynccontextmanager
async def house_on(bootstrap: str, url: str, service: str, **others: Any) -> AsyncIterator[House]:
    async with engine_on(url) as engine:
        wake = Wake(url)
        settings = settings_for(bootstrap, url, **others)
        yield House(service, engine, url, settings, units_on(engine, wake), wake)


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[Publisher]:
    """`publisher` at work; stopped in good order at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(publisher.run(stop))
    try:
        yield publisher
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task


async def until(holds: Callable[[], Any]) -> None:
    """Wait until `holds()` (awaited when it must be) is true. A bound, not a timing."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            held = holds()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return
            await asyncio.sleep(0.02)


async def state_is(publisher: Publisher, state: State) -> None:
    await until(lambda: publisher.state is state)


# --- the other side -----------------------------------------------------------------------------

Record: TypeAlias = Any  # aiokafka's ConsumerRecord; it carries no types


async def read_topic(bootstrap: str, topic: str) -> list[Record]:
    """Every committed record of `topic`, in order per partition; watermarks too.

    A commit returns before its markers are written, so we read up to the end that an uncommitted
    reader sees: the broker shows it to us when every transaction before it has ended.
    """
    parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with reading(bootstrap, "read_uncommitted") as consumer:
        ends = await consumer.end_offsets(parts)
    async with reading(bootstrap, "read_committed") as consumer:
        return await read_up_to(consumer, ends)


@asynccontextmanager
async def reading(bootstrap: str, isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def read_up_to(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> list[Record]:
    """What `consumer` sees before `ends`."""
    consumer.assign(list(ends))
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while [part for part in ends if await consumer.position(part) < ends[part]]:
            for found in (await consumer.getmany(*ends, timeout_ms=100)).values():
                records += found
    return records


async def read_events(bootstrap: str, topic: str) -> list[Record]:
    """Every committed record of `topic` that is no watermark."""
    return [record for record in await read_topic(bootstrap, topic) if record.key != KEY]


async def read_watermarks(bootstrap: str, topic: str) -> list[Record]:
    """Every committed watermark of `topic`."""
    return [record for record in await read_topic(bootstrap, topic) if record.key == KEY]


def header(record: Record, name: str) -> str:
    return str(dict(record.headers)[name], "utf-8")


def sequences(records: list[Record], stream: UUID) -> list[str]:
    """The sequences of one key in the order in which they lie in the topic."""
    return [
        header(record, "ce_sequence") for record in records if record.key == str(stream).encode()
    ]


async def delete_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(PATIENCE_SECONDS):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
