"""After a database went back in time: a new epoch, and every stream once more under it.

A backup was restored, or a replica that lagged took over. Versions that the lost database used
would be used again, and whoever saw the first use would skip the second: a suspension missed. So
the epoch rises, and every stream gets a row `restored` with its latest state as the first version
of the new epoch, which wins over everything published before. An operator runs it, by hand, once.

It cannot bring back what the lost database knew: what happened after the backup happened nowhere
now. Above all, erasures made after it must be made again.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import Aggregate, Erased, Restored
from common.clock import Clock
from common.db.driver import transaction
from common.ids import Ids
from common.sequence import Sequence

log = structlog.get_logger(__name__)

PAGE = 1000
STATEMENT_SECONDS = 900.0
LOCK_SECONDS = 60.0

RAISE_EPOCH = """
UPDATE journal_epoch SET epoch = coalesce($3::integer, epoch + 1), raised_at = $1, reason = $2,
                         position = (SELECT position FROM journal_head)
WHERE $3::integer IS NULL OR $3 > epoch
RETURNING epoch, position
"""
LATEST = """
SELECT DISTINCT ON (stream) stream, stream_type, type, epoch, version FROM journal
WHERE stream > $1 AND epoch < $2 ORDER BY stream, epoch DESC, version DESC LIMIT $3
"""
# The states never leave the server; only ids and names travel.
REPEAT = """
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor, reason,
                     correlation_id, data)
SELECT new.id, stream_type, stream, $1, 1, new.type, $2, $3, 'restored', $4,
       data || '{"change": {}}'
FROM unnest($5::uuid[], $6::uuid[], $7::integer[], $8::bigint[], $9::text[])
     AS new (id, stream, epoch, version, type)
JOIN journal USING (stream, epoch, version)
"""
SET_SEQUENCES = """
UPDATE "{table}" AS mine SET sequence = $1 FROM journal
WHERE journal.stream = mine.id AND journal.stream_type = $2 AND journal.epoch = $3
"""
RELEASE_READERS = "UPDATE reader SET holder = NULL, lease_until = NULL"
NO_STREAM = UUID(int=0)


class RestoreRefusedError(Exception):
    """The journal holds something that this program does not know, or the epoch would not be a new
    one; nothing was changed."""


@dataclass(frozen=True)
class RestoreReport:
    """The epoch begun, the position it began after, and how many streams of each aggregate were
    repeated (erased ones apart)."""

    epoch: int
    after_position: int
    streams: Mapping[str, int]
    erased: int


async def restore(
    engine: AsyncEngine,
    aggregates: Iterable[Aggregate],
    *,
    reason: str,
    actor: str,
    ids: Ids,
    clock: Clock,
    epoch: int | None = None,
) -> RestoreReport:
    """Begin a new epoch: all or nothing, in one transaction that keeps every writer out meanwhile.

    Writers that were under way finish before or run again under the new epoch. `reason` is for the
    operators and does not leave. `epoch`: the one to begin instead of the next, when that one is
    known outside already: a second restore, from a backup made before the first, would use it
    again. Raises RestoreRefusedError; errors of the database pass through.
    """
    known = {aggregate.name: aggregate for aggregate in aggregates}
    now = clock.now()
    async with transaction(
        engine,
        f"statement_timeout = '{int(STATEMENT_SECONDS)}s'",
        f"lock_timeout = '{int(LOCK_SECONDS)}s'",
        "enable_seqscan = off",  # the pages follow the index of streams
    ) as driver:
        # The aggregates first, as every writer does; then the journal, which shuts the rest out.
        tables = ", ".join(f'"{aggregate.table}"' for aggregate in known.values())
        await _execute(driver, f"LOCK TABLE {tables}, journal, journal_seal IN EXCLUSIVE MODE")
        raised = await driver.fetchrow(RAISE_EPOCH, now, reason, epoch)
        if raised is None:
            present = await driver.fetchval("SELECT epoch FROM journal_epoch")
            raise RestoreRefusedError(f"this journal is in epoch {present} already")
        epoch = raised["epoch"]
        row_facts = (epoch, now, actor, f"restore-{epoch}")
        counts = dict.fromkeys(known, 0)
        erased = 0
        async for row in _repeated(driver, known, ids, row_facts):
            if row["type"] == known[row["stream_type"]].event_type(Erased):
                erased += 1
            else:
                counts[row["stream_type"]] += 1
        first = str(Sequence(epoch, 1))
        for aggregate in known.values():
            statement = SET_SEQUENCES.format(table=aggregate.table)
            await _execute(driver, statement, first, aggregate.name, epoch)
        await _execute(driver, RELEASE_READERS)
    log.warning("journal_restored", epoch=epoch, streams=counts, erased=erased, reason=reason)
    return RestoreReport(epoch, raised["position"], counts, erased)


async def _repeated(
    driver: Any, known: Mapping[str, Aggregate], ids: Ids, facts: tuple[Any, ...]
) -> AsyncIterator[Mapping[str, Any]]:
    """Repeat every stream page by page, yielding the latest row that each had."""
    after = NO_STREAM
    while True:
        rows = await driver.fetch(LATEST, after, facts[0], PAGE, timeout=STATEMENT_SECONDS)
        if not rows:
            return
        after = rows[-1]["stream"]
        await _execute(
            driver,
            REPEAT,
            *facts,
            [ids.new() for _ in rows],
            [row["stream"] for row in rows],
            [row["epoch"] for row in rows],
            [row["version"] for row in rows],
            [_type_now(known, row) for row in rows],
        )
        for row in rows:
            yield row


def _type_now(known: Mapping[str, Aggregate], row: Mapping[str, Any]) -> str:
    """The type of the row's repetition. Raises RestoreRefusedError for an unknown aggregate."""
    aggregate = known.get(row["stream_type"])
    if aggregate is None:
        raise RestoreRefusedError(
            f"the journal holds {row['stream_type']} {row['stream']}, which this program does not "
            "declare; run the version that does"
        )
    erased = row["type"] == aggregate.event_type(Erased)
    return aggregate.event_type(Erased if erased else Restored)


async def _execute(driver: Any, statement: str, *values: Any) -> None:
    await driver.execute(statement, *values, timeout=STATEMENT_SECONDS)
