"""Transactions that the broker forgot: found, ended, and what they held sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from common.journal.reader import Reader
from common.kafka.cloudevents import Record
from common.kafka.embedded import EmbeddedKafka
from common.kafka.hanging import abort, hanging_in
from common.kafka.producers import partition_of
from common.kafka.topics import ensure_topics
from kafka_kit import House, house_on, read_events, read_topic, running, sequences


@pytest.fixture
def careless_kafka(run_folder: Path, unique: str) -> Iterator[EmbeddedKafka]:
    """A broker that takes a transaction's records unasked, as brokers once did."""
    careless = {"transaction.partition.verification.enable": "false"}
    broker = EmbeddedKafka(run_folder / f"kafka-{unique}", settings=careless)
    broker.start()
    yield broker
    broker.delete()


@pytest.fixture
async def house(careless_kafka: EmbeddedKafka, scratch_database: str) -> AsyncIterator[House]:
    async with house_on(careless_kafka.bootstrap_servers, scratch_database, "hung") as house:
        await ensure_topics(house.settings, (house.aggregate,))
        yield house


async def _leave_hanging(house: House, record: Record) -> None:
    """Put `record` into the topic in a transaction that no coordinator knows of."""
    producer = AIOKafkaProducer(
        bootstrap_servers=house.settings.kafka_bootstrap_servers, transactional_id="forgotten"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        place = TopicPartition(record.topic, partition_of(record.key))
        producer._txn_manager._txn_partitions.add(place)
        await producer.send_and_wait(
            record.topic,
            record.value,
            key=record.key,
            partition=place.partition,
            headers=record.headers,
        )
    finally:
        await producer.stop()


@pytest.mark.timeout(180)
async def test_a_hanging_transaction_is_found_and_ended(house: House) -> None:
    await _leave_hanging(house, Record(house.topic, b"key", b"never committed", []))
    found = await hanging_in(house.settings, [house.topic])
    assert [transaction.place.partition for transaction in found] == [partition_of(b"key")]
    await abort(house.settings, found)
    assert await hanging_in(house.settings, [house.topic]) == []
    assert await read_topic(house.settings.kafka_bootstrap_servers, house.topic) == []


@pytest.mark.timeout(180)
async def test_what_a_hanging_transaction_held_is_sent_again(house: House) -> None:
    (stream,) = await house.fill(streams=1, versions=1)
    async with running(house.publisher()):
        await house.published()
    # Its commit had returned and the cursor had moved when the broker died and forgot it.
    await house.rename(stream, "committed, and then hidden")
    await house.seal()
    (row,) = await Reader(house.engine).fetch(1, 1)
    await _leave_hanging(house, house.publisher().events.record(row))
    await house.sql("UPDATE reader SET position = 2 WHERE name = 'kafka'")
    later = await house.make("later")
    await house.seal()
    async with running(house.publisher()):
        await house.published()
    records = await read_events(house.settings.kafka_bootstrap_servers, house.topic)
    assert sequences(records, stream)[-1] == "0001-0000000002"
    assert sequences(records, later) == ["0001-0000000001"]
