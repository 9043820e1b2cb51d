"""What changed since a position: the newest sealed row of each stream, kept by the sealer.

Whoever has a list asks later only for what changed. The journal itself would answer with every step
since then; the table `journal_latest` has one row per stream, so the answer costs what changed, and
an index gives it in order. A position is given after its row was committed, so nothing can appear
behind one that was handed out. It is no event feed: it names what changed, not what happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Integer, Select, Uuid, func, literal
from sqlalchemy.sql.functions import Function

from common.journal.position import Position
from common.journal.reader import Head

WINDOW = 1000
"""Changed things that one page looks at; those that its filters leave out count too."""

CHANGED = """
SELECT stream, position FROM journal_latest
WHERE stream_type = $1 AND position > $2 ORDER BY position LIMIT $3
"""

S = TypeVar("S", bound="Select[*tuple[Any, ...]]")


@dataclass(frozen=True)
class Changed:
    """Ids of one kind, in the order of their newest change, with its position.

    `end`: everything that changed up to there is among them. `more`: something changed after it.
    """

    epoch: int
    positions: Mapping[UUID, int]
    end: int
    more: bool

    def among(self, statement: S, id_: ColumnElement[UUID]) -> S:
        """`statement`, without an order so far, narrowed to these ids and in their order."""
        ids = literal(list(self.positions), ARRAY(Uuid))
        place: Function[int] = func.array_position(ids, id_, type_=Integer)
        return statement.where(id_ == func.any(ids)).order_by(place)

    def after(self, shown: UUID | None) -> tuple[int, int] | None:
        """From where the next page goes on, None when nothing is left.

        `shown`: the last id on this page, None when it could take in all of them.
        """
        if shown is not None:
            return self.epoch, self.positions[shown]
        return (self.epoch, self.end) if self.more else None


async def changed_since(driver: Any, stream_type: str, since: Position, head: Head) -> Changed:
    """The first of that kind that changed after `since`, at most WINDOW.

    Raises PositionAheadError.
    """
    start = since.in_journal(head)
    rows = await driver.fetch(CHANGED, stream_type, start, WINDOW + 1)
    shown = rows[:WINDOW]
    return Changed(
        epoch=head.epoch,
        positions={row["stream"]: row["position"] for row in shown},
        end=shown[-1]["position"] if shown else start,
        more=len(rows) > WINDOW,
    )
