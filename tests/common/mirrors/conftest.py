"""A database with the foundation and one mirror in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SetClock
from common.db.driver import borrowed
from common.db.engine import create_engine
from common.journal.wake import Wake
from mirror_kit import NOON, Log, create_tables
from react_kit import House


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database that has the foundation and the table of the mirror of things."""
    engine = create_engine(scratch_database, application_name="test")
    await create_tables(engine)
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
