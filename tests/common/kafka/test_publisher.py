"""The publisher on a real journal and a real broker: what it sends, in what order, and when."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from common.journal.reader import LeadershipLostError, Reader
from common.kafka.embedded import EmbeddedKafka
from common.kafka.producers import Producers, TopicReplacedError
from common.kafka.publisher import State
from common.kafka.topics import ensure_topics
from journal_kit import IDS, Renamed, fetch
from kafka_kit import (
    House,
    delete_topic,
    header,
    house_on,
    read_events,
    read_topic,
    running,
    sequences,
    state_is,
    until,
)


async def test_an_event_is_read_back_whole_by_an_independent_consumer(
    kafka: EmbeddedKafka, house: House
) -> None:
    stream = await house.make("Nuru")
    await house.seal()
    async with running(house.publisher()):
        await house.published()
    (record,) = await read_events(kafka.bootstrap_servers, house.topic)
    headers = {name: value.decode() for name, value in record.headers}
    event_id = headers.pop("ce_id")
    kind = f"int.iom.{house.service}.thing.made.v1"
    assert headers == {
        "ce_specversion": "1.0",
        "ce_type": kind,
        "ce_source": f"/{house.service}",
        "content-type": "application/json",
        "ce_dataschema": f"https://things.example.org/schemas/{kind}.json",
        "ce_subject": str(stream),
        "ce_time": "2026-03-01T12:00:00.000007Z",
        "ce_partitionkey": str(stream),
        "ce_sequence": "0001-0000000001",
    }
    assert len(event_id) == 36
    assert record.key == str(stream).encode()
    assert json.loads(record.value) == {"thing": {"name": "Nuru", "country": None}, "change": {}}


async def test_nothing_private_leaves(kafka: EmbeddedKafka, house: House) -> None:
    stream = await house.make("Nuru")
    await house.rename(stream, "Nuru II")
    secret = "the reason that auditors read"
    await house.record(stream, Renamed(before=""), "Nuru III", reason=secret)
    await house.seal()
    async with running(house.publisher()):
        await house.published()
    records = await read_topic(kafka.bootstrap_servers, house.topic)
    assert len(sequences(records, stream)) == 3
    assert not [record for record in records if secret.encode() in record.value]


async def test_records_of_a_key_lie_in_the_order_of_the_journal(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await house.fill(streams=5, versions=8)
    async with running(house.publisher(batch_rows=7)):
        await house.published()
    records = await read_events(kafka.bootstrap_servers, house.topic)
    expected = [f"0001-{version:010d}" for version in range(1, 9)]
    assert {stream: sequences(records, stream) for stream in streams} == dict.fromkeys(
        streams, expected
    )


async def test_states_of_the_largest_size_are_published(kafka: EmbeddedKafka, house: House) -> None:
    stream = await house.make("x" * 250_000)
    for _ in range(3):
        await house.rename(stream, "y" * 250_000)
    await house.seal()
    async with running(house.publisher()):
        await house.published()
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert [len(record.value) > 250_000 for record in records] == [True] * 4


async def test_what_is_sealed_while_it_runs_follows_without_a_wake_up(
    kafka: EmbeddedKafka, house: House
) -> None:
    publisher = house.publisher()
    async with running(publisher):
        await state_is(publisher, State.LEADING)
        stream = await house.make("late")
        await house.seal()  # by a sealer of another process: no mark reaches us
        await house.published()
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert sequences(records, stream) == ["0001-0000000001"]


@pytest.mark.timeout(180)
async def test_the_cursor_moves_only_after_the_commit(
    own_kafka: EmbeddedKafka, scratch_database: str
) -> None:
    async with house_on(own_kafka.bootstrap_servers, scratch_database, "slow") as house:
        await house.fill(streams=2, versions=1)
        publisher = house.publisher(lease_seconds=30.0)
        async with running(publisher):
            await house.published()
            own_kafka.pause()
            try:
                await house.make("waits")
                await house.seal()
                await asyncio.sleep(2.0)  # longer than the slow poll: the batch is under way
                assert await house.position() == 2
            finally:
                own_kafka.resume()
            await house.published()
            assert await house.position() == 3


async def test_the_two_producers_take_turns_and_a_failed_send_passes_none_on(
    kafka: EmbeddedKafka, house: House
) -> None:
    await house.fill(streams=1, versions=3)
    await ensure_topics(house.settings, (house.aggregate,))
    events = house.publisher().events
    rows = await Reader(house.engine).fetch(0, 10)
    producers = Producers(house.settings, house.service)
    successors = Producers(house.settings, house.service)
    try:
        await producers.start([house.topic])
        turns = []
        for row in rows:
            turns.append(producers.turn)
            await producers.send(producers.pack([events.record(row)]))
            await producers.commit()
        assert turns == [0, 1, 0]
        await successors.start([house.topic])
        with pytest.raises(KafkaError):
            await producers.send(producers.pack([events.record(rows[0])]))
        assert producers.turn == 1
    finally:
        await producers.close()
        await successors.close()
    assert len(await read_events(kafka.bootstrap_servers, house.topic)) == 3


async def test_a_topic_made_anew_between_two_batches_ends_the_pair(house: House) -> None:
    await house.fill(streams=6, versions=2)
    rows = await Reader(house.engine).fetch(0, 12)
    producers = Producers(house.settings, house.service)
    try:
        await ensure_topics(house.settings, (house.aggregate,))
        await producers.start([house.topic])
        records = [house.publisher().events.record(row) for row in rows]
        for _ in range(2):
            await producers.send(producers.pack(records))
            await producers.commit()
        await delete_topic(house.settings.kafka_bootstrap_servers, house.topic)
        await ensure_topics(house.settings, (house.aggregate,))
        with pytest.raises((TopicReplacedError, KafkaError)):
            await producers.send(producers.pack(records))
    finally:
        await producers.close()


async def test_a_publisher_frozen_in_a_batch_and_superseded_adds_nothing_after_its_successor(
    kafka: EmbeddedKafka, house: House
) -> None:
    streams = await house.fill(streams=4, versions=1)
    await ensure_topics(house.settings, (house.aggregate,))
    reader, holder = Reader(house.engine), IDS.new()
    frozen = Producers(house.settings, house.service)
    try:
        # The old leader has claimed, started and sent its batch of first states, and freezes there.
        assert await reader.claim("kafka", holder, 0.2) is not None
        await frozen.start([house.topic])
        old = await reader.fetch(0, 10)
        await frozen.send(frozen.pack(map(house.publisher().events.record, old)))
        for stream in streams:
            await house.rename(stream, "newer")
        await house.seal()
        async with running(house.publisher()):
            await house.published()
            # It awakes, knows nothing, and goes on.
            with pytest.raises(KafkaError):
                await frozen.commit()
            with pytest.raises(LeadershipLostError):
                await reader.move("kafka", holder, 0, old[-1].position)
            with pytest.raises((KafkaError, AssertionError)):
                await frozen.send(frozen.pack(map(house.publisher().events.record, old)))
    finally:
        await frozen.close()
    records = await read_events(kafka.bootstrap_servers, house.topic)
    both = ["0001-0000000001", "0001-0000000002"]
    assert [sequences(records, stream) for stream in streams] == [both] * 4


async def test_one_of_two_publishers_leads_and_the_other_takes_over(
    kafka: EmbeddedKafka, house: House
) -> None:
    first, second = house.publisher(), house.publisher()
    async with running(first):
        await state_is(first, State.LEADING)
        async with running(second):
            stream = await house.make("one")
            await house.seal()
            await house.published()
            assert second.state is State.STANDBY
    async with running(second):
        await house.rename(stream, "two")
        await house.seal()
        await house.published()
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert sequences(records, stream) == ["0001-0000000001", "0001-0000000002"]


async def test_a_cursor_moved_by_another_hand_ends_the_term_and_the_batch_is_sent_again(
    kafka: EmbeddedKafka, house: House
) -> None:
    registry = CollectorRegistry()
    await house.fill(streams=1, versions=3)
    publisher = house.publisher(registry)
    async with running(publisher):
        await house.published()
        await house.sql("UPDATE reader SET position = 1")
        stream = await house.make("after")
        await house.seal()
        await house.published()
    kind = {"error": "LeadershipLostError"}
    assert registry.get_sample_value("frontline_publisher_failures_total", kind) == 1
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert set(sequences(records, stream)) == {"0001-0000000001"}


@pytest.mark.timeout(180)
async def test_a_broker_that_was_stopped_and_started_is_found_again(
    own_kafka: EmbeddedKafka, scratch_database: str
) -> None:
    async with house_on(own_kafka.bootstrap_servers, scratch_database, "steady") as house:
        (stream,) = await house.fill(streams=1, versions=1)
        publisher = house.publisher()
        async with running(publisher):
            await house.published()
            await asyncio.to_thread(own_kafka.kill)
            await house.rename(stream, "meanwhile")
            await house.seal()
            await until(lambda: publisher.trouble)
            await asyncio.to_thread(own_kafka.start)
            await house.published()
        records = await read_events(own_kafka.bootstrap_servers, house.topic)
        assert sequences(records, stream)[-1] == "0001-0000000002"


@pytest.mark.timeout(180)
async def test_a_publisher_whose_broker_is_away_stops_at_once(
    own_kafka: EmbeddedKafka, scratch_database: str
) -> None:
    async with house_on(own_kafka.bootstrap_servers, scratch_database, "leaving") as house:
        await house.fill(streams=1, versions=1)
        publisher = house.publisher()
        async with running(publisher):
            await house.published()
            await asyncio.to_thread(own_kafka.kill)
            await house.make("stays in the journal")
            await house.seal()
            await until(lambda: publisher.trouble)
        assert publisher.state is State.STANDBY
        assert await house.position() == 1
        rows = await fetch(house.engine, "SELECT holder FROM reader WHERE name = 'kafka'")
        assert rows[0]["holder"] is None


async def test_a_row_of_an_aggregate_that_is_not_declared_halts_with_a_sentence(
    house: House,
) -> None:
    await house.make("known")
    await house.sql(
        "INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor,"
        " correlation_id, data) SELECT gen_random_uuid(), 'novelty', gen_random_uuid(), 1, 1,"
        " 'x.novelty.made.v1', now(), 'a', 'c', '{}'"
    )
    await house.seal()
    publisher = house.publisher()
    async with running(publisher):
        await state_is(publisher, State.HALTED)
        assert "'novelty'" in publisher.trouble
    assert await house.position() == 0


async def test_metrics_count_events_batches_and_leadership(
    kafka: EmbeddedKafka, house: House
) -> None:
    registry = CollectorRegistry()
    await house.fill(streams=2, versions=5)
    publisher = house.publisher(registry, batch_rows=4)
    async with running(publisher):
        await house.published()
        await until(lambda: registry.get_sample_value("frontline_publisher_lag_positions") == 0)
        assert registry.get_sample_value("frontline_publisher_leading") == 1
    assert registry.get_sample_value("frontline_published_events_total") == 10
    assert (registry.get_sample_value("frontline_published_batches_total") or 0) >= 3
    assert registry.get_sample_value("frontline_publisher_leading") == 0
    assert registry.get_sample_value("frontline_publisher_halted") == 0
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert {header(record, "ce_source") for record in records} == {f"/{house.service}"}
