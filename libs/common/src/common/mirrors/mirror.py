"""What a mirror and a reaction are. A service declares them; `apply` and `react` do the work.

A mirror is a small copy of another service's aggregates, kept from its events and never asked for.
Its model is tolerant and names only the fields we decide on. A reaction is a function of the
mirror's row *now*: a missed or repeated event changes nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, MetaData, Table, Uuid, false, func, true

from common.models import ReadingModel
from common.sequence import sequence_column
from common.uow import UnitOfWork


def mirror_table(name: str, metadata: MetaData, *columns: "Column[object]") -> Table:
    """A mirror's table: what every mirror has, and `columns`, which must be nullable.

    `readable` is false when the last record could not be read, and `gone` is true once the owner
    erased it: both count as ineligible. `sequence` orders versions; see `common.sequence`.
    """
    for column in columns:
        if not column.nullable:
            raise ValueError(
                f"{name}.{column.name} must be nullable: an unreadable row has no facts"
            )
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        sequence_column(),
        Column("readable", Boolean, nullable=False, server_default=true()),
        Column("gone", Boolean, nullable=False, server_default=false()),
        Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        *columns,
    )


@dataclass(frozen=True)
class Mirror:
    """A copy of `aggregate` (the key in an event's data) of `topic`, kept in `table`.

    Every field of `model` is a column of `table` by the same name. A change of one of `relevant`,
    or of `readable` or `gone`, makes the mirror's reactions due.
    """

    name: str
    topic: str
    aggregate: str
    table: Table
    model: type[ReadingModel]
    relevant: tuple[str, ...]

    def __post_init__(self) -> None:
        columns = set(self.table.columns.keys())
        unknown = (set(self.model.model_fields) | set(self.relevant)) - columns
        if unknown:
            raise ValueError(f"mirror {self.name}: no column for {', '.join(sorted(unknown))}")


class Outcome(StrEnum):
    """DONE: the row's consequences stand. WAIT: loosening needs a fresher mirror; ask again.

    MORE: as much as one transaction should do is done; run again for the rest.
    """

    DONE = "done"
    WAIT = "wait"
    MORE = "more"


@dataclass(frozen=True)
class Reaction:
    """What we do when a row of `mirror` has changed: `react(uow, id, fresh)`.

    Level-triggered: it reads the row itself. Tightening runs at once; what loosens returns
    `Outcome.WAIT` unless `fresh` (the mirror is younger than the bound). A raised `DomainError`
    leaves the reaction due, with the error beside it.
    """

    name: str
    mirror: Mirror
    react: Callable[[UnitOfWork, UUID, bool], Awaitable[Outcome]]
