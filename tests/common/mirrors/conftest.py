"""A database with the foundation and one mirror in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SetClock
from common.db.driver import borrowed
from common.db.embedded import EmbeddedPostgres
from common.db.engine import create_engine
from common.journal.wake import Wake
from mirror_kit import NOON, Log, create_tables
from react_kit import House

TEMPLATE = "template_mirrors"
_made: set[str] = set()


@pytest.fixture
async def scratch_database(postgres: EmbeddedPostgres, unique: str) -> AsyncIterator[str]:
    """The URL of a database with the foundation and the table of the mirror of things."""
    if TEMPLATE not in _made:
        template = create_engine(await postgres.create_database(TEMPLATE), application_name="test")
        await create_tables(template)
        await template.dispose()
        _made.add(TEMPLATE)
    name = f"mirrors_{unique}"
    yield await postgres.create_database(name, TEMPLATE)
    await postgres.drop_database(name)


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on that database."""
    engine = create_engine(scratch_database, application_name="test")
    yield engine
    await engine.dispose()


@pytest.fixture
def log(engine: AsyncEngine) -> Log:
    """A partition's log, still empty."""
    return Log(engine)


@pytest.fixture
async def house(engine: AsyncEngine, log: Log, scratch_database: str) -> House:
    async with borrowed(engine) as driver:
        await driver.execute(
            "CREATE TABLE did (number bigint GENERATED ALWAYS AS IDENTITY, id uuid, sequence text, "
            "actor text, causation_id text, traceparent text)"
        )
    return House(engine, log, SetClock(NOON), Wake(scratch_database))
