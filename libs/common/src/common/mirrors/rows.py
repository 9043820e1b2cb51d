"""Writing the rows of one mirror, many at a time, and what becomes due by it.

Rows are locked in the order of their ids before anything is decided: commands hold some of them
`FOR SHARE`. Three statements, whatever the number of records. What changed is compared here and not
in SQL: joins of such lists are planned blindly, and came out a hundred times slower.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from asyncpg import DataError, IntegrityConstraintViolationError
from asyncpg.exceptions import ProgramLimitExceededError

from common.db.faults import said
from common.mirrors.fold import Row, fold
from common.mirrors.mirror import Mirror
from common.mirrors.reading import Item, unreadable

_COMMON = frozenset({"id", "sequence", "readable", "gone", "seen_at"})

REFUSED = (DataError, IntegrityConstraintViolationError, ProgramLimitExceededError)
"""What the database raises because of what is in a row, and would raise again."""


_DUE = """
INSERT INTO reaction_due AS due (reaction, id, causation_id, traceparent)
SELECT reaction, cause.id, cause.event_id, cause.traceparent
FROM unnest($1::text[]) AS reaction,
     unnest($2::uuid[], $3::text[], $4::text[]) AS cause (id, event_id, traceparent)
ORDER BY reaction, cause.id
ON CONFLICT (reaction, id) DO UPDATE SET generation = due.generation + 1,
    not_before = now(), waiting = false, attempts = 0, error = NULL,
    causation_id = excluded.causation_id, traceparent = excluded.traceparent
"""


@dataclass(frozen=True)
class Statements:
    """The statements of one mirror. `facts` writes whole rows, `mark` leaves the facts alone; like
    `lock` they give what matters of each row: what makes reactions due when it changes."""

    lock: str
    facts: str
    mark: str


@dataclass(frozen=True)
class Absorbed:
    """What became of a batch for one mirror. `items`: all of them, as they turned out (the database
    may have refused some). `rows`: every row they concern, afterwards."""

    mirror: Mirror
    items: Sequence[Item]
    rows: dict[UUID, Row]
    opened: frozenset[UUID]
    written: int
    due: int


async def absorb(
    driver: Any, mirror: Mirror, reactions: Sequence[str], items: Sequence[Item], *, careful: bool
) -> Absorbed:
    """Let the rows of `mirror` take `items`, in their order, inside a transaction on `driver`.

    `careful` finds the rows that the database refuses and treats their records as unreadable;
    without it one such row raises one of `REFUSED`.
    """
    ids = sorted({item.id for item in items if item.id is not None})
    if not ids:
        return Absorbed(mirror, items, {}, frozenset(), 0, 0)
    found = await driver.fetch(_statements(mirror).lock, ids)
    before = {
        row["id"]: Row(row["sequence"], readable=row["readable"], gone=row["gone"]) for row in found
    }
    after = _fold(before, items)
    if careful:
        items, after = await _without_refused(driver, mirror, before, items, after)
    changed = {id_: row for id_, row in after.items() if row is not before.get(id_)}
    written = await _write(driver, mirror, changed)
    due = 0
    if reactions:
        mattered = {row["id"]: _what_matters(row) for row in found}
        causes = {
            row["id"]: changed[row["id"]].by
            for row in written
            if mattered.get(row["id"]) != _what_matters(row)
        }
        due = await become_due(driver, reactions, causes)
    opened = frozenset(
        id_
        for id_, row in changed.items()
        if row.readable and id_ in before and not before[id_].readable
    )
    return Absorbed(mirror, items, after, opened, len(changed), due)


def _what_matters(row: Any) -> list[Any]:
    return list(row.values())[2:]


async def become_due(driver: Any, reactions: Sequence[str], causes: dict[UUID, Item | None]) -> int:
    """Make every reaction due for the rows of `causes`; the number of duties."""
    if not causes:
        return 0
    await driver.execute(
        _DUE,
        list(reactions),
        list(causes),
        [None if item is None else item.event_id for item in causes.values()],
        [None if item is None else item.traceparent for item in causes.values()],
    )
    return len(reactions) * len(causes)


def _fold(before: dict[UUID, Row], items: Iterable[Item]) -> dict[UUID, Row]:
    after = dict(before)
    for item in items:
        if item.id is not None:
            row = fold(after.get(item.id), item)
            if row is not None:
                after[item.id] = row
    return after


async def _write(driver: Any, mirror: Mirror, changed: dict[UUID, Row]) -> list[Any]:
    """Write the changed rows; what matters of each of them afterwards."""
    facts = {id_: row for id_, row in changed.items() if row.facts is not None}
    marks = {id_: row for id_, row in changed.items() if row.facts is None}
    written: list[Any] = []
    if facts:
        written += await driver.fetch(_statements(mirror).facts, _json(facts))
    if marks:
        written += await driver.fetch(_statements(mirror).mark, _json(marks))
    return written


async def _without_refused(
    driver: Any,
    mirror: Mirror,
    before: dict[UUID, Row],
    items: Sequence[Item],
    after: dict[UUID, Row],
) -> tuple[Sequence[Item], dict[UUID, Row]]:
    """The items with those that the database refuses turned unreadable, and the rows they make."""
    while True:
        rows = {id_: row for id_, row in after.items() if row.facts is not None}
        refused = await _refused(driver, mirror, rows)
        if not refused:
            return items, after
        items = [
            unreadable(item, refused[item.id])
            if item.id in refused and item is rows[item.id].facts
            else item
            for item in items
        ]
        after = _fold(before, items)


async def _refused(driver: Any, mirror: Mirror, rows: dict[UUID, Row]) -> dict[UUID, str]:
    """Why the database refuses which of `rows`: halves, tried and taken back."""
    await driver.execute("SAVEPOINT try")
    try:
        await _write(driver, mirror, rows)
    except REFUSED as error:
        why = said(error)
    else:
        why = ""
    await driver.execute("ROLLBACK TO SAVEPOINT try; RELEASE SAVEPOINT try")
    if not why:
        return {}
    if len(rows) == 1:
        return dict.fromkeys(rows, why)
    several = list(rows.items())
    middle = len(several) // 2
    return {
        **await _refused(driver, mirror, dict(several[:middle])),
        **await _refused(driver, mirror, dict(several[middle:])),
    }


def _json(rows: dict[UUID, Row]) -> str:
    return f"[{','.join(_object(id_, row) for id_, row in rows.items())}]"


def _object(id_: UUID, row: Row) -> str:
    """The row as JSON. Of a repeated name the last counts, so the row's own columns stand last."""
    own = (
        f'"id":"{id_}","sequence":"{row.sequence}",'
        f'"readable":{"true" if row.readable else "false"},'
        f'"gone":{"true" if row.gone else "false"}}}'
    )
    state = "{}" if row.facts is None or row.facts.state is None else row.facts.state
    return "{" + own if state == "{}" else f"{state[:-1]},{own}"


@cache
def _statements(mirror: Mirror) -> Statements:
    table = quoted(mirror.table.name)
    columns = tuple(name for name in mirror.model.model_fields if name not in _COMMON)
    relevant = (quoted(name) for name in mirror.relevant if name not in _COMMON)
    shown = ", ".join(("id", "sequence", "readable", "gone", *relevant))
    return Statements(
        lock=(
            f"SELECT {shown} FROM {table} WHERE id = ANY($1::uuid[]) "  # noqa: S608 - ours
            "ORDER BY id FOR NO KEY UPDATE"
        ),
        facts=_upsert(table, columns, shown),
        mark=_upsert(table, (), shown),
    )


def _upsert(table: str, columns: Sequence[str], shown: str) -> str:
    """The rows in $1, a JSON list, in the order of their ids; PostgreSQL knows the columns'
    types.
    """
    names = "".join(f", {quoted(name)}" for name in columns)
    assign = "".join(f", {quoted(name)} = excluded.{quoted(name)}" for name in columns)
    return f"""
        INSERT INTO {table} AS mirror (id, sequence, readable, gone, seen_at{names})
        SELECT id, sequence, readable, gone, now(){names}
        FROM json_populate_recordset(NULL::{table}, $1::text::json) ORDER BY id
        ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence,
            readable = excluded.readable, gone = excluded.gone, seen_at = now(){assign}
        WHERE excluded.sequence >= mirror.sequence
        RETURNING {shown}
        """  # noqa: S608 - the names are ours


def quoted(name: str) -> str:
    """An identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'
