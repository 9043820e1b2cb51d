"""Where the report of each import is kept."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, Integer, Row, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from registry.imports.rules import Outcome, Problem
from registry.metadata import metadata


class State(StrEnum):
    """REFUSED: rows were wrong, so nothing was loaded. TRIED: a dry run, nothing was loaded."""

    LOADED = "loaded"
    REFUSED = "refused"
    TRIED = "tried"


@dataclass(frozen=True)
class Report:
    """What an import did, or in a dry run would have done. `problems` are the first
    MAX_PROBLEMS."""

    id: UUID
    state: State
    country: str
    skip_wrong: bool
    counts: dict[Outcome, int]
    problems: tuple[Problem, ...]
    imported_by: str
    imported_at: datetime


import_table = Table(
    "partner_import",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("skip_wrong", Boolean, nullable=False),
    Column("entered", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("problems", JSONB, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
)


def values_of(report: Report) -> dict[str, Any]:
    """The row of `report`."""
    return {
        "id": report.id,
        "state": report.state.value,
        "country": report.country,
        "skip_wrong": report.skip_wrong,
        **{outcome.value: report.counts[outcome] for outcome in Outcome},
        "problems": [
            [each.row, each.outcome.value, each.name, each.message] for each in report.problems
        ],
        "imported_by": report.imported_by,
        "imported_at": report.imported_at,
    }


def report_of(row: Row[*tuple[Any, ...]]) -> Report:
    """The report that `row` keeps."""
    return Report(
        id=row.id,
        state=State(row.state),
        country=row.country,
        skip_wrong=row.skip_wrong,
        counts={outcome: row._mapping[outcome.value] for outcome in Outcome},
        problems=tuple(
            Problem(number, Outcome(outcome), name, message)
            for number, outcome, name, message in row.problems
        ),
        imported_by=row.imported_by,
        imported_at=row.imported_at,
    )
