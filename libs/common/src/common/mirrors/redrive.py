"""Trying parked records again, by hand: after a correction of the program that could not read them.

A record that can be read now heals its mirror row, as if it had just come; one that is out of date
by now changes nothing. `dismiss` is for the records that no program will ever read and no row waits
for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed, transaction
from common.journal.wake import DUE
from common.mirrors.mirror import Mirror, Reaction
from common.mirrors.parking import ParkedRecord, closed
from common.mirrors.reading import Item, read_item
from common.mirrors.rows import absorb

if TYPE_CHECKING:
    from common.runtime import Runtime

PAGE = 100

log = structlog.get_logger(__name__)

_OPEN = """
SELECT cluster_id, topic, partition, "offset", key, headers, value, timestamp_ms, parked_at
FROM parked
WHERE resolved_at IS NULL AND topic = ANY($1::text[])
  AND (parked_at, cluster_id, topic, partition, "offset") > ($2, $3, $4, $5, $6)
ORDER BY parked_at, cluster_id, topic, partition, "offset" LIMIT $7
"""
_FIRST = ("", "", -1, -1)
_RESOLVE = """
UPDATE parked SET resolved_at = now(), resolution = $5, attempts = attempts + 1
WHERE cluster_id = $1 AND topic = $2 AND partition = $3 AND "offset" = $4 AND resolved_at IS NULL
"""
_DISMISS = """
UPDATE parked SET resolved_at = now(), resolution = 'dismissed', attempts = attempts + 1
WHERE topic = $1 AND partition = $2 AND "offset" = $3 AND resolved_at IS NULL AND id IS NULL
"""
_STILL_OPEN = """
SELECT topic, partition, "offset", id, error FROM parked WHERE resolved_at IS NULL
ORDER BY parked_at, cluster_id, topic, partition, "offset" LIMIT $1
"""
_LEAVE = """
UPDATE parked SET attempts = attempts + 1, error = $5
WHERE cluster_id = $1 AND topic = $2 AND partition = $3 AND "offset" = $4
"""
_SETTLE = """
UPDATE parked SET resolved_at = now(), resolution = 'superseded'
WHERE resolved_at IS NULL AND topic = $1 AND id = $2
"""


@dataclass(frozen=True)
class Redriven:
    """How many records were `tried`, how many of them are `healed`, and how many are `left`
    open.
    """

    tried: int
    healed: int
    left: int


async def redrive(runtime: "Runtime") -> Redriven:
    """Try every open parked record of the service's mirrors once, each in its own transaction."""
    service = runtime.service
    redriven = await redrive_on(runtime.engine, service.mirrors, service.reactions)
    if redriven.healed:
        runtime.wake.mark(DUE)
    return redriven


async def redrive_on(
    engine: AsyncEngine, mirrors: Sequence[Mirror], reactions: Sequence[Reaction]
) -> Redriven:
    """The same without a runtime; nobody is woken."""
    topics = sorted({mirror.topic for mirror in mirrors})
    async with borrowed(engine) as driver:
        start = await driver.fetchval("SELECT '-infinity'::timestamptz")
    after: tuple[Any, ...] = (start, *_FIRST)
    tried = healed = 0
    while True:
        async with borrowed(engine) as driver:
            page = await driver.fetch(_OPEN, topics, *after, PAGE)
        for row in page:
            tried += 1
            healed += await _try(engine, ParkedRecord.of(row), mirrors, reactions)
        if len(page) < PAGE:
            break
        last = page[-1]
        after = tuple(last[n] for n in ("parked_at", "cluster_id", "topic", "partition", "offset"))
    async with borrowed(engine) as driver:
        left = await driver.fetchval("SELECT count(*) FROM parked WHERE resolved_at IS NULL")
    return Redriven(tried, healed, left)


async def dismiss(runtime: "Runtime", topic: str, partition: int, offset: int) -> bool:
    """Give up one record for good, by the place where it lay; see `dismiss_on`."""
    async with borrowed(runtime.engine) as driver:
        return await dismiss_on(driver, topic, partition, offset)


async def dismiss_on(driver: Any, topic: str, partition: int, offset: int) -> bool:
    """Resolve the open record at this place whose key is no aggregate's id: no row waits for it.
    Whether there was one.

    A record that keeps a row closed cannot be dismissed; only a readable event opens the row. What
    was parked from an earlier cluster at the same place is dismissed with it.
    """
    status = await driver.execute(_DISMISS, topic, partition, offset)
    return bool(status != "UPDATE 0")


async def still_open(runtime: "Runtime", limit: int = PAGE) -> list[str]:
    """A line for each of the oldest open records: its place, what it keeps closed, and why."""
    async with borrowed(runtime.engine) as driver:
        rows = await driver.fetch(_STILL_OPEN, limit)
    return [_line(row) for row in rows]


def _line(row: Any) -> str:
    keeps = "closes no row" if row["id"] is None else f"keeps {row['id']} closed"
    return f"{row['topic']} {row['partition']} {row['offset']} {keeps}: {row['error']}"


async def _try(
    engine: AsyncEngine,
    record: ParkedRecord,
    mirrors: Sequence[Mirror],
    reactions: Sequence[Reaction],
) -> bool:
    """Read one record again. Whether it is resolved by that."""
    place = (record.cluster_id, record.topic, record.partition, record.offset)
    async with transaction(engine) as driver:
        absorbed = []
        for mirror in mirrors:
            if mirror.topic == record.topic:
                names = [reaction.name for reaction in reactions if reaction.mirror is mirror]
                item = read_item(record, mirror)
                absorbed.append(await absorb(driver, mirror, names, [item], careful=True))
        items: list[Item] = [item for each in absorbed for item in each.items]
        errors = [item.error for item in items if item.error is not None]
        if errors:
            await driver.execute(_LEAVE, *place, errors[0])
            return False
        if any(closed(item.id, absorbed) for item in items):
            # readable now, but a later record keeps the row closed
            await driver.execute(_LEAVE, *place, "waits for a later record that cannot be read")
            return False
        await driver.execute(_RESOLVE, *place, "redriven")
        for item in items:
            await driver.execute(_SETTLE, record.topic, item.id)
    log.info(
        "record_redriven", topic=record.topic, partition=record.partition, offset=record.offset
    )
    return True
