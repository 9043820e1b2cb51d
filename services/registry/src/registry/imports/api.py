"""Imports over HTTP: files of up to 1 MiB; larger ones go through the command line."""

from datetime import datetime
from io import BytesIO
from typing import Annotated
from uuid import UUID

from fastapi import Form, UploadFile
from pydantic import ConfigDict, Field

from common.codes import Country
from common.http import Reply, Routes
from common.models import PublicModel
from common.uow import UnitOfWork
from registry.imports import commands, queries
from registry.imports.commands import ImportRunningError
from registry.imports.rules import MAX_PROBLEMS, Outcome, UnreadableFileError
from registry.imports.tables import Report, State

IMPORT = "registry.imports.write"
READ = "registry.imports.read"

routes = Routes(tag="imports", description="Entering many partners from a file of organisations.")


class ProblemView(PublicModel):
    """A row that was skipped or wrong, and why. `row` is its line in the file."""

    row: int
    outcome: Outcome
    name: str
    message: str


class ImportView(PublicModel):
    """What an import did. `loaded`: the counts stand. `refused`: rows were wrong and nothing was
    loaded. `tried`: a dry run; the counts are what a real one would have done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c05",
                    "state": "loaded",
                    "country": "BGD",
                    "skip_wrong": False,
                    "entered": 2,
                    "unchanged": 1,
                    "skipped": 1,
                    "wrong": 0,
                    "problems": [
                        {
                            "row": 4,
                            "outcome": "skipped",
                            "name": "Ministry of Water",
                            "message": "A government body is a state actor, "
                            "not a civil society partner.",
                        }
                    ],
                    "imported_at": "2024-06-17T08:30:00Z",
                }
            ]
        }
    )

    id: UUID
    state: State
    country: Country
    skip_wrong: bool
    entered: int
    unchanged: int = Field(description="rows whose partner was registered already")
    skipped: int = Field(description="rows that are not civil society, or of no kind we know")
    wrong: int = Field(description="rows that could not be understood")
    problems: tuple[ProblemView, ...] = Field(description=f"the first {MAX_PROBLEMS}")
    imported_at: datetime

    @classmethod
    def of(cls, report: Report) -> "ImportView":
        """The view of `report`."""
        return cls(
            id=report.id,
            state=report.state,
            country=report.country,
            skip_wrong=report.skip_wrong,
            entered=report.counts[Outcome.ENTERED],
            unchanged=report.counts[Outcome.UNCHANGED],
            skipped=report.counts[Outcome.SKIPPED],
            wrong=report.counts[Outcome.WRONG],
            problems=tuple(
                ProblemView(
                    row=each.row, outcome=each.outcome, name=each.name, message=each.message
                )
                for each in report.problems
            ),
            imported_at=report.imported_at,
        )


@routes.command("POST", "/imports", scope=IMPORT, refuses=(UnreadableFileError, ImportRunningError))
async def import_organisations(
    uow: UnitOfWork,
    file: UploadFile,
    country: Annotated[Country, Form(description="whose organisations these are")],
    dry_run: Annotated[bool, Form(description="say what would happen, load nothing")] = False,
    skip_wrong: Annotated[bool, Form(description="load the rest although rows are wrong")] = False,
) -> Reply[ImportView]:
    """Import a file of organisations.

    CSV in UTF-8 with the columns `acronym,name,org_type_code,org_type_description` of the
    Humanitarian Data Exchange. Organisations become draft partners; the same file again changes
    nothing. Types that are not civil society are passed over. One wrong row, and nothing is loaded
    (unless `skip_wrong`); the answer then has `state` `refused` and says why, row by row.
    """
    content = BytesIO(await file.read())
    report = await commands.import_organisations(
        uow, content, country=country, dry_run=dry_run, skip_wrong=skip_wrong
    )
    return Reply.created(ImportView.of(report), at=f"/v1/imports/{report.id}")


@routes.query("/imports/{import_id}", scope=READ)
async def read_import(uow: UnitOfWork, import_id: UUID) -> Reply[ImportView]:
    """Read what an import did."""
    return Reply.ok(ImportView.of(await queries.read_import(uow, import_id)))
