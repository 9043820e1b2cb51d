"""Watermarks: small records that say how far a topic's partition has come.

Each stands in every partition under the key `~watermark` and says: whoever has processed me has
everything up to `position` here, and nothing recorded before `time` is missing. From it follow the
age of a mirror, decisions that fail closed, and the publisher's own check on start: a Kafka that is
ahead of its journal means that the database went back in time.

`time` is the moment of the look at the journal, unless rows are still waiting behind the watermark,
sealed or not: then it is the moment of the earliest of them. So a publisher that works off a
backlog, or a sealer that stands still, never makes a mirror look fresh.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from common.aggregate import NAMESPACE, PARTITIONS
from common.kafka.client import connection
from common.kafka.cloudevents import (
    CONTENT_TYPE,
    SPEC_VERSION,
    Record,
    UnreadableRecordError,
    as_headers,
    timestamp,
)
from common.settings import CommonSettings

KEY = b"~watermark"
"""No aggregate's key looks like this, and compaction keeps the newest one of each partition."""

FIRST_WINDOW = 500
"""Records read back from a partition's end at first; each further look goes four times as far."""

READ_SECONDS = 30.0

# One statement, so one snapshot: what it does not see was not committed when it looked.
LOOK = """
SELECT (SELECT epoch FROM journal_epoch) AS epoch,
       (SELECT position FROM journal_head) AS head,
       (SELECT hash FROM journal WHERE position = $1) AS hash,
       least(
           statement_timestamp(),
           (SELECT min(occurred_at) FROM (
               SELECT occurred_at FROM journal WHERE position > $1 ORDER BY position LIMIT 1000
           ) sealed),
           (SELECT min(occurred_at) FROM (
               SELECT occurred_at FROM journal WHERE position IS NULL ORDER BY entry LIMIT 1000
           ) unsealed)
       ) AS complete_until
"""
NO_HASH = bytes(32)


class HaltedError(Exception):
    """Publishing would do harm; the sentence says what was seen and what a person has to do."""


@dataclass(frozen=True)
class Watermark:
    """How far a partition has come: everything up to `position` of `epoch` is in it.

    `time` (UTC): nothing that was recorded before it is missing.

    `head_hash` is the journal's chain hash at `position`, in hexadecimal.
    """

    epoch: int
    position: int
    head_hash: str
    time: datetime

    def record(self, service: str, topic: str, partition: int) -> Record:
        """This watermark as the record for one partition of one of the service's topics."""
        value = {
            "epoch": self.epoch,
            "position": self.position,
            "head_hash": self.head_hash,
            "time": timestamp(self.time),
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
            moment = datetime.fromisoformat(found["time"])
            if moment.tzinfo is None:
                raise ValueError("its time has no timezone")
            return cls(int(found["epoch"]), int(found["position"]), str(found["head_hash"]), moment)
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableRecordError(f"not a watermark: {error!r}") from error


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
    mark = Watermark(row["epoch"], position, (row["hash"] or NO_HASH).hex(), row["complete_until"])
    return Look(mark, row["head"])


# --- the check on start -------------------------------------------------------------------------


async def signs_of_a_restore(
    driver: Any, service: str, seen: Iterable[Watermark | None]
) -> str | None:
    """A sentence, when Kafka's watermarks tell of a journal that is not (any more) this one.

    A raised epoch is the answer to exactly that: what Kafka says of lower ones no longer matters.
    """
    row = await driver.fetchrow("SELECT epoch, head.position FROM journal_epoch, journal_head head")
    epoch, head = row["epoch"], row["position"]
    marks = (mark for mark in seen if mark is not None)
    latest = max(marks, key=lambda mark: (mark.epoch, mark.position), default=None)
    if latest is None or latest.epoch < epoch or (latest.epoch == epoch and latest.position == 0):
        return None
    found = await driver.fetchval("SELECT hash FROM journal WHERE position = $1", latest.position)
    if latest.epoch > epoch or latest.position > head:
        here = f"but this journal ends at position {head} of epoch {epoch}"
    elif found is None or found.hex() != latest.head_hash:
        here = "but this journal holds something else at that position"
    else:
        return None
    return (
        f"Kafka has events of {service} up to position {latest.position} of epoch {latest.epoch}, "
        f"{here}: the database was restored from a backup, or failed over to a replica that "
        f"lagged. Nothing is published, because versions would be used twice. Run "
        f"`python -m {service} journal restore`; publishing then goes on by itself."
    )


async def newest(
    settings: CommonSettings, topics: Iterable[str]
) -> dict[TopicPartition, Watermark | None]:
    """The newest committed watermark of every partition of `topics`; None where there is none.

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
) -> dict[TopicPartition, Watermark | None]:
    """Look at the end of every partition, then further back where no watermark was in sight."""
    consumer.assign(partitions)
    first = await consumer.beginning_offsets(partitions)
    # Under read_committed the end is the last stable offset; it may lie behind markers and aborted
    # records.
    end = await consumer.end_offsets(partitions)
    found: dict[TopicPartition, Watermark | None] = dict.fromkeys(partitions)
    window = FIRST_WINDOW
    while True:
        pending = {part for part in partitions if found[part] is None and end[part] > first[part]}
        if not pending:
            return found
        start = {part: max(first[part], end[part] - window) for part in pending}
        found.update(await _read_window(consumer, start, end))
        end.update(start)
        window *= 4


async def _read_window(
    consumer: AIOKafkaConsumer,
    start: Mapping[TopicPartition, int],
    end: Mapping[TopicPartition, int],
) -> dict[TopicPartition, Watermark | None]:
    """The last watermark of each partition in [start, end)."""
    consumer.assign(list(start))
    for part, offset in start.items():
        consumer.seek(part, offset)
    found: dict[TopicPartition, Watermark | None] = dict.fromkeys(start)
    left = set(start)
    while left:
        for part, records in (await consumer.getmany(*left, timeout_ms=200)).items():
            for record in records:
                if is_watermark(record.key) and record.offset < end[part]:
                    found[part] = _tolerant(record.value) or found[part]
        # The position also passes what getmany never shows: markers, aborted and compacted records.
        left = {part for part in left if await consumer.position(part) < end[part]}
    return found


def _tolerant(value: bytes | None) -> Watermark | None:
    try:
        return Watermark.read(value)
    except UnreadableRecordError:
        return None
