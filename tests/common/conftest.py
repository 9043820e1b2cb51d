"""Units of work on a database with the journal, for the tests of what every service stands on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.uow import UnitsOfWork
from journal_kit import create_tables, engine_on, units_on
from support.databases import Databases


@pytest.fixture
def journal_database(databases: Databases) -> Iterator[str]:
    """The URL of a database with the journal and the table of `THING`."""
    with databases.lent("journal", create_tables) as url:
        yield url


@pytest.fixture
async def engine(journal_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine of two connections that waits little, on a database with the journal."""
    async with engine_on(
        journal_database, pool_size=2, pool_timeout=0.2, lock_timeout=2.0
    ) as engine:
        yield engine


@pytest.fixture
def units(engine: AsyncEngine) -> UnitsOfWork:
    """Units of work on `engine`, at noon."""
    return units_on(engine)
