"""Walking the hash chain from its beginning and naming the first row that does not fit.

It finds a row that was edited, removed, put in between, kept from the sealer or sealed out of its
stream's order, by whomever. A chain that was rewritten as a whole fits itself; that is what a
checkpoint, signed and kept elsewhere, is for. It reads in short steps and holds nothing up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.journal.canonical import COLUMNS, GENESIS, UnknownHashVersionError, chained
from common.journal.checkpoint import Checkpoint

PAGE = 250
"""Rows a statement reads: at most some 90 MB if every row were as large as allowed."""

END = """
SELECT head.position, head.hash, epoch,
       (SELECT coalesce(max(position), 0) FROM journal_seal) AS last
FROM journal_head AS head, journal_epoch
"""
ROWS = f"""
SELECT page.*, before.epoch AS before_epoch, before.version AS before_version,
       before.position AS before_position
FROM (
    SELECT position, hash, {COLUMNS} FROM sealed
    WHERE position > $1 AND position <= $2
) AS page
LEFT JOIN LATERAL (
    SELECT epoch, version, position FROM journal LEFT JOIN journal_seal USING (entry)
    WHERE stream = page.stream AND (epoch, version) < (page.epoch, page.version)
    ORDER BY epoch DESC, version DESC LIMIT 1
) AS before ON true
ORDER BY page.position
"""  # noqa: S608 - made of constants
# Every row either waits for the sealer or has its place, and what waits is there. Asked of each row
# for itself: a join may read a whole table for every page.
STRAYED = """
SELECT entry, stream_type, stream, position FROM (
    SELECT entry, stream_type, stream,
           (SELECT position FROM journal_seal WHERE journal_seal.entry = journal.entry) AS position,
           (SELECT entry FROM journal_unsealed AS note WHERE note.entry = journal.entry) AS waiting
    FROM journal WHERE entry > $1 ORDER BY entry LIMIT $2
) AS page
WHERE (position IS NULL) = (waiting IS NULL)
ORDER BY entry LIMIT 1
"""
PAGE_END = """
SELECT max(entry) FROM (SELECT entry FROM journal WHERE entry > $1 ORDER BY entry LIMIT $2) AS page
"""
GONE = """
SELECT entry FROM journal_unsealed
WHERE (SELECT entry FROM journal WHERE journal.entry = journal_unsealed.entry) IS NULL
ORDER BY entry LIMIT 1
"""
ENTRIES = 5_000
"""Rows that one look for strayed ones goes through."""

HASH_AT = "SELECT hash FROM journal_seal WHERE position = $1"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class BrokenRow:
    """The first thing that does not fit. `entry`, `stream_type`, `stream`: None where no row is."""

    position: int
    what: str
    entry: int | None = None
    stream_type: str | None = None
    stream: UUID | None = None

    def __str__(self) -> str:
        about = "" if self.entry is None else f" (entry {self.entry}"
        about += "" if self.stream is None else f", {self.stream_type} {self.stream}"
        return f"position {self.position}{about and about + ')'}: {self.what}"


@dataclass(frozen=True)
class ChainReport:
    """What a walk found: `rows` that fit, the head it walked to, and the first that is `broken`."""

    rows: int
    epoch: int
    position: int
    hash: bytes
    broken: BrokenRow | None

    @property
    def holds(self) -> bool:
        return self.broken is None


async def verify_chain(
    driver: Any, from_position: int = 0, *, checkpoint: Checkpoint | None = None, page: int = PAGE
) -> ChainReport:
    """Walk the chain after `from_position` (taken as good) to the head as it stands now.

    `driver`: an asyncpg connection outside a transaction. `checkpoint`: the chain must pass through
    it, if it lies at or after `from_position`. Errors of the database pass through.
    """
    end = await driver.fetchrow(END)
    walk = _Walk(from_position, await _hash_at(driver, from_position), checkpoint)
    broken = walk.start()
    while broken is None and walk.position < end["position"]:
        until = min(walk.position + page, end["position"])
        rows = await driver.fetch(ROWS, walk.position, until)
        broken = walk.over(rows)
    if broken is None:
        broken = walk.finish(end["position"], end["hash"], end["last"])
    if broken is None:
        broken = await _strayed(driver, end["position"])
    return ChainReport(walk.rows, end["epoch"], end["position"], end["hash"], broken)


async def _hash_at(driver: Any, position: int) -> bytes | None:
    """The hash of the row at `position`; what stands before the first row at 0."""
    if position == 0:
        return GENESIS
    found: bytes | None = await driver.fetchval(HASH_AT, position)
    return found


async def _strayed(driver: Any, head: int) -> BrokenRow | None:
    """The first row that the sealer will never come to, or never get past. `head`: the chain's."""
    entry = await driver.fetchval(GONE)
    if entry is not None:
        return BrokenRow(head, "it waited for the sealer and is gone", entry)
    after: int | None = 0
    while after is not None:
        row = await driver.fetchrow(STRAYED, after, ENTRIES)
        if row is not None:
            what = "it waits for the sealer and has its place in the chain already"
            if row["position"] is None:
                what = "it waits for the sealer no more and has no place in the chain"
            position = row["position"] or head
            return BrokenRow(position, what, row["entry"], row["stream_type"], row["stream"])
        after = await driver.fetchval(PAGE_END, after, ENTRIES)
    return None


class _Walk:
    """Where the walk stands: `position`, the hash there, and how many rows fitted."""

    def __init__(self, position: int, hash_: bytes | None, checkpoint: Checkpoint | None) -> None:
        self.position = position
        self.rows = 0
        self._hash = hash_
        self._checkpoint = checkpoint

    def start(self) -> BrokenRow | None:
        if self._hash is None:
            return BrokenRow(self.position, "there is no row here to start from")
        return self._passes_checkpoint(None)

    def over(self, rows: Sequence[Row]) -> BrokenRow | None:
        """Take the following rows; the first that does not fit, if any."""
        if not rows:
            return BrokenRow(self.position + 1, "the row is missing")
        for row in rows:
            broken = self._step(row)
            if broken is not None:
                return broken
        return None

    def finish(self, head: int, head_hash: bytes, last: int) -> BrokenRow | None:
        if self._hash != head_hash:
            return BrokenRow(head, "the head's hash is not this row's")
        if last > head:
            return BrokenRow(last, f"the row stands beyond the head, which is at {head}")
        if self._checkpoint is not None and self._checkpoint.position > head:
            return BrokenRow(
                self._checkpoint.position,
                f"the chain ends at {head}, before the checkpoint of {self._checkpoint.at}",
            )
        return None

    def _step(self, row: Row) -> BrokenRow | None:
        if row["position"] != self.position + 1:
            return BrokenRow(self.position + 1, "the row is missing")
        assert self._hash is not None
        try:
            fits = chained(self._hash, row) == row["hash"]
        except UnknownHashVersionError as error:
            return _broken(row, f"{error} is unknown to this program")
        if not fits:
            return _broken(row, "its contents, or what stands before it, do not give its hash")
        misplaced = _misplaced(row)
        if misplaced is not None:
            return _broken(row, misplaced)
        self.position, self._hash = row["position"], row["hash"]
        self.rows += 1
        return self._passes_checkpoint(row)

    def _passes_checkpoint(self, row: Row | None) -> BrokenRow | None:
        checkpoint = self._checkpoint
        if checkpoint is None or checkpoint.position != self.position:
            return None
        if checkpoint.hash == self._hash:
            return None
        what = f"its hash is not the one in the checkpoint of {checkpoint.at}"
        return BrokenRow(self.position, what) if row is None else _broken(row, what)


def _misplaced(row: Row) -> str | None:
    """What is wrong with the row's place in its stream, or None."""
    now = f"version {row['version']} of epoch {row['epoch']}"
    if row["before_version"] is None:
        return None if row["version"] == 1 else f"{now} has no version before it"
    before = f"version {row['before_version']} of epoch {row['before_epoch']}"
    follows = row["before_version"] + 1 if row["before_epoch"] == row["epoch"] else 1
    if row["version"] != follows:
        return f"{now} follows {before}: versions between them are missing"
    if row["before_position"] is None or row["before_position"] > row["position"]:
        return f"{now} was sealed before {before}"
    return None


def _broken(row: Row, what: str) -> BrokenRow:
    return BrokenRow(row["position"], what, row["entry"], row["stream_type"], row["stream"])
