"""A database with the foundation and one mirror in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SetClock
from common.db.engine import create_engine
from common.journal.wake import Wake
from mirror_kit import NOON, TABLES, Log
from react_kit import House
from support.databases import Databases, with_foundation


@pytest.fixture
def scratch_database(databases: Databases) -> Iterator[str]:
    """No database is empty here: it has the foundation and the table of the mirror of things."""
    with databases.lent("mirrors", partial(with_foundation, tables=TABLES)) as url:
        yield url


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
def house(engine: AsyncEngine, log: Log, scratch_database: str) -> House:
    return House(engine, log, SetClock(NOON), Wake(scratch_database))
