"""Following a real topic: nothing is skipped, whatever happens to brokers, databases and
consumers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SystemClock
from common.db.driver import borrowed
from common.db.engine import create_engine
from common.journal.wake import DUE
from common.kafka.embedded import EmbeddedKafka
from common.kafka.producers import partition_of
from common.mirrors.age import mirror_age
from follow_kit import Scene, scene_on, until
from mirror_kit import (
    A,
    B,
    Said,
    broken,
    ids,
    parked,
    row,
)

HURTS_THE_BROKER = pytest.mark.timeout(180)
"""A broker of the test's own is started, and often started again: seconds, but many on a busy
machine.
"""


@pytest.fixture
async def scene(
    kafka: EmbeddedKafka, engine: AsyncEngine, scratch_database: str, unique: str
) -> AsyncIterator[Scene]:
    """A topic of its own on the run's broker."""
    async with scene_on(kafka, engine, scratch_database, f"owner{unique}") as scene:
        await scene.create_topic()
        yield scene


@pytest.fixture
async def own_scene(
    own_kafka: EmbeddedKafka, engine: AsyncEngine, scratch_database: str, unique: str
) -> AsyncIterator[Scene]:
    """The same on a broker that the test may hurt."""
    async with scene_on(own_kafka, engine, scratch_database, f"owner{unique}") as scene:
        await scene.create_topic()
        yield scene


# --- the ordinary way ---------------------------------------------------------------------------


async def test_what_was_published_before_and_after_the_start_arrives(scene: Scene) -> None:
    await scene.publish(*scene.events(ids(20), 1))
    scene.follow()
    await until(lambda: scene.have(20, 1))
    await scene.publish(*scene.events(ids(20), 2))
    await until(lambda: scene.have(20, 2))


async def test_an_arrival_wakes_whoever_waits_for_reactions(scene: Scene) -> None:
    scene.follow()
    watch = scene.wake.watch(DUE)
    await scene.publish(*scene.events([A], 1))
    assert await watch.wait(30)


async def test_watermarks_of_all_partitions_make_the_mirror_young(scene: Scene) -> None:
    async def young() -> bool:
        async with borrowed(scene.engine) as driver:
            age = await mirror_age(driver, scene.topic, now=SystemClock().now())
        return age.problem(30) is None

    scene.follow()
    await scene.publish_watermarks(7)
    await until(young)


async def test_what_was_not_committed_is_never_read(scene: Scene) -> None:
    scene.follow()
    await scene.publish(*scene.events([A], 1), abort=True)
    await scene.publish(*scene.events([B], 1))
    await until(lambda: scene.has(B, 1))
    assert await row(scene.engine, A) is None


async def test_an_unreadable_record_does_not_stop_its_partition(scene: Scene) -> None:
    scene.follow()
    await scene.publish(broken(A, 1), Said(str(A).encode(), b"\xff"), *scene.events([A], 2))
    await until(lambda: scene.has(A, 2))
    assert [resolution for _, resolution in await parked(scene.engine)] == ["superseded"] * 2


async def test_a_topic_that_is_made_later_is_noticed(
    kafka: EmbeddedKafka, engine: AsyncEngine, scratch_database: str, unique: str
) -> None:
    async with scene_on(kafka, engine, scratch_database, f"owner{unique}") as scene:
        scene.follow()
        await asyncio.sleep(1)
        await scene.create_topic()
        await scene.publish(*scene.events([A], 1))
        await until(lambda: scene.has(A, 1))


async def test_offsets_are_given_to_kafka_for_its_tools(scene: Scene) -> None:
    async def known() -> bool:
        async with scene.admin() as admin:
            try:
                found = await admin.list_consumer_group_offsets(scene.name)
            except KafkaError:
                return False
        place = TopicPartition(scene.topic, partition_of(str(A).encode()))
        return place in found and found[place].offset == 1

    scene.follow()
    await scene.publish(*scene.events([A], 1))
    await until(known)


async def test_the_gauges_show_age_lag_and_parked(scene: Scene) -> None:
    async def shown() -> bool:
        value = scene.registry.get_sample_value
        age = value("frontline_mirror_age_seconds", {"topic": scene.topic})
        kept = value("frontline_mirror_parked_records", {"topic": scene.topic})
        number = partition_of(str(A).encode())
        lag = value(
            "frontline_mirror_lag_records", {"topic": scene.topic, "partition": str(number)}
        )
        return age is not None and age < 60 and kept == 1 and lag is not None and lag <= 1

    scene.follow()
    await scene.publish(broken(A, 1))
    await scene.publish_watermarks(1)
    await until(shown)


# --- restarts, and places that moved ------------------------------------------------------------


async def test_after_a_restart_it_goes_on_where_it_was(scene: Scene) -> None:
    first = scene.follow()
    await scene.publish(*scene.events([A], 1))
    await until(lambda: scene.has(A, 1))
    await scene.leave(first)
    await scene.publish(*scene.events([A], 2))
    scene.follow()
    await until(lambda: scene.has(A, 2))


async def test_a_database_put_back_while_it_runs_reads_the_missing_suspension_again(
    scene: Scene,
) -> None:
    scene.follow()
    await scene.publish(*scene.events([A], 1))
    await until(lambda: scene.has(A, 1))
    await scene.execute("CREATE TABLE dump_rows AS TABLE thing_seen")
    await scene.execute("CREATE TABLE dump_places AS TABLE mirror_partition")
    await scene.publish(*scene.events([A], 2, eligible=False))
    await until(lambda: scene.has(A, 2))
    await scene.execute(
        "BEGIN; TRUNCATE thing_seen, mirror_partition, reaction_due; "
        "INSERT INTO thing_seen TABLE dump_rows; INSERT INTO mirror_partition TABLE dump_places; "
        "COMMIT"
    )
    assert await scene.has(A, 1)
    await scene.publish(*scene.events([A], 1))  # anything at all in that partition
    await until(lambda: scene.has(A, 2))
    found = await row(scene.engine, A)
    assert found is not None
    assert found["eligible"] is False


async def test_kafkas_own_offsets_are_never_believed(scene: Scene) -> None:
    first = scene.follow()
    await scene.publish(*scene.events([A], 1))
    await until(lambda: scene.has(A, 1))
    await scene.leave(first)  # its offsets are with Kafka now
    await scene.execute("TRUNCATE thing_seen, mirror_partition")
    scene.follow()
    await until(lambda: scene.has(A, 1))


# --- several followers --------------------------------------------------------------------------


async def test_followers_that_come_and_go_lose_nothing(scene: Scene) -> None:
    keys = list(ids(60))
    first = scene.follow()
    await scene.publish(*scene.events(keys, 1))
    await until(lambda: scene.have(60, 1))
    second = scene.follow()
    for version in range(2, 12):
        await scene.publish(*scene.events(keys, version))
        if version == 6:
            await scene.leave(first)
            scene.follow()
    await until(lambda: scene.have(60, 11))
    await scene.leave(second)
    await scene.publish(*scene.events(keys, 12))
    await until(lambda: scene.have(60, 12))


# --- trouble ------------------------------------------------------------------------------------


async def test_a_database_that_cannot_write_for_a_while_loses_nothing(
    scene: Scene, scratch_database: str
) -> None:
    impatient = create_engine(scratch_database, application_name="impatient", lock_timeout=0.1)
    try:
        number = scene.follow(impatient)
        await scene.publish(*scene.events([A], 1))
        await until(lambda: scene.has(A, 1))
        async with borrowed(scene.engine) as driver:
            await driver.execute("BEGIN; LOCK TABLE thing_seen IN ACCESS EXCLUSIVE MODE")
            await scene.publish(*scene.events([A, B], 2))
            await asyncio.sleep(1)
            await driver.execute("COMMIT")
        await until(lambda: scene.has(A, 2))
        await until(lambda: scene.has(B, 2))
        await scene.leave(number)
    finally:
        await impatient.dispose()


async def test_connections_cut_under_it_lose_nothing(scene: Scene, scratch_database: str) -> None:
    victim = create_engine(scratch_database, application_name="victim")
    try:
        number = scene.follow(victim)
        for version in range(1, 8):
            await scene.publish(*scene.events(ids(10), version))
            await scene.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'victim' AND datname = current_database()"
            )
        await until(lambda: scene.have(10, 7))
        await scene.leave(number)
    finally:
        await victim.dispose()


@HURTS_THE_BROKER
async def test_a_broker_that_is_away_for_a_while_is_waited_for(own_scene: Scene) -> None:
    own_scene.follow()
    await own_scene.publish(*own_scene.events([A], 1))
    await until(lambda: own_scene.has(A, 1))
    await asyncio.to_thread(own_scene.broker.restart)
    await own_scene.publish(*own_scene.events([A], 2))
    await until(lambda: own_scene.has(A, 2))


@HURTS_THE_BROKER
async def test_a_follower_that_starts_before_its_broker_waits_for_it(own_scene: Scene) -> None:
    await own_scene.publish(*own_scene.events([A], 1))
    await asyncio.to_thread(own_scene.broker.stop)
    own_scene.follow()
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_scene.broker.start)
    await until(lambda: own_scene.has(A, 1))


@HURTS_THE_BROKER
async def test_a_wiped_cluster_is_read_from_its_beginning(own_scene: Scene) -> None:
    own_scene.follow()
    await own_scene.publish(*own_scene.events([A, B], 1))
    await own_scene.publish(*own_scene.events([A, B], 2))
    await until(lambda: own_scene.has(B, 2))
    await asyncio.to_thread(own_scene.broker.wipe)
    await own_scene.create_topic()
    await own_scene.publish(*own_scene.events([A], 3))
    await until(lambda: own_scene.has(A, 3))
    async with borrowed(own_scene.engine) as driver:
        clusters = await driver.fetchval("SELECT count(DISTINCT cluster_id) FROM mirror_partition")
    assert clusters == 1


@HURTS_THE_BROKER
async def test_a_topic_made_anew_is_read_from_its_beginning(own_scene: Scene) -> None:
    own_scene.follow()
    for version in range(1, 6):
        await own_scene.publish(*own_scene.events([A], version))
    await until(lambda: own_scene.has(A, 5))
    await own_scene.delete_topic()
    await own_scene.create_topic()
    await own_scene.publish(*own_scene.events([A], 6))
    await until(lambda: own_scene.has(A, 6))


async def test_a_topic_made_anew_and_filled_while_we_were_away_is_read_from_its_beginning(
    scene: Scene,
) -> None:
    """Our place lies within the new topic too: only its watermarks tell that it is another one."""
    first = scene.follow()
    await scene.publish(*scene.events(ids(30), 1))
    await scene.publish_watermarks(1, born="2026-03-01T12:00:00Z")
    await until(lambda: scene.have(30, 1))
    await until(scene.heard)
    await scene.leave(first)
    await scene.delete_topic()
    await scene.create_topic()
    await scene.publish(*scene.events(ids(30), 2))
    await scene.publish(*scene.events((UUID(int=1000 + each) for each in range(200)), 1))
    await scene.publish_watermarks(9, born="2026-03-01T13:00:00Z")
    scene.follow()
    await until(lambda: scene.have(30, 2))


@HURTS_THE_BROKER
async def test_it_stops_promptly_while_its_broker_is_away(own_scene: Scene) -> None:
    number = own_scene.follow()
    await own_scene.publish(*own_scene.events([A], 1))
    await until(lambda: own_scene.has(A, 1))
    await asyncio.to_thread(own_scene.broker.stop)
    await own_scene.leave(number)
