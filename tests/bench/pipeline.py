"""How fast a backlog flows: sealed, published, and taken over by another service's mirror.

100,000 changes of 5,000 partners go the whole way, step by step, each step with nothing else to do.
The parts run in this process, on the loop that services use.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from time import perf_counter

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench import fill
from bench.figures import Figure, at_least, ratio
from bench.scene import Scene, dsn_of, until
from common.aggregate import PARTITIONS
from common.journal.reader import Reader
from common.journal.seal import Sealer
from common.kafka.cloudevents import CloudEvents, Record
from common.kafka.producers import BATCH_BYTES, partition_of
from common.kafka.publisher import BATCH_ROWS, Publisher
from common.mirrors.follow import Follower
from common.runtime import Runtime, open_runtime
from common.worker import Part

EVENTS = 100_000
PARTNERS = 5_000
PATIENCE_SECONDS = 180.0

SENT = "SELECT position FROM reader WHERE name = 'kafka'"
TAKEN = "SELECT sum(next_offset)::bigint FROM mirror_partition"
LATEST = "SELECT count(*) FROM partner_mirror WHERE sequence = $1"


async def drain(scene: Scene) -> list[Figure]:
    """Sealing, publishing beside a bare transactional producer, and applying."""
    events, partners = scene.scaled(EVENTS), scene.scaled(PARTNERS)
    await scene.kafka()
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(scene.database("drain_registry", "registry"))
        target = await stack.enter_async_context(scene.database("drain_target", "disbursement"))
        await fill.partner_journal(source, rows=events, partners=partners)
        registry = await stack.enter_async_context(_runtime(scene, "registry", source))
        disbursement = await stack.enter_async_context(_runtime(scene, "disbursement", target))
        sealed = await _seal(registry, events)
        floor = await _bare(scene, await _records(registry, events))
        published = await _publish(registry, source, events)
        applied = await _apply(disbursement, target, f"0001-{events // partners:010d}", partners)
    return [
        at_least("sealing", sealed, 20_000, "rows/s"),
        ratio("journal drain ÷ bare transactional producer", published, floor, 0.5,
              of_rounds=published / floor),
        at_least(f"mirror apply, {events:,} events of {partners:,} partners", applied, 8_000,
                 "events/s"),
    ]  # fmt: skip


@asynccontextmanager
async def _runtime(scene: Scene, name: str, url: str) -> AsyncIterator[Runtime]:
    service = import_module(f"{name}.service").SERVICE
    settings = service.settings(
        profile="development",
        database_url=url,
        KAFKA_BOOTSTRAP_SERVERS=(await scene.kafka()).bootstrap_servers,
        kafka_create_topics=True,
        log_level="WARNING",
    )
    async with open_runtime(service, settings) as runtime:
        yield runtime


async def _seal(runtime: Runtime, events: int) -> float:
    """Rows per second."""
    sealer, began, done = Sealer.of(runtime), perf_counter(), 0
    while count := await sealer.seal_batch(everything=done == 0):
        done += count
    assert done == events, f"{done} of {events} rows were sealed"
    return events / (perf_counter() - began)


async def _records(runtime: Runtime, events: int) -> list[Record]:
    """What the publisher will send."""
    reader = Reader(runtime.engine)
    service = runtime.service
    mapping = CloudEvents(service.name, service.aggregates, runtime.settings.base_url)
    records: list[Record] = []
    while len(records) < events:
        rows = await reader.fetch(len(records), BATCH_ROWS)
        records += map(mapping.record, rows)
    return records


async def _bare(scene: Scene, records: Sequence[Record]) -> float:
    """Events per second of one transactional producer that has them all at hand."""
    broker = (await scene.kafka()).bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("bare_drain", PARTITIONS, 1)])
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=broker,
        transactional_id="bare-drain",
        acks="all",
        max_batch_size=BATCH_BYTES,
    )
    await producer.start()
    try:
        async with producer.transaction():  # the new topic has its leaders by then
            await producer.send_and_wait("bare_drain", b"")
        began = perf_counter()
        for start in range(0, len(records), BATCH_ROWS):
            async with producer.transaction():
                builders = {number: producer.create_batch() for number in range(PARTITIONS)}
                for each in records[start : start + BATCH_ROWS]:
                    builders[partition_of(each.key)].append(
                        timestamp=None, key=each.key, value=each.value, headers=each.headers
                    )
                sent = [
                    await producer.send_batch(builder, "bare_drain", partition=number)
                    for number, builder in builders.items()
                ]
                await asyncio.gather(*sent)
        return len(records) / (perf_counter() - began)
    finally:
        await producer.stop()


async def _publish(runtime: Runtime, url: str, events: int) -> float:
    """Events per second, from the first batch that the publisher has done to its last."""
    driver = await asyncpg.connect(dsn_of(url))
    try:
        async with _running(Publisher.of(runtime)):
            return await _rate(driver, SENT, events)
    finally:
        await driver.close()


async def _apply(runtime: Runtime, url: str, last: str, partners: int) -> float:
    """Records per second, from the first batch that the follower has taken to its last."""
    driver = await asyncpg.connect(dsn_of(url))

    async def complete() -> bool:
        return bool(await driver.fetchval(LATEST, last) == partners)

    try:
        async with _running(Follower.of(runtime)):
            first, began = await _first(driver, TAKEN)
            await until(complete, PATIENCE_SECONDS, pause=0.02)
            taken: int = await driver.fetchval(TAKEN) - first
            return taken / (perf_counter() - began)
    finally:
        await driver.close()


async def _rate(driver: asyncpg.Connection, statement: str, end: int) -> float:
    first, began = await _first(driver, statement)

    async def ended() -> bool:
        return bool(await driver.fetchval(statement) == end)

    await until(ended, PATIENCE_SECONDS, pause=0.02)
    return (end - first) / (perf_counter() - began)


async def _first(driver: asyncpg.Connection, statement: str) -> tuple[int, float]:
    """How much was done when something was first seen to be done, and when that was."""

    async def begun() -> int:
        return int(await driver.fetchval(statement) or 0)

    count = await until(begun, PATIENCE_SECONDS, pause=0.002)
    return count, perf_counter()


@asynccontextmanager
async def _running(part: Part) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(part.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
