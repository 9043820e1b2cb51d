"""The public contract of a crisis: `coordination.crisis.v1`."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, WithJsonSchema
from pydantic.config import JsonDict

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from coordination.crises.rules import Crisis, CrisisStatus, known_glide

GlideNumber = Annotated[
    str,
    AfterValidator(known_glide),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[A-Z]{2}-[0-9]{4}-[0-9]{6}-[A-Z]{3}$",
            "examples": ["FL-2024-000123-BGD"],
        }
    ),
]
"""The number that names a disaster across systems (glidenumber.net)."""

EXAMPLE: JsonDict = {
    "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c01",
    "glide": "FL-2024-000123-BGD",
    "name": "Floods in the north-east",
    "onset_on": "2024-06-17",
    "countries": ["BGD"],
    "status": "open",
}


class CrisisState(PublicModel):
    """A crisis, as everyone may know it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    glide: GlideNumber | None
    name: str
    onset_on: date
    countries: tuple[Country, ...]
    status: CrisisStatus

    @classmethod
    def of(cls, crisis: Crisis) -> "CrisisState":
        """The public state of `crisis`."""
        return cls(
            id=crisis.id,
            glide=crisis.glide,
            name=crisis.name,
            onset_on=crisis.onset_on,
            countries=crisis.countries,
            status=crisis.status,
        )


class Declared(Change):
    """A crisis was declared."""

    happened = "declared"


class Closed(Change):
    """The response to the crisis has ended."""

    happened = "closed"


class Reopened(Change):
    """The crisis is open again."""

    happened = "reopened"


CRISIS = Aggregate(
    service="coordination",
    name="crisis",
    table="crisis",
    state=CrisisState,
    changes=(Declared, Closed, Reopened),
)
