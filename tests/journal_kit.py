"""What the tests of the journal and of the unit of work stand on: one small aggregate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

from pydantic_settings import SettingsConfigDict
from sqlalchemy import Column, MetaData, Table, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncEngine

from common.actor import Actor
from common.aggregate import Aggregate, Change
from common.clock import SetClock
from common.crypto.envelope import Envelope
from common.db.driver import borrowed
from common.db.engine import create_engine
from common.ids import Uuid7Ids
from common.journal.erase import erase_stream
from common.journal.seal import Sealer
from common.journal.wake import RECORDED, Wake
from common.models import PublicModel
from common.sequence import Sequence, sequence_column
from common.service import Service
from common.settings import CommonSettings
from common.uow import UnitOfWork, UnitsOfWork
from support.api import Api

NOON = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
EDITOR = Actor(subject="editor@test", human=True)
ENVELOPE = Envelope(bytes(range(32)))
IDS = Uuid7Ids()


class ThingState(PublicModel):
    name: str
    country: str | None = None


class Made(Change):
    happened = "made"


class Renamed(Change):
    happened = "renamed"
    before: str


THING = Aggregate("test", "thing", "thing", ThingState, (Made, Renamed))


class Settings(CommonSettings):
    model_config = SettingsConfigDict(env_prefix="TEST_")


SERVICE = Service(
    name="test",
    title="Test",
    description="A made-up service.",
    settings=Settings,
    aggregates=(THING,),
    scopes={},
    routes=(),
)

thing_table = Table(
    "thing",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("name", Text, nullable=False, unique=True),
)
CREATE = """
CREATE TABLE thing (
    id uuid PRIMARY KEY,
    sequence varchar(15) COLLATE "C" NOT NULL,
    name text NOT NULL UNIQUE
)
"""


async def create_tables(url: str) -> None:
    """The journal's own tables and the one of `THING`."""
    async with engine_on(url) as engine, borrowed(engine) as driver:
        await driver.execute(files("common.journal").joinpath("journal.sql").read_text())
        await driver.execute(CREATE)


@asynccontextmanager
async def engine_on(url: str, **settings: Any) -> AsyncIterator[AsyncEngine]:
    """An engine that is disposed of at the end."""
    engine = create_engine(url, application_name="test", **settings)
    try:
        yield engine
    finally:
        await engine.dispose()


def units_on(engine: AsyncEngine, wake: Wake | None = None) -> UnitsOfWork:
    """Units of work at noon."""
    return UnitsOfWork(
        engine,
        clock=SetClock(NOON),
        ids=IDS,
        envelope=ENVELOPE,
        on_recorded=(lambda: None) if wake is None else (lambda: wake.mark(RECORDED)),
    )


def sealer_on(engine: AsyncEngine, url: str, **settings: Any) -> Sealer:
    """A sealer with a wake of its own, which nobody runs."""
    return Sealer(engine, Wake(url), **settings)


async def seal_everything(engine: AsyncEngine, url: str) -> int:
    """Seal what there is; how many rows that was."""
    sealer = sealer_on(engine, url)
    total = 0
    while count := await sealer.seal_batch():
        total += count
    return total


async def make(
    uow: UnitOfWork, name: str, private: Mapping[str, Any] | None = None, country: str | None = None
) -> UUID:
    """The command that makes a thing."""
    thing = IDS.new()
    sequence = uow.after(None)
    await uow.db.execute(thing_table.insert().values(id=thing, sequence=str(sequence), name=name))
    state = ThingState(name=name, country=country)
    await uow.record(THING, thing, sequence, Made(), state, reason="made_by_hand", private=private)
    return thing


async def rename(
    uow: UnitOfWork, thing: UUID, name: str, private: Mapping[str, Any] | None = None
) -> Sequence:
    """The command that renames a thing."""
    statement = thing_table.select().where(thing_table.c.id == thing).with_for_update()
    row = (await uow.db.execute(statement)).one()
    sequence = uow.after(row.sequence)
    await uow.db.execute(
        thing_table.update()
        .where(thing_table.c.id == thing)
        .values(name=name, sequence=str(sequence))
    )
    await uow.record(
        THING, thing, sequence, Renamed(before=row.name), ThingState(name=name), private=private
    )
    return sequence


async def erase(uow: UnitOfWork, thing: UUID, *, keep_row: bool = False) -> None:
    """The command that erases a thing; its row stays behind, emptied, when `keep_row`."""
    chosen = thing_table.c.id == thing
    row = (await uow.db.execute(thing_table.select().where(chosen).with_for_update())).one()
    sequence = await erase_stream(uow, THING, thing, row.sequence, reason="asked")
    if keep_row:
        change = thing_table.update().where(chosen)
        await uow.db.execute(change.values(name=str(thing), sequence=str(sequence)))
    else:
        await uow.db.execute(thing_table.delete().where(chosen))


async def add(api: Api, *names: str, **about: Any) -> list[UUID]:
    """Make things by these names, and seal them; their ids."""
    made = [await api.units.run(lambda u, n=n: make(u, n, **about), actor=EDITOR) for n in names]  # type: ignore[misc]
    await seal_everything(api.runtime.engine, "unused")
    return made


async def fetch(engine: AsyncEngine, statement: str, *values: Any) -> list[Any]:
    """The rows of one plain statement."""
    async with borrowed(engine) as driver:
        return list(await driver.fetch(statement, *values))


async def count(engine: AsyncEngine, table: str = "thing") -> int:
    (row,) = await fetch(engine, f"SELECT count(*) FROM {table}")
    number: int = row["count"]
    return number


async def clean(engine: AsyncEngine) -> bool:
    """Whether every pooled connection is outside a transaction and answers."""
    async with borrowed(engine) as one, borrowed(engine) as two:
        if one.is_in_transaction() or two.is_in_transaction():
            return False
        return [await one.fetchval("SELECT 1"), await two.fetchval("SELECT 1")] == [1, 1]
