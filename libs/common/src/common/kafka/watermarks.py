"""Watermarks: small records that say how far a topic's partition has come.

Each stands in every partition under the key `~watermark` and says: whoever has processed me has
everything up to `position` here, and nothing recorded before `time` is missing. From it follow the
age of a mirror, decisions that fail closed, and the publisher's own check on start: a Kafka that is
ahead of its journal means that the database went back in time.

`time` is the moment of the look at the journal, unless rows are still waiting behind the watermark,
sealed or not: then it is the moment of the earliest of them. So a publisher that works off a
backlog, or a sealer that stands still, never makes a mirror look fresh.

After a restore, a watermark that is `whole` says that every stream there is was said again before
it: what a reader has of a lower epoch only was made after the backup, and the owner knows it no
more. And `born` tells one topic from another of the same name: offsets of an earlier one mean
nothing.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from common.aggregate import NAMESPACE, PARTITIONS
from common.journal.reader import SealedRow
from common.kafka.client import connection
from common.kafka.cloudevents import (
    CONTENT_TYPE,
    SPEC_VERSION,
    Record,
    UnreadableRecordError,
    as_headers,
    read,
    timestamp,
)
from common.settings import CommonSettings

KEY = b"~watermark"
"""No aggregate's key looks like this, and compaction keeps the newest one of each partition."""

FIRST_WINDOW = 500
"""Records read back from a partition's end at first; each further look goes four times as far."""

LATER = 1_000
"""Events behind a partition's watermark that are looked up in the journal, counted from the end."""

READ_SECONDS = 30.0

# One statement, so one snapshot: what it does not see was not committed when it looked. The rows of
# a restore bear the moment at which the epoch was raised, so one of them that waits holds it back.
LOOK = """
SELECT epoch, head, hash, complete_until,
       epoch = 1 OR coalesce(complete_until > raised_at, false) AS whole
FROM (
    SELECT epoch, raised_at,
           (SELECT position FROM journal_head) AS head,
           (SELECT hash FROM journal_seal WHERE position = $1) AS hash,
           least(
               statement_timestamp(),
               (SELECT min(occurred_at) FROM (
                   SELECT occurred_at FROM sealed WHERE position > $1 AND position <= $1 + 1000
               ) unsent),
               (SELECT min(occurred_at) FROM (
                   SELECT occurred_at FROM unsealed ORDER BY entry LIMIT 1000
               ) waiting)
           ) AS complete_until
    FROM journal_epoch
) looked
"""
STILL_HOLDS = """
SELECT ($1 = 0 OR EXISTS (
       SELECT FROM journal_seal WHERE position = $1 AND hash = decode($2, 'hex')))
   AND NOT EXISTS (
       SELECT FROM unnest($3::bigint[], $4::uuid[]) AS sent (position, id)
       WHERE NOT EXISTS (
           SELECT FROM sealed WHERE sealed.position = sent.position AND sealed.id = sent.id))
"""
UNKNOWN = """
SELECT event FROM unnest($1::uuid[]) AS event
WHERE NOT EXISTS (SELECT FROM journal WHERE journal.id = event)
LIMIT 1
"""
NO_HASH = bytes(32)


class HaltedError(Exception):
    """Publishing would do harm; the sentence says what was seen and what a person has to do."""


@dataclass(frozen=True)
class Watermark:
    """How far a partition has come: everything up to `position` of `epoch` is in it.

    `time` (UTC): nothing that was recorded before it is missing.

    `head_hash` is the journal's chain hash at `position`, in hexadecimal.

    `whole`: every stream of the journal was said under `epoch` before. `born` (UTC): when the
    publisher first found this topic empty; None where an older one did not say.
    """

    epoch: int
    position: int
    head_hash: str
    time: datetime
    whole: bool = False
    born: datetime | None = None

    def record(self, service: str, topic: str, partition: int) -> Record:
        """This watermark as the record for one partition of one of the service's topics."""
        value = {
            "epoch": self.epoch,
            "position": self.position,
            "head_hash": self.head_hash,
            "time": timestamp(self.time),
            "whole": self.whole,
            "born": None if self.born is None else timestamp(self.born),
        }
        attributes = {
            "specversion": SPEC_VERSION,
            "type": event_type(service),
            "source": f"/{service}",
            "id": f"{topic}/{partition}/{self.epoch}/{self.position}/{timestamp(self.time)}",
            "time": timestamp(self.time),
            "datacontenttype": CONTENT_TYPE,
        }
        body = json.dumps(value, separators=(",", ":")).encode()
        return Record(topic, KEY, body, as_headers(attributes))

    @classmethod
    def read(cls, value: bytes | None) -> "Watermark":
        """The watermark in a record's value. Raises UnreadableRecordError."""
        try:
            found = json.loads(value or b"")
            born = found.get("born")
            return cls(
                int(found["epoch"]),
                int(found["position"]),
                str(found["head_hash"]),
                _moment(found["time"]),
                whole=found.get("whole") is True,
                born=None if born is None else _moment(born),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UnreadableRecordError(f"not a watermark: {error!r}") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no timezone")
    return moment.astimezone(UTC)


@dataclass(frozen=True)
class Look:
    """What the journal said about a position: the watermark for it, and where its sealed end is."""

    watermark: Watermark
    head: int


def event_type(service: str) -> str:
    """`int.iom.registry.watermark.v1`"""
    return f"{NAMESPACE}.{service}.watermark.v1"


def is_watermark(key: bytes | None) -> bool:
    """Whether a record with this key is a watermark, not an event."""
    return key == KEY


async def look(driver: Any, position: int) -> Look:
    """The watermark for `position`, from one look at the journal on `driver` (asyncpg)."""
    row = await driver.fetchrow(LOOK, position)
    mark = Watermark(
        row["epoch"],
        position,
        (row["hash"] or NO_HASH).hex(),
        row["complete_until"],
        whole=row["whole"],
    )
    return Look(mark, row["head"])


async def still_holds(driver: Any, mark: Watermark, sent: Sequence[SealedRow]) -> bool:
    """Whether the journal still has what it had at `mark`, and the rows `sent` where they were."""
    return bool(
        await driver.fetchval(
            STILL_HOLDS,
            mark.position,
            mark.head_hash,
            [row.position for row in sent],
            [row.id for row in sent],
        )
    )


# --- the check on start -------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """The end of one partition: its newest watermark, and the events behind that, the last ones.

    `later` holds the id and the epoch of each, at most `LATER` of them.
    """

    watermark: Watermark | None
    later: tuple[tuple[UUID, int], ...] = ()


async def signs_of_a_restore(driver: Any, service: str, seen: Iterable[End]) -> str | None:
    """A sentence, when what Kafka holds tells of a journal that is not (any more) this one.

    The events behind the watermarks count too: a replica that took over may lack only the last
    moment. A raised epoch answers all that: what Kafka has of lower ones no longer matters.
    """
    ends = list(seen)
    row = await driver.fetchrow("SELECT epoch, head.position FROM journal_epoch, journal_head head")
    sign = await _sign(driver, ends, row["epoch"], row["position"])
    if sign is None:
        return None
    highest = max(_epochs(ends))
    option = f" --epoch {highest + 1}" if highest > row["epoch"] else ""
    return (
        f"Kafka holds events of {service} {sign}: the database was restored from a backup, or "
        f"failed over to a replica that lagged. Nothing is published, because versions would be "
        f"used twice. Run `python -m {service} journal restore{option}`; publishing then goes on "
        "by itself."
    )


def _epochs(ends: Iterable[End]) -> Iterator[int]:
    """Every epoch that Kafka has seen; all of them are used up."""
    for end in ends:
        if end.watermark is not None:
            yield end.watermark.epoch
        yield from (epoch for _, epoch in end.later)


async def _sign(driver: Any, ends: list[End], epoch: int, head: int) -> str | None:
    """What Kafka holds and the journal, which ends at `head` of `epoch`, does not."""
    marks = (end.watermark for end in ends if end.watermark is not None)
    newest = max(marks, key=lambda mark: (mark.epoch, mark.position), default=None)
    if newest is not None and newest.epoch >= epoch and newest.position > 0:
        upto = f"up to position {newest.position} of epoch {newest.epoch}, but this journal"
        if (newest.epoch, newest.position) > (epoch, head):
            return f"{upto} ends at position {head} of epoch {epoch}"
        found = await driver.fetchval(
            "SELECT hash FROM journal_seal WHERE position = $1", newest.position
        )
        if found is None or found.hex() != newest.head_hash:
            return f"{upto} has something else at that position"
    later = [event for end in ends for event, of_epoch in end.later if of_epoch >= epoch]
    lost = await driver.fetchval(UNKNOWN, later)
    return None if lost is None else f"(one is {lost}) that this journal does not have"


def births(ends: Mapping[TopicPartition, End], now: datetime) -> dict[str, datetime]:
    """When each topic of `ends` was born, by its own watermarks; `now` for one that has none."""
    found = {part.topic: now for part in ends}
    for part, end in ends.items():
        if end.watermark is not None and end.watermark.born is not None:
            found[part.topic] = end.watermark.born
    return found


async def ends_of(settings: CommonSettings, topics: Iterable[str]) -> dict[TopicPartition, End]:
    """The committed end of every partition of `topics`.

    Call it after the producers have started: that ends the transactions of their predecessors,
    which would hide the records behind them. Raises KafkaError, or TimeoutError after
    `READ_SECONDS`.
    """
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        **connection(settings, "frontline-watermarks"),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            return await _read_back(consumer, partitions)
    finally:
        await consumer.stop()


async def _read_back(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> dict[TopicPartition, End]:
    """Look at the end of every partition, then further back where no watermark was in sight."""
    consumer.assign(partitions)
    first = await consumer.beginning_offsets(partitions)
    # Under read_committed the end is the last stable offset; markers and aborted records may lie
    # before it.
    edge = await consumer.end_offsets(partitions)
    found = dict.fromkeys(partitions, End(None))
    window = FIRST_WINDOW
    while True:
        start = {
            part: max(first[part], edge[part] - window)
            for part in partitions
            if found[part].watermark is None and edge[part] > first[part]
        }
        if not start:
            return found
        for part, end in (await _read_window(consumer, start, edge)).items():
            later = (*end.later, *found[part].later)[-LATER:]
            found[part] = End(end.watermark, later)
        edge.update(start)
        window *= 4


async def _read_window(
    consumer: AIOKafkaConsumer,
    start: Mapping[TopicPartition, int],
    edge: Mapping[TopicPartition, int],
) -> dict[TopicPartition, End]:
    """The last watermark of each partition in [start, edge), and the events behind it."""
    consumer.assign(list(start))
    for part, offset in start.items():
        consumer.seek(part, offset)
    marks: dict[TopicPartition, Watermark] = {}
    later: dict[TopicPartition, deque[tuple[UUID, int]]] = {
        part: deque(maxlen=LATER) for part in start
    }
    left = set(start)
    while left:
        for part, records in (await consumer.getmany(*left, timeout_ms=200)).items():
            for record in records:
                if record.offset >= edge[part]:
                    break
                # What others have put here and we cannot read says nothing about our journal.
                with contextlib.suppress(UnreadableRecordError, ValueError):
                    if is_watermark(record.key):
                        marks[part] = Watermark.read(record.value)
                        later[part].clear()
                    else:
                        event = read(record)
                        later[part].append((UUID(event.id), event.sequence.epoch))
        # The position also passes what getmany never shows: markers, aborted and compacted records.
        left = {part for part in left if await consumer.position(part) < edge[part]}
    return {part: End(marks.get(part), tuple(later[part])) for part in start}
