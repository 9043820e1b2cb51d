"""A made-up service with one aggregate, to try the HTTP edge on: parcels are packed and sent."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import UploadFile
from pydantic import ConfigDict, Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import Column, MetaData, String, Table, Uuid, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from starlette.responses import PlainTextResponse, Response

from common.actor import EVERYWHERE
from common.aggregate import Aggregate, Change
from common.codes import Country
from common.db.driver import borrowed
from common.db.faults import constraint_of
from common.errors import ConflictError, NotFoundError
from common.http import Call, Key, Page, PageQuery, Reply, Routes
from common.models import InputModel, PublicModel
from common.money import Currency, PositiveAmount
from common.sequence import Sequence, sequence_column
from common.service import Service
from common.settings import CommonSettings
from common.text import Line, Paragraph
from common.uow import UnitOfWork
from support.api import Api

READ, WRITE, SEND = "post.parcels.read", "post.parcels.write", "post.parcels.send"

metadata = MetaData()
parcel_table = Table(
    "parcel",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("name", String, nullable=False, unique=True),
    Column("country", String, nullable=False),
    Column("status", String, nullable=False),
    Column("worth", String, nullable=False),
)
TABLES = """
CREATE TABLE parcel (
    id uuid PRIMARY KEY,
    sequence varchar(15) COLLATE "C" NOT NULL,
    name text NOT NULL CONSTRAINT parcel_name UNIQUE,
    country text NOT NULL,
    status text NOT NULL,
    worth text NOT NULL
);
"""


class Status(StrEnum):
    PACKED = "packed"
    SENT = "sent"


class NameTakenError(ConflictError):
    code = "name_taken"
    title = "A parcel by this name exists"


class AlreadySentError(ConflictError):
    code = "already_sent"
    title = "It is on its way"


class PartnerNotEligibleError(ConflictError):
    code = "partner_not_eligible"
    title = "The partner is not eligible"
    from_mirror = True


class ParcelState(PublicModel):
    name: str
    country: str
    status: Status
    worth: str


class Packed(Change):
    happened = "packed"


class Sent(Change):
    happened = "sent"


PARCEL = Aggregate(
    service="post", name="parcel", table="parcel", state=ParcelState, changes=(Packed, Sent)
)


class Content(InputModel):
    """Something in a parcel."""

    what: Annotated[str, Line(80)]
    pieces: Annotated[int, Field(ge=1, le=1000)] = 1


class Packing(InputModel):
    """A parcel to pack."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "Blankets", "country": "BGD", "worth": "120.00", "currency": "USD"}
            ]
        }
    )

    name: Annotated[str, Line(40)]
    country: Country
    worth: PositiveAmount
    currency: Currency = "USD"
    note: Annotated[str, Paragraph(500)] | None = None
    contents: Annotated[tuple[Content, ...], Field(max_length=50)] = ()


class ParcelView(PublicModel):
    """A parcel."""

    id: UUID
    name: str
    country: str
    status: Status
    worth: str


class Count(PublicModel):
    """How many."""

    count: int


routes = Routes(tag="parcels", prefix="/v1")

runs = 0
"""How often a command ran, rolled back or not."""


@routes.command("POST", "/parcels", scope=WRITE, refuses=(NameTakenError,))
async def pack_parcel(uow: UnitOfWork, body: Packing) -> Reply[ParcelView]:
    """Pack a parcel.

    It lies here until it is sent.
    """
    global runs
    runs += 1
    uow.actor.must_act_in(body.country)
    if body.name == "For the suspended":
        raise PartnerNotEligibleError("The partner is suspended.", since="2020-06-01")
    parcel_id, sequence = uow.ids.new(), uow.after(None)
    state = ParcelState(
        name=body.name, country=body.country, status=Status.PACKED, worth=format(body.worth, "f")
    )
    try:
        await uow.db.execute(
            insert(parcel_table).values(
                id=parcel_id, sequence=str(sequence), **state.model_dump(mode="json")
            )
        )
    except IntegrityError as error:
        if constraint_of(error) == "parcel_name":
            raise NameTakenError(f"There is a parcel named {body.name}.", name=body.name) from error
        raise
    await uow.record(PARCEL, parcel_id, sequence, Packed(), state, private={"note": body.note})
    view = ParcelView(id=parcel_id, **state.model_dump())
    return Reply.created(view, at=f"/v1/parcels/{parcel_id}", sequence=sequence)


@routes.command(
    "POST",
    "/parcels/{parcel_id}/send",
    scope=SEND,
    key=Key.REQUIRED,
    match=True,
    refuses=(AlreadySentError,),
)
async def send_parcel(uow: UnitOfWork, parcel_id: UUID, expected: Sequence) -> Reply[ParcelView]:
    """Send a parcel."""
    row = (
        await uow.db.execute(
            select(parcel_table).where(parcel_table.c.id == parcel_id).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError("There is no such parcel.")
    uow.expect(row.sequence, expected)
    if row.status == Status.SENT:
        raise AlreadySentError("It was sent before.", status=row.status)
    sequence = uow.after(row.sequence)
    await uow.db.execute(
        update(parcel_table)
        .where(parcel_table.c.id == parcel_id)
        .values(status=Status.SENT, sequence=str(sequence))
    )
    state = ParcelState(name=row.name, country=row.country, status=Status.SENT, worth=row.worth)
    await uow.record(PARCEL, parcel_id, sequence, Sent(), state)
    return Reply.ok(ParcelView(id=parcel_id, **state.model_dump()), sequence=sequence)


@routes.command("DELETE", "/parcels/{parcel_id}", scope=WRITE, match=True)
async def unpack_parcel(uow: UnitOfWork, parcel_id: UUID, expected: Sequence) -> Reply[None]:
    """Unpack a parcel."""
    return Reply.no_content()


@routes.command("POST", "/parcels/import", scope=WRITE, max_body_bytes=2 * 1024 * 1024)
async def import_parcels(uow: UnitOfWork, file: UploadFile) -> Reply[Count]:
    """Import parcels, one name a line."""
    return Reply.ok(Count(count=len((await file.read()).splitlines())))


@routes.command("POST", "/stumble", scope=WRITE, key=Key.OPTIONAL)
async def stumble(uow: UnitOfWork, body: Count) -> Reply[Count]:
    """Fail in an unexpected way."""
    raise RuntimeError("the secret is 4711")


@routes.query("/parcels/{parcel_id}", scope=READ)
async def read_parcel(uow: UnitOfWork, parcel_id: UUID) -> Reply[ParcelView]:
    """Read a parcel."""
    row = (
        await uow.db.execute(select(parcel_table).where(parcel_table.c.id == parcel_id))
    ).one_or_none()
    if row is None:
        raise NotFoundError("There is no such parcel.")
    return Reply.ok(_view(row), sequence=row.sequence)


@routes.query("/parcels", scope=READ, of=PARCEL)
async def list_parcels(
    uow: UnitOfWork, page: PageQuery, status: Status | None = None
) -> Reply[Page[ParcelView]]:
    """List parcels by name."""
    statement = page.cut(select(parcel_table), parcel_table.c.name, parcel_table.c.id)
    if EVERYWHERE not in uow.actor.countries:
        statement = statement.where(parcel_table.c.country.in_(sorted(uow.actor.countries)))
    if status is not None:
        statement = statement.where(parcel_table.c.status == status)
    rows = (await uow.db.execute(statement)).all()
    return Reply.page(Page.of(rows, page, key=lambda row: (row.name, row.id), view=_view))


@routes.plain("GET", "/parcels.txt", scope=READ, media_type="text/plain")
async def export_parcels(call: Call) -> Response:
    """Every parcel's name, a line each."""

    async def names(uow: UnitOfWork) -> list[str]:
        return list(await uow.db.scalars(select(parcel_table.c.name)))

    found = await call.site.units.read(names, actor=call.actor, context=call.context)
    return PlainTextResponse("".join(f"{name}\n" for name in found))


class PostSettings(CommonSettings):
    model_config = SettingsConfigDict(env_prefix="POST_")


SERVICE = Service(
    name="post",
    title="Post",
    description="A made-up service.",
    settings=PostSettings,
    aggregates=(PARCEL,),
    scopes={READ: "see parcels", WRITE: "pack parcels", SEND: "send parcels"},
    routes=(routes,),
)


MANY = """
WITH made AS (
    INSERT INTO parcel (id, sequence, name, country, status, worth)
    SELECT gen_random_uuid(), '0001-0000000001', $2 || '-' || to_char(n, 'FM0000'), 'BGD', 'packed',
           n || '.50'
    FROM generate_series(1, $1::integer) n
    RETURNING *
)
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor,
                     correlation_id, data)
SELECT gen_random_uuid(), 'parcel', id, 1, 1, 'int.iom.post.parcel.packed.v1', now(), 'amina', 'x',
       jsonb_build_object('parcel', to_jsonb(made) - 'id' - 'sequence', 'change', '{}'::jsonb)
FROM made ORDER BY name
"""

# --- for the tests ------------------------------------------------------------------------------

PACKING = {"name": "Blankets", "country": "BGD", "worth": "120.00"}


async def packed(api: Api, **changes: Any) -> httpx.Response:
    """The answer to a parcel packed; a name is taken only once."""
    answer = await api.post("/v1/parcels", json={**PACKING, **changes})
    assert answer.status_code == 201, answer.text
    return answer


async def count(api: Api, table: str = "parcel") -> int:
    """How many rows there are."""
    async with api.runtime.engine.connect() as db:
        found: int | None = await db.scalar(text(f"SELECT count(*) FROM {table}"))
        return found or 0


async def many_packed(api: Api, number: int, prefix: str = "parcel") -> None:
    """Pack as many at once, named `parcel-0001` and so on, as if each had been packed by itself."""
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute(MANY, number, prefix)


def _view(row: object) -> ParcelView:
    return ParcelView.model_validate(row, from_attributes=True)
