"""Republication: the latest state of every stream once more, when Kafka has lost them.

A wiped or replaced cluster, or a topic that was made anew, gets what a compacted topic would hold:
one record per stream. The history stays in the journal and its HTTP feed. Consumers compare
sequences, so records that they have already do nothing.

Only the leader republishes, in its own transactions, and then follows the journal from the position
at which the pages began: whatever changed meanwhile is sent (again) in order, so that the last
record of every key is its newest, which is the one that compaction keeps.

What was erased is told twice. First by a *grave*: the `erased` event with its sequence and an empty
state, from which a mirror learns to forget and never to take an older record again. Then,
`GRAVE_DAYS` later, by a *tombstone*, a record without value, which lets compaction drop the key; it
carries the grave's headers and stays in the topic for another `delete.retention.ms`. A subscriber
may thus be away for the sum of both. Tombstones are sent by the leader once an hour (`bury`, a
reader with a cursor of its own that walks behind), and by republication right after a grave that is
old enough.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import Erased
from common.db.driver import borrowed
from common.journal.reader import Reader, SealedRow
from common.journal.restore import NO_STREAM
from common.kafka.cloudevents import CloudEvents, Record
from common.kafka.producers import Producers

log = structlog.get_logger(__name__)

PAGE_STREAMS = 500
PAGE_BYTES = 8 * 1024 * 1024
GRAVE_DAYS = 30
BURIAL_READER = "kafka-tombstones"
BURIAL_STEP = 5_000
"""Journal rows that one step of the burial looks at: a journal without graves is cheap to pass."""

# Walks the index on (stream, epoch, version) from stream to stream instead of reading every
# version; the running weight ends a page early, and its first row always comes.
LATEST = """
WITH RECURSIVE streams AS (
    (SELECT stream, 1 AS n FROM journal WHERE stream > $1 ORDER BY stream LIMIT 1)
    UNION ALL
    SELECT following.stream, streams.n + 1
    FROM streams CROSS JOIN LATERAL (
        SELECT stream FROM journal WHERE stream > streams.stream ORDER BY stream LIMIT 1
    ) following
    WHERE streams.n < $2
), latest AS (
    SELECT newest.*
    FROM streams CROSS JOIN LATERAL (
        SELECT position, id, stream_type, stream, epoch, version, type, occurred_at, traceparent,
               data::text AS data, clock_timestamp() - occurred_at AS age
        FROM journal JOIN journal_seal USING (entry)
        WHERE stream = streams.stream
        ORDER BY epoch DESC, version DESC
        LIMIT 1
    ) newest
), weighed AS (
    SELECT latest.*, sum(octet_length(data)) OVER (ORDER BY stream ROWS UNBOUNDED PRECEDING)
                     - octet_length(data) AS before
    FROM latest
)
SELECT weighed.*, (SELECT stream FROM streams ORDER BY n DESC LIMIT 1) AS last_stream,
       (SELECT count(*) FROM streams) AS streams,
       (SELECT count(*) FROM weighed) AS found
FROM (VALUES (1)) one LEFT JOIN weighed ON before < $3
ORDER BY stream
"""

PASSED = """
SELECT max(position) FROM (
    SELECT position, bool_or(clock_timestamp() - occurred_at < $2) OVER (ORDER BY position) AS young
    FROM sealed WHERE position > $1 AND position <= $1 + $3
) page WHERE NOT young
"""
GRAVES = """
SELECT position, id, stream_type, stream, epoch, version, type, occurred_at, traceparent,
       data::text AS data
FROM sealed grave
WHERE position > $1 AND position <= $2 AND type = ANY ($3)
  AND (SELECT entry FROM journal AS later WHERE later.stream = grave.stream
       AND (later.epoch, later.version) > (grave.epoch, grave.version) LIMIT 1) IS NULL
ORDER BY position
"""


async def republish(
    engine: AsyncEngine, events: CloudEvents, producers: Producers, topics: Iterable[str]
) -> int:
    """Send the latest state of every stream of `topics`, a transaction per page. Returns how many.

    Holds no transaction of the database open between pages. Errors of either server pass through.
    """
    wanted, sent = set(topics), 0
    async for page in _pages(engine):
        records = [
            record
            for row, age in page
            if events.topic(row.stream_type) in wanted
            for record in _told(events, row, age)
        ]
        if records:
            await producers.send(producers.pack(records))
            await producers.commit()
            sent += len(records)
    log.info("republished", topics=sorted(wanted), records=sent)
    return sent


async def bury(
    engine: AsyncEngine,
    reader: Reader,
    events: CloudEvents,
    producers: Producers,
    *,
    holder: UUID,
    lease_seconds: float,
) -> bool:
    """One step of sending the tombstones that are due. Whether a further step may find more.

    Raises LeadershipLostError when another holds or moved the cursor meanwhile.
    """
    cursor = await reader.claim(BURIAL_READER, holder, lease_seconds)
    if cursor is None:  # the lease of a predecessor that has not run out yet
        return False
    async with borrowed(engine) as driver:
        passed = await driver.fetchval(
            PASSED, cursor.position, timedelta(days=GRAVE_DAYS), BURIAL_STEP
        )
        if passed is None:
            return False
        graves = await driver.fetch(GRAVES, cursor.position, passed, events.types_of(Erased))
    if graves:
        await producers.send(
            producers.pack(events.tombstone(SealedRow.of(grave)) for grave in graves)
        )
        await producers.commit()
        log.info("tombstones_sent", number=len(graves))
    await reader.move(BURIAL_READER, holder, cursor.position, passed, lease_seconds=lease_seconds)
    return True


async def _pages(engine: AsyncEngine) -> AsyncIterator[list[tuple[SealedRow, timedelta]]]:
    """The newest sealed row of every stream with its age, page by page in the order of the ids."""
    after = NO_STREAM
    while True:
        async with borrowed(engine) as driver:
            found = await driver.fetch(LATEST, after, PAGE_STREAMS, PAGE_BYTES)
        page = [(SealedRow.of(row), row["age"]) for row in found if row["stream"] is not None]
        yield page
        if len(page) < found[0]["found"]:  # ended early by weight
            after = page[-1][0].stream
        elif found[0]["streams"] < PAGE_STREAMS:
            return
        else:
            after = found[0]["last_stream"]


def _told(events: CloudEvents, row: SealedRow, age: timedelta) -> Iterator[Record]:
    yield events.record(row)
    if events.is_erased(row) and age > timedelta(days=GRAVE_DAYS):
        yield events.tombstone(row)
