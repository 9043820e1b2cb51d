"""How soon a change in one service is seen in another, and how soon a suspension stops payments.

The clock is one: a trigger on each side notifies at its commit, and this process listens to both.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench import fill
from bench.figures import Figure, at_most, median, quantile, times
from bench.scene import Process, Scene, dsn_of, execute, until

SUSPEND = "registry.partners.suspend"
TELL = """
CREATE FUNCTION bench_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('bench', NEW.{column}::text); RETURN NULL; END $$;
CREATE TRIGGER bench_tells AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION bench_tell();
"""
DRAINED = """
SELECT position = (SELECT position FROM journal_head)
   AND NOT EXISTS (SELECT FROM journal_unsealed)
FROM reader WHERE name = 'kafka'
"""
HELD_PAYMENTS = 100
LIGHT_SECONDS = 0.15
LIGHT = 40
BUSY_RATE = 50
BUSY = 300
SUSPENSIONS = 10


@dataclass(eq=False)
class Heard:
    """When each id was notified, by database."""

    at: dict[str, float] = field(default_factory=dict)
    last: float = 0.0

    def __call__(self, *heard: Any) -> None:
        self.last = self.at[heard[3]] = perf_counter()


async def mirror(scene: Scene) -> list[Figure]:
    """Commit in the registry → visible in disbursement, beside a bare produce → consume; and the
    last of 100 payments held.
    """
    light, busy = scene.scaled(LIGHT, 10), scene.scaled(BUSY, 50)
    partners = HELD_PAYMENTS // 2 + light + busy
    await scene.kafka()
    async with AsyncExitStack() as stack:
        registry, disbursement = [
            await stack.enter_async_context(scene.database(f"mirror_{name}", name))
            for name in ("registry", "disbursement")
        ]
        await fill.partners(registry, partners)
        await fill.partner_journal(registry, rows=5 * partners, partners=partners)
        used = await fill.history(disbursement, 10_000, grants=10)
        last = used + 250  # five of each partner
        await fill.agreements(disbursement, first=used + 1, last=last, grants=10)
        await fill.payments_under_way(
            disbursement, first=used + 1, last=last, grants=10, tranches=HELD_PAYMENTS // 5
        )
        changed = await stack.enter_async_context(
            _listening(registry, table="journal", column="stream", event="INSERT")
        )
        seen = await stack.enter_async_context(
            _listening(disbursement, table="partner_mirror", column="id", event="INSERT OR UPDATE")
        )
        held = await stack.enter_async_context(
            _listening(disbursement, table="payment", column="id", event="UPDATE")
        )
        api = await stack.enter_async_context(scene.service("registry", "run", registry))
        await stack.enter_async_context(scene.service("disbursement", "run", disbursement))
        http = await stack.enter_async_context(_client(scene, api))
        await _suspended(http, seen, partners)  # warm: the follower has its share from here on
        for url in (registry, disbursement):
            await _published(url)  # what was filled in is no part of what is measured
        numbers = iter(range(51, partners))
        quiet = await _pace(http, changed, seen, [next(numbers) for _ in range(light - 1)], 0.15)
        loaded = await _pace(
            http, changed, seen, [next(numbers) for _ in range(busy)], 1 / BUSY_RATE
        )
        bare = await _bare(scene, light, LIGHT_SECONDS)
        holding = [await _hold(http, changed, held, n) for n in range(1, SUSPENSIONS + 1)]
    return [
        at_most("commit → mirror, light, p50", median(quiet), 12, "ms", places=1),
        at_most("commit → mirror, light, p99", quantile(quiet, 0.99), 60, "ms", places=1),
        times("commit → mirror ÷ bare produce → consume, p50", f"{median(quiet):.1f} ms",
              f"{median(bare):.1f} ms", median(quiet) / median(bare), 3),
        at_most("commit → mirror at 50/s, p50", median(loaded), 12, "ms", places=1),
        at_most("commit → mirror at 50/s, p99", quantile(loaded, 0.99), 60, "ms", places=1),
        at_most("suspension → last of 100 payments held, p50", median(holding), 250, "ms"),
        Figure("suspension → last of 100 payments held, slowest", f"{max(holding):,.0f} ms"),
    ]  # fmt: skip


@asynccontextmanager
async def _listening(url: str, *, table: str, column: str, event: str) -> AsyncIterator[Heard]:
    """What changes in `table`, at its commit."""
    heard, channel = Heard(), f"bench_{table}"
    await execute(
        url, TELL.format(table=table, column=column, event=event).replace("bench", channel, -1)
    )
    driver = await asyncpg.connect(dsn_of(url))
    await driver.add_listener(channel, heard)
    try:
        yield heard
    finally:
        await driver.close()


@asynccontextmanager
async def _client(scene: Scene, api: Process) -> AsyncIterator[httpx.AsyncClient]:
    headers = {
        "Authorization": f"Bearer {scene.token('registry', scopes=[SUSPEND])}",
        "If-Match": '"0001-0000000005"',
    }
    async with httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http:
        yield http


async def _published(url: str) -> None:
    """Wait until the journal of the database at `url` has been sealed and published to its end."""
    driver = await asyncpg.connect(dsn_of(url))

    async def drained() -> bool:
        return bool(await driver.fetchval(DRAINED))

    try:
        await until(drained, 60)
    finally:
        await driver.close()


async def _suspend(http: httpx.AsyncClient, number: int) -> str:
    """Suspend a partner; its id."""
    partner = str(fill.made_of("partner", number))
    answer = await http.post(f"/v1/partners/{partner}/suspend", json={"reason": "A red flag."})
    answer.raise_for_status()
    return partner


async def _suspended(http: httpx.AsyncClient, seen: Heard, number: int) -> None:
    partner = await _suspend(http, number)

    async def arrived() -> bool:
        return partner in seen.at

    await until(arrived, 60)


async def _pace(
    http: httpx.AsyncClient, changed: Heard, seen: Heard, numbers: Sequence[int], every: float
) -> list[float]:
    """Suspend partners at a steady pace; milliseconds from each commit to the mirror."""
    asking = []
    for number in numbers:
        asking.append(asyncio.create_task(_suspend(http, number)))
        await asyncio.sleep(every)
    partners = await asyncio.gather(*asking)

    async def arrived() -> bool:
        return seen.at.keys() >= set(partners)

    await until(arrived, 30)
    return [(seen.at[partner] - changed.at[partner]) * 1000 for partner in partners]


async def _hold(http: httpx.AsyncClient, changed: Heard, held: Heard, number: int) -> float:
    """Suspend a partner with 100 payments under way; milliseconds until the last one is held."""
    held.at.clear()
    partner = await _suspend(http, number)

    async def all_held() -> bool:
        return len(held.at) >= HELD_PAYMENTS

    await until(all_held, 30)
    return (held.last - changed.at[partner]) * 1000


async def _bare(scene: Scene, count: int, every: float) -> list[float]:
    """Milliseconds from the beginning of a transaction of one record to its arrival."""
    broker = (await scene.kafka()).bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("bare", 6, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id="bare")
    consumer = AIOKafkaConsumer(
        "bare",
        bootstrap_servers=broker,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await producer.start()
    await consumer.start()
    took: list[float] = []

    async def consume() -> None:
        async for record in consumer:
            took.append((perf_counter() - float(record.value)) * 1000)

    consuming = asyncio.create_task(consume())
    try:
        for number in range(count + 5):
            began = perf_counter()
            async with producer.transaction():
                await producer.send_and_wait("bare", str(began).encode(), str(number).encode())
            await asyncio.sleep(every)

        async def arrived() -> bool:
            return len(took) >= count + 5

        await until(arrived, 30)
    finally:
        consuming.cancel()
        with suppress(asyncio.CancelledError):
            await consuming
        await consumer.stop()
        await producer.stop()
    return took[5:]  # the first ones learn the topic
