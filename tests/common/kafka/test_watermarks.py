"""Watermarks: what they tell a reader, and what they tell the publisher about its own journal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.aggregate import PARTITIONS, Restored
from common.db.driver import borrowed
from common.journal.reader import Reader
from common.kafka.cloudevents import Record, UnreadableRecordError
from common.kafka.embedded import EmbeddedKafka
from common.kafka.producers import Producers
from common.kafka.publisher import State
from common.kafka.topics import ensure_topics
from common.kafka.watermarks import KEY, Watermark, ends_of, look, still_holds
from common.sequence import Sequence
from journal_kit import NOON, fetch
from kafka_kit import (
    House,
    header,
    read_events,
    read_topic,
    read_watermarks,
    running,
    sequences,
    state_is,
    until,
)

MARK = Watermark(1, 7, "ab" * 32, datetime(2026, 3, 1, 12, tzinfo=UTC))


async def _marks_at(kafka: EmbeddedKafka, house: House, position: int) -> list[dict[str, object]]:
    """The newest watermark of every partition, once all of them tell `position`."""
    found: dict[int, dict[str, object]] = {}

    async def there() -> bool:
        for record in await read_watermarks(kafka.bootstrap_servers, house.topic):
            found[record.partition] = json.loads(record.value)
        return [mark["position"] for mark in found.values()] == [position] * PARTITIONS

    await until(there)
    return list(found.values())


async def test_every_partition_tells_position_epoch_and_hash_of_the_journals_end(
    kafka: EmbeddedKafka, house: House
) -> None:
    await house.fill(streams=3, versions=2)
    async with running(house.publisher()):
        marks = await _marks_at(kafka, house, 6)
    head = (await fetch(house.engine, "SELECT hash FROM journal_head"))[0]["hash"].hex()
    assert [(mark["epoch"], mark["head_hash"]) for mark in marks] == [(1, head)] * PARTITIONS


async def test_a_watermark_lies_behind_every_event_that_it_speaks_of(
    kafka: EmbeddedKafka, house: House
) -> None:
    await house.fill(streams=6, versions=5)
    async with running(house.publisher(batch_rows=4)):
        await _marks_at(kafka, house, 30)
    positions = {
        str(row["id"]): row["position"]
        for row in await fetch(house.engine, "SELECT id, position FROM sealed")
    }
    promised = dict.fromkeys(range(PARTITIONS), 0)
    for record in await read_topic(kafka.bootstrap_servers, house.topic):
        if record.key == KEY:
            promised[record.partition] = json.loads(record.value)["position"]
        else:
            assert positions[header(record, "ce_id")] > promised[record.partition]


async def test_an_empty_service_says_that_there_is_nothing(
    kafka: EmbeddedKafka, house: House
) -> None:
    async with running(house.publisher()):
        marks = await _marks_at(kafka, house, 0)
    assert {mark["head_hash"] for mark in marks} == {"00" * 32}


async def test_a_watermark_names_its_type_and_source(kafka: EmbeddedKafka, house: House) -> None:
    async with running(house.publisher()):
        await _marks_at(kafka, house, 0)
    record = (await read_watermarks(kafka.bootstrap_servers, house.topic))[0]
    assert header(record, "ce_type") == f"int.iom.{house.service}.watermark.v1"
    assert header(record, "ce_source") == f"/{house.service}"


async def test_without_changes_watermarks_keep_coming(kafka: EmbeddedKafka, house: House) -> None:
    async def times() -> set[object]:
        records = await read_watermarks(kafka.bootstrap_servers, house.topic)
        return {json.loads(record.value)["time"] for record in records}

    async with running(house.publisher()):
        await _marks_at(kafka, house, 0)

        async def three() -> bool:
            return len(await times()) >= 3

        await until(three)


async def test_rows_that_wait_to_be_sealed_hold_the_time_back(house: House) -> None:
    await house.make("recorded at noon, and the sealer stands still")
    async with borrowed(house.engine) as driver:
        seen = await look(driver, 0)
    assert seen.watermark.time == NOON


async def test_rows_that_wait_to_be_published_hold_the_time_back(house: House) -> None:
    await house.fill(streams=2, versions=1)
    async with borrowed(house.engine) as driver:
        assert (await look(driver, 1)).watermark.time == NOON
        assert (await look(driver, 2)).watermark.time > NOON


async def test_the_lag_counts_the_sealed_rows_behind(house: House) -> None:
    await house.fill(streams=5, versions=1)
    async with borrowed(house.engine) as driver:
        assert (await look(driver, 2)).head == 5


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"epoch":1,"position":2,"head_hash":"","time":"2026-03-01T12:00:00"}',
        b'{"epoch":"one","position":2,"head_hash":"","time":"2026-03-01T12:00:00Z"}',
    ],
)
def test_what_is_no_watermark_is_refused(value: bytes | None) -> None:
    with pytest.raises(UnreadableRecordError, match="not a watermark"):
        Watermark.read(value)


@pytest.mark.parametrize("more", [{}, {"whole": True}, {"born": MARK.time}])
def test_a_watermark_is_read_as_it_was_written(more: dict[str, Any]) -> None:
    mark = replace(MARK, **more)
    assert Watermark.read(mark.record("test", "test.thing.v1", 0).value) == mark


def test_a_watermark_of_an_older_publisher_promises_less() -> None:
    value = b'{"epoch":1,"position":2,"head_hash":"","time":"2026-03-01T12:00:00Z"}'
    assert (Watermark.read(value).whole, Watermark.read(value).born) == (False, None)


# --- reading them back --------------------------------------------------------------------------


async def test_the_newest_watermark_is_found_far_behind_the_end_of_its_partition(
    house: House,
) -> None:
    async with _producers(house) as producers:
        marks = [(n, MARK.record(house.service, house.topic, n)) for n in range(PARTITIONS)]
        await producers.send(producers.pack([], marks))
        await producers.commit()
        many = [Record(house.topic, b"same key", b"x", [])] * 3_000
        await producers.send(producers.pack(many))
        await producers.commit()
        found = await ends_of(house.settings, [house.topic])
    assert [end.watermark for end in found.values()] == [MARK] * PARTITIONS


async def test_a_partition_without_a_watermark_says_none(house: House) -> None:
    async with _producers(house) as producers:
        await producers.send(producers.pack([Record(house.topic, b"key", b"x", [])]))
        await producers.commit()
        found = await ends_of(house.settings, [house.topic])
    assert [end.watermark for end in found.values()] == [None] * PARTITIONS


async def test_an_aborted_watermark_does_not_count(house: House) -> None:
    later = Watermark(1, 9, "cd" * 32, MARK.time)
    async with _producers(house) as producers:
        for mark in (MARK, later):
            marks = [(n, mark.record(house.service, house.topic, n)) for n in range(PARTITIONS)]
            await producers.send(producers.pack([], marks))
            if mark is MARK:
                await producers.commit()
    async with _producers(house):  # its start aborts what the others left open
        found = await ends_of(house.settings, [house.topic])
    assert [end.watermark for end in found.values()] == [MARK] * PARTITIONS


@asynccontextmanager
async def _producers(house: House) -> AsyncIterator[Producers]:
    """Started producers of the house, with its topic made."""
    await ensure_topics(house.settings, (house.aggregate,))
    producers = Producers(house.settings, house.service)
    try:
        await producers.start([house.topic])
        yield producers
    finally:
        await producers.close()


# --- a database that went back in time ----------------------------------------------------------

RESTORE = """
SET session_replication_role = replica;
DELETE FROM journal_seal WHERE position > {0};
DELETE FROM journal_unsealed;
DELETE FROM journal WHERE entry NOT IN (SELECT entry FROM journal_seal);
UPDATE journal_head SET position = {0}, hash = (SELECT hash FROM sealed WHERE position = {0});
DELETE FROM journal_latest;
INSERT INTO journal_latest
    SELECT stream, stream_type, max(position) FROM sealed GROUP BY stream, stream_type;
UPDATE reader SET position = {0};
RESET session_replication_role;
"""


async def _published_then_restored(kafka: EmbeddedKafka, house: House) -> None:
    """Five published things, of which the database remembers three."""
    await house.fill(streams=5, versions=1)
    async with running(house.publisher()):
        await _marks_at(kafka, house, 5)
    await house.sql(RESTORE.format(3))


async def test_a_journal_behind_kafka_halts_and_says_what_to_do(
    kafka: EmbeddedKafka, house: House
) -> None:
    await _published_then_restored(kafka, house)
    registry = CollectorRegistry()
    publisher = house.publisher(registry)
    async with running(publisher):
        await state_is(publisher, State.HALTED)
        assert "up to position 5 of epoch 1" in publisher.trouble
        assert "ends at position 3 of epoch 1" in publisher.trouble
        assert f"python -m {house.service} journal restore" in publisher.trouble
        assert registry.get_sample_value("frontline_publisher_halted") == 1
    assert len(await read_events(kafka.bootstrap_servers, house.topic)) == 5


async def test_a_journal_with_another_row_at_kafkas_position_halts(
    kafka: EmbeddedKafka, house: House
) -> None:
    await _published_then_restored(kafka, house)
    await house.fill(streams=3, versions=1)  # other rows now have the positions 4 to 6
    publisher = house.publisher()
    async with running(publisher):
        await state_is(publisher, State.HALTED)
        assert "has something else at that position" in publisher.trouble
    assert len(await read_events(kafka.bootstrap_servers, house.topic)) == 5


async def test_an_event_behind_the_last_watermark_that_the_journal_lacks_halts(
    house: House, kafka: EmbeddedKafka
) -> None:
    """A replica that lagged by a moment: the watermark of that moment was never written."""
    await house.fill(streams=3, versions=1)
    async with running(house.publisher()):
        await _marks_at(kafka, house, 3)
    await house.fill(streams=1, versions=1)
    (row,) = await Reader(house.engine).fetch(3, 1)
    async with _producers(house) as producers:
        await producers.send(producers.pack([house.publisher().events.record(row)]))
        await producers.commit()
    await house.sql(RESTORE.format(3))
    publisher = house.publisher()
    async with running(publisher):
        await state_is(publisher, State.HALTED)
        assert f"(one is {row.id}) that this journal does not have" in publisher.trouble


UNDER_IT = {
    "the journal is shorter": (RESTORE.format(3), "ends at position 3 of epoch 1"),
    "another row has the last position": (
        "SET session_replication_role = replica;"
        " UPDATE journal SET id = gen_random_uuid()"
        " WHERE entry = (SELECT entry FROM journal_seal WHERE position = 5);"
        " UPDATE journal_seal SET hash = sha256('x') WHERE position = 5;"
        " RESET session_replication_role",
        "has something else at that position",
    ),
}


@pytest.mark.parametrize("what", UNDER_IT)
async def test_a_replica_that_takes_over_under_a_leading_publisher_halts_it(
    kafka: EmbeddedKafka, house: House, what: str
) -> None:
    """Its lease is on the replica too, so nothing but the journal tells of the change."""
    await house.fill(streams=5, versions=1)
    change, sign = UNDER_IT[what]
    publisher = house.publisher()
    async with running(publisher):
        await _marks_at(kafka, house, 5)
        await house.sql(change)
        await state_is(publisher, State.HALTED)
        assert sign in publisher.trouble


async def test_a_raised_epoch_begins_another_term(kafka: EmbeddedKafka, house: House) -> None:
    await house.fill(streams=2, versions=1)
    registry = CollectorRegistry()
    kind = {"error": "LeadershipLostError"}
    async with running(house.publisher(registry)):
        await _marks_at(kafka, house, 2)
        await house.sql("UPDATE journal_epoch SET epoch = 2")
        await until(
            lambda: registry.get_sample_value("frontline_publisher_failures_total", kind) == 1
        )


async def test_a_row_that_was_sent_and_has_another_ones_place_now_is_noticed(house: House) -> None:
    """Between two watermarks as well: what was sent behind the last one is looked for by its id."""
    await house.fill(streams=4, versions=1)
    rows = await Reader(house.engine).fetch(0, 10)
    strange = rows[2]._replace(id=rows[3].id)
    async with borrowed(house.engine) as driver:
        mark = (await look(driver, 2)).watermark
        assert await still_holds(driver, mark, rows[2:])
        assert not await still_holds(driver, mark, [strange])
        assert not await still_holds(driver, mark, [rows[3]._replace(position=9)])
        assert not await still_holds(driver, replace(mark, head_hash="ab" * 32), [])
        assert await still_holds(driver, replace(mark, position=0, head_hash=""), [])


async def test_a_watermark_is_whole_once_every_stream_was_said_again(house: House) -> None:
    (stream,) = await house.fill(streams=1, versions=1)
    async with borrowed(house.engine) as driver:
        assert (await look(driver, 1)).watermark.whole
        await driver.execute("UPDATE journal_epoch SET epoch = 2, raised_at = $1", NOON)
        house.units = house.fresh_units()
        await house.record(stream, Restored(), "as it is now")
        assert not (await look(driver, 1)).watermark.whole
        await house.seal()
        assert not (await look(driver, 1)).watermark.whole
        assert (await look(driver, 2)).watermark.whole


async def test_after_the_epoch_was_raised_publishing_goes_on_by_itself(
    kafka: EmbeddedKafka, house: House
) -> None:
    await _published_then_restored(kafka, house)
    publisher = house.publisher()
    async with running(publisher):
        await state_is(publisher, State.HALTED)
        await house.sql("UPDATE journal_epoch SET epoch = 2")
        row = (await fetch(house.engine, "SELECT stream FROM sealed WHERE position = 1"))[0]
        house.sequences[row["stream"]] = Sequence(1, 1)
        house.units = house.fresh_units()
        await house.record(row["stream"], Restored(), "as it is now")
        await house.seal()
        await house.published()
        marks = await _marks_at(kafka, house, 4)
    assert {mark["epoch"] for mark in marks} == {2}
    records = await read_events(kafka.bootstrap_servers, house.topic)
    assert sequences(records, row["stream"]) == ["0001-0000000001", "0002-0000000001"]


async def test_a_publisher_that_only_fell_behind_is_not_taken_for_a_restored_one(
    kafka: EmbeddedKafka, house: House
) -> None:
    await house.fill(streams=5, versions=1)
    async with running(house.publisher()):
        await _marks_at(kafka, house, 5)
    # The commit returned, the process died, the cursor stayed.
    await house.sql("UPDATE reader SET position = 2")
    publisher = house.publisher()
    async with running(publisher):
        await house.published()
        assert publisher.state is State.LEADING
