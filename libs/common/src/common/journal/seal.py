"""Sealing: giving journal rows their gap-free place in the feed and their link in the hash chain.

Rows commit in another order than they were inserted, so nobody can follow the journal by `entry`.
The sealer takes the rows that are visible and not yet sealed, in the order of `entry`, numbers
them, and notes where each stream's newest one lies. Whoever holds the lock on `journal_head` is the
sealer; another one finds nothing to do.

The row n+1 of a stream is written only after the row n was committed, and gets a higher `entry`; so
whoever sees n+1 sees n, and a scan of everything unsealed keeps each stream in order.

A row is inserted together with its note in `journal_unsealed`; sealing takes the note away. The
scan of those notes has a trap. While any old snapshot is open in the database (a dump, a frozen
client), index entries of rows sealed meanwhile cannot be cleared away, and every poll from the
beginning walks over all of them: milliseconds become hundreds. So the quick scan starts a little
below the highest entry sealed so far. A row far below, of a transaction that stayed open for long,
is found by the scan of everything that runs once a second; and a quick scan that meets a row whose
predecessor is still unsealed gives way to it, or the stream would be out of order.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import transaction
from common.db.faults import fault_of, said
from common.journal.canonical import COLUMNS, chained
from common.journal.wake import RECORDED, SEALED, Wake
from common.stopping import GrowingPause

if TYPE_CHECKING:
    from common.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 2000
CHUNK = 200
BATCH_BYTES = 16 * 1024 * 1024
FEW = 32
"""A smaller batch took all there was, however large its rows (so few never reach BATCH_BYTES).
Looking again at once would be in the way of who waits for it."""
POLL_SECONDS = 0.5
FULL_SCAN_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
WINDOW = 10_000
"""How far below the highest sealed entry the quick scan begins."""

# What is unsealed changes too fast for the planner's statistics: left alone it may read and sort a
# whole backlog for every batch. One plan does for every batch, so it is made once.
IN_INDEX_ORDER = (
    "enable_bitmapscan = off",
    "enable_hashjoin = off",
    "enable_mergejoin = off",
    "enable_seqscan = off",
    "enable_sort = off",
    "plan_cache_mode = force_generic_plan",
)

HEAD = "SELECT position, hash FROM journal_head FOR UPDATE SKIP LOCKED"

# As it is fetched: `data` is text here, and larger than it is stored.
WEIGHT = "(octet_length(data) + coalesce(octet_length(private), 0))"

# The first row always comes; the running weight keeps a batch of the largest rows out of memory.
UNSEALED = f"""
SELECT * FROM (
    SELECT page.*, sum({WEIGHT}) OVER (ORDER BY entry ROWS UNBOUNDED PRECEDING) - {WEIGHT} AS before
    FROM (
        SELECT {COLUMNS} FROM unsealed WHERE entry > $1 ORDER BY entry LIMIT $2
    ) page
) weighed WHERE before < $3 ORDER BY entry
"""  # noqa: S608 - made of constants
PREDECESSOR_UNSEALED = """
SELECT EXISTS (
    SELECT FROM unnest($1::uuid[], $2::integer[], $3::bigint[]) AS before (stream, epoch, version)
    CROSS JOIN LATERAL (
        SELECT entry FROM journal
        WHERE (stream, epoch, version) = (before.stream, before.epoch, before.version) LIMIT 1
    ) AS found
    WHERE NOT EXISTS (SELECT FROM journal_seal WHERE entry = found.entry)
)
"""
SEAL = """
WITH given AS (
    INSERT INTO journal_seal (position, entry, hash)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
)
DELETE FROM journal_unsealed WHERE entry = ANY ($2)
"""
MOVE_HEAD = """
WITH latest AS (
    INSERT INTO journal_latest (stream, stream_type, position)
    SELECT * FROM unnest($3::uuid[], $4::text[], $5::bigint[])
    ON CONFLICT (stream) DO UPDATE SET position = excluded.position
)
UPDATE journal_head SET position = $1, hash = $2, sealed_at = clock_timestamp()
"""

Row = Mapping[str, Any]


class Sealer:
    """Seals the journal of one database. Any number may run; one at a time works.

    `frozen_seconds`: how long a sealer that stops in the middle of a batch can hold the others up.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        wake: Wake,
        *,
        frozen_seconds: float = 5.0,
        window: int = WINDOW,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._engine = engine
        self._wake = wake
        self._let_go = f"idle_in_transaction_session_timeout = {int(frozen_seconds * 1000)}"
        self._window = window
        self._batch_bytes = batch_bytes
        self._highest = 0  # sealed by us; lower than the truth costs a longer scan, nothing else

    @classmethod
    def of(cls, runtime: "Runtime") -> "Sealer":
        """The sealer of a running service."""
        return cls(runtime.engine, runtime.wake)

    async def seal_batch(self, limit: int = BATCH, *, everything: bool = True) -> int:
        """Seal the next rows, at most `limit`, in one transaction. How many they were.

        0: nothing to seal, or another sealer is at work. `everything=False` scans only from a
        little below the highest entry sealed. Errors of the database pass through, and nothing is
        sealed then.
        """
        async with transaction(self._engine, self._let_go, *IN_INDEX_ORDER) as driver:
            head = await driver.fetchrow(HEAD)
            if head is None:
                return 0
            rows = await self._unsealed(driver, limit, everything)
            if not rows:
                return 0
            await _seal(driver, head["position"], head["hash"], rows)
        self._highest = max(self._highest, rows[-1]["entry"])
        self._wake.mark(SEALED)
        return len(rows)

    async def run(self, stop: asyncio.Event) -> None:
        """Seal whatever is recorded, within milliseconds, until `stop` is set."""
        watch = self._wake.watch(RECORDED)
        loop = asyncio.get_running_loop()
        last_full = float("-inf")
        pause = GrowingPause(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not stop.is_set():
            try:
                everything = loop.time() - last_full >= FULL_SCAN_SECONDS
                if everything:
                    last_full = loop.time()
                if await self.seal_batch(everything=everything) < FEW:
                    await watch.wait(POLL_SECONDS)
                pause.begin_anew()
            except Exception as error:
                if fault_of(error) is None:
                    log.exception("sealing_failed")
                else:
                    log.warning("sealing_interrupted", error=said(error))
                await pause.wait(stop)

    async def _unsealed(self, driver: Any, limit: int, everything: bool) -> Sequence[Row]:
        start = 0 if everything else max(0, self._highest - self._window)
        rows: Sequence[Row] = await driver.fetch(UNSEALED, start, limit, self._batch_bytes)
        if start and rows and await _follows_an_unsealed_row(driver, rows):
            rows = await driver.fetch(UNSEALED, 0, limit, self._batch_bytes)
        return rows


async def _seal(driver: Any, position: int, previous: bytes, rows: Sequence[Row]) -> None:
    """Number and hash `rows` after the head. The server writes a chunk while we hash the next."""
    writing: asyncio.Task[None] | None = None
    try:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            hashes: list[bytes] = []
            for row in chunk:
                previous = chained(previous, row)
                hashes.append(previous)
            if writing is not None:
                await writing
            first = position + start + 1
            writing = asyncio.create_task(_write(driver, chunk, first, hashes))
            await asyncio.sleep(0)  # let it go out before we hash on
        if writing is not None:
            await writing
    except BaseException:
        if writing is not None:
            writing.cancel()
            await asyncio.wait({writing})
        raise
    latest = {row["stream"]: (row["stream_type"], place) for place, row in enumerate(rows, 1)}
    await driver.execute(
        MOVE_HEAD,
        position + len(rows),
        previous,
        list(latest),
        [stream_type for stream_type, _ in latest.values()],
        [position + place for _, place in latest.values()],
    )


async def _write(driver: Any, rows: Sequence[Row], first: int, hashes: Sequence[bytes]) -> None:
    positions = list(range(first, first + len(rows)))
    done = await driver.execute(SEAL, positions, [row["entry"] for row in rows], hashes)
    if done != f"DELETE {len(rows)}":
        raise RuntimeError(f"{len(rows)} rows were to be sealed, not {done}")


async def _follows_an_unsealed_row(driver: Any, rows: Sequence[Row]) -> bool:
    """Whether some row's predecessor in its stream is neither sealed nor before it in `rows`.

    The first row of a later epoch follows whatever came before: only a scan of everything tells.
    """
    here = {(row["stream"], row["epoch"], row["version"]) for row in rows}
    if any(row["version"] == 1 and row["epoch"] > 1 for row in rows):
        return True
    before = [
        (stream, epoch, version - 1)
        for stream, epoch, version in here
        if version > 1 and (stream, epoch, version - 1) not in here
    ]
    if not before:
        return False
    streams, epochs, versions = zip(*before, strict=True)
    found: bool = await driver.fetchval(PREDECESSOR_UNSEALED, streams, epochs, versions)
    return found
