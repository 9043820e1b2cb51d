"""Following the sealed journal with a cursor of its own: the Kafka publisher, a webhook, an export.

The cursor lives in the table `reader`. A lease on it, measured by the database's clock, makes one
process its only holder at a time; and since a lease can run out under a process that is frozen,
every move compares: it happens only from the position and under the holder that the mover believes
in. What a reader does with the rows is its own affair.
"""

from collections.abc import Sequence as Several
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed
from common.sequence import Sequence

MAX_FETCH_BYTES = 16 * 1024 * 1024
"""What one fetch may weigh, so that a batch of the largest states does not fill the memory."""

# The running weight stops a page early; its first row always comes, whatever it weighs. Both ends
# of the page are given: from LIMIT alone a planner without statistics concludes that sorting all
# the rest is cheaper than the index.
FETCH = """
SELECT position, id, stream_type, stream, epoch, version, type, occurred_at, traceparent, data
FROM (
    SELECT page.*, sum(octet_length(data)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
                   - octet_length(data) AS before
    FROM (
        SELECT position, id, stream_type, stream, epoch, version, type, occurred_at, traceparent,
               data::text AS data
        FROM sealed
        WHERE position > $1 AND position <= $5 AND ($3::text[] IS NULL OR type = ANY ($3))
        ORDER BY position
        LIMIT $2
    ) page
) weighed
WHERE before < $4
ORDER BY position
"""

# An erased stream has one or, after a restore, several empty states behind its last real one.
LAST_STATES = """
SELECT given.stream, last.stream_type, last.data
FROM unnest($1::uuid[]) AS given (stream) CROSS JOIN LATERAL (
    SELECT stream_type, data::text AS data FROM journal
    WHERE stream = given.stream AND data -> stream_type <> '{}'
    ORDER BY epoch DESC, version DESC LIMIT 1
) AS last
"""

HEAD = """
SELECT epoch, head.position, hash, journal_epoch.position AS began
FROM journal_head AS head, journal_epoch
"""

CLAIM = """
INSERT INTO reader AS mine (name, holder, lease_until)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
    WHERE mine.holder IS NULL OR mine.holder = excluded.holder OR mine.lease_until IS NULL
       OR mine.lease_until < clock_timestamp()
RETURNING position, cluster_id
"""
RENEW = """
UPDATE reader SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND holder = $2
"""
MOVE = """
UPDATE reader SET position = $4, moved_at = clock_timestamp(),
                  lease_until = greatest(lease_until, clock_timestamp() + make_interval(secs => $5))
WHERE name = $1 AND holder = $2 AND position = $3
"""
RESET = """
UPDATE reader SET position = $3, cluster_id = $4, moved_at = clock_timestamp()
WHERE name = $1 AND holder = $2
"""
AGREE = """
UPDATE reader SET agreed_at = CASE WHEN $3 THEN clock_timestamp() END
WHERE name = $1 AND holder = $2
"""
RELEASE = "UPDATE reader SET holder = NULL, lease_until = NULL WHERE name = $1 AND holder = $2"


class LeadershipLostError(Exception):
    """Another process holds this cursor now, or moved it: stop, and read nothing more under it."""


class SealedRow(NamedTuple):
    """A sealed journal row, as far as it may leave. `data` is its JSON text; nothing private."""

    position: int
    id: UUID
    stream_type: str
    stream: UUID
    sequence: Sequence
    type: str
    occurred_at: datetime
    traceparent: str | None
    data: str

    @classmethod
    def of(cls, row: Any) -> "SealedRow":
        """From the driver's record of `FETCH`, or of a statement with the same names."""
        return cls(
            row["position"],
            row["id"],
            row["stream_type"],
            row["stream"],
            Sequence(row["epoch"], row["version"]),
            row["type"],
            row["occurred_at"],
            row["traceparent"],
            row["data"],
        )


@dataclass(frozen=True)
class Cursor:
    """Where a reader stands: everything up to `position` is done, in the Kafka cluster `cluster_id`
    (None: never said)."""

    position: int
    cluster_id: str | None


@dataclass(frozen=True)
class Head:
    """The end of the sealed journal. `began`: where it ended when its epoch was raised."""

    epoch: int
    position: int
    hash: bytes
    began: int = 0


class Reader:
    """Cursors and sealed rows of one service's database. Errors of the database pass through."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def claim(self, name: str, holder: UUID, lease_seconds: float) -> Cursor | None:
        """Become the holder of the cursor `name`, or extend one's lease. None: another holds it."""
        async with borrowed(self._engine) as driver:
            row = await driver.fetchrow(CLAIM, name, holder, lease_seconds)
        return None if row is None else Cursor(row["position"], row["cluster_id"])

    async def renew(self, name: str, holder: UUID, lease_seconds: float) -> None:
        """Extend the lease. Raises LeadershipLostError when another has taken over."""
        await self._change(name, RENEW, name, holder, lease_seconds)

    async def move(
        self, name: str, holder: UUID, start: int, to: int, *, lease_seconds: float = 0.0
    ) -> None:
        """Move the cursor from `start` to `to`, extending the lease to at least `lease_seconds`.

        Raises LeadershipLostError when it does not stand at `start` or `holder` does not hold it.
        """
        await self._change(name, MOVE, name, holder, start, to, lease_seconds)

    async def reset(self, name: str, holder: UUID, position: int, cluster_id: str) -> None:
        """Put the cursor at `position` for the cluster `cluster_id`: a new or an emptied one.

        Raises LeadershipLostError when `holder` does not hold it.
        """
        await self._change(name, RESET, name, holder, position, cluster_id)

    async def agree(self, name: str, holder: UUID, *, agreed: bool = True) -> None:
        """Note that the other side has nothing that this journal has not (or that it has).

        Raises LeadershipLostError when another has taken over.
        """
        await self._change(name, AGREE, name, holder, agreed)

    async def release(self, name: str, holder: UUID) -> None:
        """Let the cursor go, so that another need not wait for the lease to run out."""
        async with borrowed(self._engine) as driver:
            await driver.execute(RELEASE, name, holder)

    async def fetch(
        self,
        position: int,
        limit: int,
        *,
        types: Several[str] | None = None,
        until: int | None = None,
        max_bytes: int = MAX_FETCH_BYTES,
    ) -> list[SealedRow]:
        """At most `limit` sealed rows after `position`, in order, at most about `max_bytes` in all.

        The first row comes whatever it weighs. `until`: the last position to look at, `limit`
        further where none is given, for positions have no gaps. `types`: only these event types;
        then give it, since a rare type could be far.
        """
        if until is None:
            until = position + limit
        async with borrowed(self._engine) as driver:
            found = await driver.fetch(FETCH, position, limit, types, max_bytes, until)
        return [SealedRow.of(row) for row in found]

    async def last_states(self, streams: Several[UUID]) -> dict[UUID, str]:
        """The data, in JSON, of the newest row of each of `streams` that has a state."""
        async with borrowed(self._engine) as driver:
            found = await driver.fetch(LAST_STATES, streams)
        return {row["stream"]: row["data"] for row in found}

    async def head(self) -> Head:
        """Where the sealed journal ends now."""
        async with borrowed(self._engine) as driver:
            return await head_on(driver)

    async def _change(self, name: str, statement: str, *values: object) -> None:
        async with borrowed(self._engine) as driver:
            done = await driver.execute(statement, *values)
        if done != "UPDATE 1":
            raise LeadershipLostError(f"the cursor {name} is held or moved by another process")


async def head_on(driver: Any) -> Head:
    """Where the sealed journal ends now, asked on `driver`."""
    row = await driver.fetchrow(HEAD)
    return Head(row["epoch"], row["position"], row["hash"], row["began"])
