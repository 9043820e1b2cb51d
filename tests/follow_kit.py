"""A topic, a database and followers between them: what the tests of following stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import PARTITIONS
from common.clock import SystemClock
from common.db.driver import borrowed
from common.journal.wake import Wake
from common.kafka.embedded import EmbeddedKafka
from common.kafka.producers import partition_of
from common.mirrors.follow import Follower
from common.mirrors.metrics import FollowerMetrics
from common.mirrors.mirror import Reaction
from common.settings import CommonSettings, Profile
from mirror_kit import (
    Said,
    event,
    nothing,
    seq,
    standing,
    thing_mirror,
    watermark,
)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; the test's own time limit ends a wait in vain."""
    while not await holds():
        await asyncio.sleep(0.05)


@dataclass
class Scene:
    """One topic of one broker, one database, and as many followers as a test starts."""

    broker: EmbeddedKafka
    engine: AsyncEngine
    url: str
    name: str
    tasks: list[tuple[asyncio.Task[None], asyncio.Event]] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def topic(self) -> str:
        return f"{self.name}.thing.v1"

    @property
    def settings(self) -> CommonSettings:
        return CommonSettings(
            profile=Profile.DEVELOPMENT,
            database_url=self.url,
            KAFKA_BOOTSTRAP_SERVERS=self.broker.bootstrap_servers,
        )

    # --- the broker -----------------------------------------------------------------------------

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def create_topic(self) -> None:
        """Make the topic, as soon as the broker is ready for it."""
        config = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"}
        topic = NewTopic(self.topic, PARTITIONS, 1, topic_configs=config)
        async with self.admin() as admin:
            await admin.create_topics([topic])
            while self.topic not in await admin.list_topics():
                await asyncio.sleep(0.05)

    async def delete_topic(self) -> None:
        async with self.admin() as admin:
            await admin.delete_topics([self.topic])
            while self.topic in await admin.list_topics():
                await asyncio.sleep(0.05)

    async def publish(self, *said: Said, abort: bool = False) -> None:
        """Put records into the topic, in one transaction."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.broker.bootstrap_servers, transactional_id=f"tx-{self.name}"
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            for each in said:
                await producer.send(
                    self.topic,
                    each.value,
                    key=each.key,
                    partition=partition_of(each.key or b""),
                    headers=list(each.headers),
                )
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        finally:
            await producer.stop()

    async def publish_watermarks(self, position: int, **more: Any) -> None:
        """One into every partition, timed by the machine's clock."""
        now = SystemClock().now()
        said = watermark(position, publisher=now, **more)
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap_servers)
        await producer.start()
        for number in range(PARTITIONS):
            await producer.send(
                self.topic, said.value, key=said.key, partition=number, headers=list(said.headers)
            )
        await producer.stop()

    def events(self, keys: Iterable[UUID], version: int, **state: Any) -> list[Said]:
        return [event(key, version, topic=self.topic, **state) for key in keys]

    # --- followers ------------------------------------------------------------------------------

    def follow(self, engine: AsyncEngine | None = None) -> int:
        """Start one more follower; its number."""
        mirror = thing_mirror(self.topic)
        wake = Wake(self.url)
        self.registry = CollectorRegistry()
        follower = Follower(
            service=self.name,
            settings=self.settings,
            engine=engine or self.engine,
            mirrors=(mirror,),
            reactions=(Reaction("watch", mirror, nothing),),
            wake=wake,
            metrics=FollowerMetrics(self.registry, SystemClock()),
        )
        stop = asyncio.Event()
        self.wake = wake
        self.tasks.append((asyncio.create_task(follower.run(stop)), stop))
        return len(self.tasks) - 1

    async def leave(self, number: int) -> None:
        task, stop = self.tasks[number]
        stop.set()
        await task

    # --- what arrived ---------------------------------------------------------------------------

    async def has(self, id_: UUID, version: int, epoch: int = 1) -> bool:
        return (await standing(self.engine, id_) or ("", False, False))[0] == seq(version, epoch)

    async def have(self, number: int, version: int) -> bool:
        """Whether `number` rows stand at `version`."""
        async with borrowed(self.engine) as driver:
            found = await driver.fetchval(
                "SELECT count(*) FROM thing_seen WHERE sequence = $1 AND readable", seq(version)
            )
        return bool(found == number)

    async def heard(self) -> bool:
        """Whether every partition has had a watermark."""
        async with borrowed(self.engine) as driver:
            found = await driver.fetchval("SELECT count(watermark_at) FROM mirror_partition")
        return bool(found == PARTITIONS)

    async def execute(self, statement: str) -> None:
        async with borrowed(self.engine) as driver:
            await driver.execute(statement)


@asynccontextmanager
async def scene_on(
    broker: EmbeddedKafka, engine: AsyncEngine, url: str, name: str
) -> AsyncIterator[Scene]:
    scene = Scene(broker, engine, url, name)
    try:
        yield scene
    finally:
        for _, stop in scene.tasks:
            stop.set()
        await asyncio.gather(*(task for task, _ in scene.tasks))
