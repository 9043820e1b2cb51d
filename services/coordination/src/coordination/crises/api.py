"""Crises over HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from common.codes import Country, Day
from common.errors import IllegalMoveError
from common.http import Page, PageQuery, Reply, Routes
from common.models import InputModel
from common.sequence import Sequence
from common.text import Line
from common.uow import UnitOfWork
from coordination.crises import commands, queries
from coordination.crises.events import CRISIS, CrisisState, GlideNumber
from coordination.crises.rules import CrisisStatus

READ = "coordination.crises.read"
WRITE = "coordination.crises.write"

routes = Routes(tag="crises", description="The events that clusters answer.")


class CrisisDeclaration(InputModel):
    """A crisis to be declared. `onset_on` is not in the future."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Floods in the north-east",
                    "onset_on": "2024-06-17",
                    "countries": ["BGD"],
                    "glide": "FL-2024-000123-BGD",
                }
            ]
        }
    )

    name: Annotated[str, Line(200)]
    onset_on: Day
    countries: Annotated[tuple[Country, ...], Field(min_length=1, max_length=250)]
    glide: GlideNumber | None = None


@routes.command("POST", "/crises", scope=WRITE, refuses=(commands.DuplicateGlideError,))
async def declare_crisis(uow: UnitOfWork, body: CrisisDeclaration) -> Reply[CrisisState]:
    """Declare a crisis.

    Conflicts often have no GLIDE number; when one is given, it is of one of the countries and no
    other crisis has it.
    """
    crisis = await commands.declare_crisis(
        uow,
        name=body.name,
        onset_on=body.onset_on,
        countries=body.countries,
        glide=body.glide,
    )
    return Reply.created(
        CrisisState.of(crisis), at=f"/v1/crises/{crisis.id}", sequence=crisis.sequence
    )


@routes.query("/crises", scope=READ, of=CRISIS)
async def list_crises(
    uow: UnitOfWork,
    page: PageQuery,
    status: CrisisStatus | None = None,
    country: Country | None = None,
) -> Reply[Page[CrisisState]]:
    """List crises.

    Oldest declared first, in the countries that your access covers.
    """
    rows = await queries.crises(uow, page, status=status, country=country)
    return Reply.page(Page.of(rows, page, key=lambda row: (row.id,), view=CrisisState.of))


@routes.query("/crises/{crisis_id}", scope=READ)
async def read_crisis(uow: UnitOfWork, crisis_id: UUID) -> Reply[CrisisState]:
    """Read a crisis."""
    crisis = await queries.crisis(uow, crisis_id)
    return Reply.ok(CrisisState.of(crisis), sequence=crisis.sequence)


@routes.command(
    "POST", "/crises/{crisis_id}/close", scope=WRITE, match=True, refuses=(IllegalMoveError,)
)
async def close_crisis(uow: UnitOfWork, crisis_id: UUID, expected: Sequence) -> Reply[CrisisState]:
    """Close a crisis.

    The response to it has ended: no cluster is activated for it any more. Those there are stand
    until each is deactivated.
    """
    crisis = await commands.close_crisis(uow, crisis_id, expected)
    return Reply.ok(CrisisState.of(crisis), sequence=crisis.sequence)


@routes.command(
    "POST", "/crises/{crisis_id}/reopen", scope=WRITE, match=True, refuses=(IllegalMoveError,)
)
async def reopen_crisis(uow: UnitOfWork, crisis_id: UUID, expected: Sequence) -> Reply[CrisisState]:
    """Reopen a closed crisis."""
    crisis = await commands.reopen_crisis(uow, crisis_id, expected)
    return Reply.ok(CrisisState.of(crisis), sequence=crisis.sequence)
