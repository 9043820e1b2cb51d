"""Republication and erasure: what Kafka gets when it has lost its records, or has to forget one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.db.driver import transaction
from common.kafka import republish
from common.kafka.embedded import EmbeddedKafka
from common.kafka.publisher import State
from journal_kit import IDS, fetch
from kafka_kit import (
    House,
    Record,
    delete_topic,
    header,
    house_on,
    read_events,
    read_topic,
    read_watermarks,
    running,
    sequences,
    state_is,
    until,
)

LATEST = "0001-0000000003"

ANOTHER_CLUSTER = "INSERT INTO reader (name, position, cluster_id) VALUES ('kafka', $1, 'gone')"
MANY = """
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor,
                     correlation_id, data)
SELECT gen_random_uuid(), 'thing', gen_random_uuid(), 1, 1, $1, now(), 'a', 'c',
       jsonb_build_object('thing', repeat('x', 20000))
FROM generate_series(1, 1203)
"""


async def _published(kafka: EmbeddedKafka, house: House) -> list[UUID]:
    """Four things of three versions each, published, and the watermark behind them too."""
    streams = await house.fill(streams=4, versions=3)
    async with running(house.publisher()):
        await _marked(kafka, house, 12)
    return streams


async def _marked(kafka: EmbeddedKafka, house: House, position: int) -> None:
    async def there() -> bool:
        marks = await read_watermarks(kafka.bootstrap_servers, house.topic)
        return any(json.loads(mark.value)["position"] == position for mark in marks)

    await house.published()
    await until(there)


async def test_a_topic_made_anew_gets_the_latest_states_only(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await _published(kafka, house)
    await delete_topic(kafka.bootstrap_servers, house.topic)
    registry = CollectorRegistry()
    async with running(house.publisher(registry)):
        await _marked(kafka, house, 12)
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert [sequences(records, stream) for stream in streams] == [[LATEST]] * 4
    assert registry.get_sample_value("frontline_republished_records_total") == 4


async def test_a_topic_keeps_the_moment_of_its_birth_and_one_made_anew_has_a_later_one(
    kafka: EmbeddedKafka, house: House
) -> None:
    async def births() -> list[str]:
        marks = await read_watermarks(kafka.bootstrap_servers, house.topic)
        return [json.loads(mark.value)["born"] for mark in marks]

    await _published(kafka, house)
    (first,) = set(await births())
    told = len(await births())
    async with running(house.publisher()):  # another term
        await until(lambda: _more(births, told))
    assert set(await births()) == {first}
    await delete_topic(kafka.bootstrap_servers, house.topic)
    async with running(house.publisher()):
        await _marked(kafka, house, 12)
    (second,) = set(await births())
    assert second > first


async def _more(births: Callable[[], Awaitable[list[str]]], told: int) -> bool:
    return len(await births()) > told


async def test_a_topic_made_anew_under_a_running_publisher_is_noticed(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await house.fill(streams=4, versions=3)
    async with running(house.publisher()):
        await _marked(kafka, house, 12)
        await delete_topic(kafka.bootstrap_servers, house.topic)

        async def there_again() -> bool:
            try:
                records = await read_events(kafka.bootstrap_servers, house.topic)
            except AssertionError:  # the reader's own complaint about a topic that is not there
                return False
            return all(sequences(records, stream)[-1:] == [LATEST] for stream in streams)

        await until(there_again)


async def test_another_cluster_gets_the_latest_states_only(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await _published(kafka, house)
    before = len(await read_events(kafka.bootstrap_servers, house.topic))
    await house.sql("UPDATE reader SET cluster_id = 'the one before' WHERE name = 'kafka'")
    async with running(house.publisher()) as publisher:
        await state_is(publisher, State.LEADING)
    again = await read_events(kafka.bootstrap_servers, house.topic)
    assert len(again) - before == 4
    assert [sequences(again, stream)[-2:] for stream in streams] == [[LATEST] * 2] * 4
    row = (await fetch(house.engine, "SELECT cluster_id FROM reader WHERE name = 'kafka'"))[0]
    assert row["cluster_id"] != "the one before"


@pytest.mark.timeout(180)
async def test_a_wiped_broker_gets_the_latest_states_by_itself(
    own_kafka: EmbeddedKafka, scratch_database: str
) -> None:
    async with house_on(own_kafka.bootstrap_servers, scratch_database, "wiped") as house:
        streams = await house.fill(streams=4, versions=3)
        async with running(house.publisher()):
            await _marked(own_kafka, house, 12)
            await asyncio.to_thread(own_kafka.wipe)

            async def there_again() -> bool:
                try:
                    records = await read_events(own_kafka.bootstrap_servers, house.topic)
                except AssertionError:
                    return False
                return [sequences(records, stream) for stream in streams] == [[LATEST]] * 4

            await until(there_again)


async def test_a_cursor_that_lagged_behind_ends_with_the_newest_record_last(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await _published(kafka, house)
    await delete_topic(kafka.bootstrap_servers, house.topic)
    await house.sql("UPDATE reader SET position = 5 WHERE name = 'kafka'")
    async with running(house.publisher()):
        await _marked(kafka, house, 12)
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert [sequences(records, stream)[-1] for stream in streams] == [LATEST] * 4


async def test_changes_made_during_republication_come_last(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await house.fill(streams=60, versions=1)
    async with running(house.publisher()):
        await _marked(kafka, house, 60)
    await delete_topic(kafka.bootstrap_servers, house.topic)

    async def change_everything() -> None:
        for stream in streams:
            await house.rename(stream, "changed meanwhile")
            await house.seal()

    async with running(house.publisher()):
        await change_everything()
        await _marked(kafka, house, 120)
    records = await read_events(kafka.bootstrap_servers, house.topic)
    newest = "0001-0000000002"
    assert [sequences(records, stream)[-1] for stream in streams] == [newest] * 60


async def test_more_streams_than_a_page_are_all_republished(
    kafka: EmbeddedKafka, house: House
) -> None:
    await house.sql(MANY, f"int.iom.{house.service}.thing.made.v1")
    await house.seal()
    await house.sql(ANOTHER_CLUSTER, 1203)
    async with running(house.publisher()) as publisher:
        await state_is(publisher, State.LEADING)
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert len({record.key for record in records}) == len(records) == 1203


async def test_a_page_begins_where_the_one_before_ended_and_not_at_the_first_stream(
    house: House,
) -> None:
    async with transaction(house.engine, "plan_cache_mode = force_generic_plan") as driver:
        await driver.execute(f"PREPARE pages AS {republish.LATEST}")
        rows = await driver.fetch(f"EXPLAIN EXECUTE pages ('{IDS.new()}', 500, 1000000)")
        await driver.execute("DEALLOCATE pages")
    assert "Index Cond: (stream > $1)" in "\n".join(row[0] for row in rows)


async def test_rows_not_sealed_yet_are_left_to_the_cursor(
    kafka: EmbeddedKafka, house: House
) -> None:
    (stream,) = await house.fill(streams=1, versions=2)
    await house.rename(stream, "not sealed yet")
    await house.sql(ANOTHER_CLUSTER, 2)
    async with running(house.publisher()) as publisher:
        await state_is(publisher, State.LEADING)
        await house.seal()
        await house.published()
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert sequences(records, stream) == ["0001-0000000002", LATEST]


# --- erasure ------------------------------------------------------------------------------------


async def _graves_of(kafka: EmbeddedKafka, house: House, stream: UUID) -> list[Record]:
    records = await read_topic(kafka.bootstrap_servers, house.topic)
    return [record for record in records if record.key == str(stream).encode()]


async def test_an_erasure_is_a_grave_with_its_sequence(kafka: EmbeddedKafka, house: House) -> None:
    house.units = house.fresh_units(SystemClock())
    stream = await house.make("to be forgotten")
    await house.erase(stream)
    await house.seal()
    async with running(house.publisher()):
        await _marked(kafka, house, 2)
    grave = (await _graves_of(kafka, house, stream))[-1]
    assert header(grave, "ce_type") == f"int.iom.{house.service}.thing.erased.v1"
    assert header(grave, "ce_sequence") == "0001-0000000002"
    assert b"to be forgotten" not in grave.value


async def test_a_grave_of_some_age_is_followed_by_a_tombstone(
    kafka: EmbeddedKafka, house: House
) -> None:
    kept = await house.make("stays")
    stream = await house.make("to be forgotten")
    await house.erase(stream)
    await house.seal()

    async def buried() -> bool:
        records = await _graves_of(kafka, house, stream)
        return len(records) == 3 and records[-1].value is None

    async with running(house.publisher()):
        await until(buried)
    tombstone = (await _graves_of(kafka, house, stream))[-1]
    assert header(tombstone, "ce_sequence") == "0001-0000000002"
    assert [record.value is None for record in await _graves_of(kafka, house, kept)] == [False]


async def test_tombstones_are_sent_once(kafka: EmbeddedKafka, house: House) -> None:
    stream = await house.make("to be forgotten")
    await house.erase(stream)
    await house.seal()

    async def passed() -> bool:
        found = await fetch(
            house.engine, "SELECT position FROM reader WHERE name = 'kafka-tombstones'"
        )
        return bool(found) and found[0]["position"] == 2

    for _ in range(2):
        async with running(house.publisher()):
            await _marked(kafka, house, 2)
            await until(passed)
    records = await _graves_of(kafka, house, stream)
    assert [record.value is None for record in records] == [False, False, True]


async def test_a_young_grave_gets_no_tombstone_yet(kafka: EmbeddedKafka, house: House) -> None:
    old = await house.make("noon of some day in March")
    await house.erase(old)
    house.units = house.fresh_units(SystemClock())
    young = await house.make("just now")
    await house.erase(young)
    await house.seal()

    async def old_is_buried() -> bool:
        return (await _graves_of(kafka, house, old))[-1].value is None

    async with running(house.publisher()):
        await _marked(kafka, house, 4)
        await until(old_is_buried)
    assert (await _graves_of(kafka, house, young))[-1].value is not None


async def test_republication_tells_an_old_erasure_as_grave_and_tombstone(
    kafka: EmbeddedKafka, house: House
) -> None:
    stream = await house.make("to be forgotten")
    await house.erase(stream)
    await house.seal()
    await house.sql(ANOTHER_CLUSTER, 2)
    await house.sql("INSERT INTO reader (name, position) VALUES ('kafka-tombstones', 2)")
    async with running(house.publisher()) as publisher:
        await state_is(publisher, State.LEADING)
    records = await _graves_of(kafka, house, stream)
    assert sequences(records, stream) == ["0001-0000000002"] * 2
    assert [record.value is None for record in records] == [False, True]
