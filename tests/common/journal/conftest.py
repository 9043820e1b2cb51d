"""A database with the journal in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.uow import UnitsOfWork
from journal_kit import SERVICE, engine_on, units_on
from support.api import Api, open_api


@pytest.fixture
def scratch_database(journal_database: str) -> str:
    """No database is empty here: it has the journal and the table of THING."""
    return journal_database


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database that has the journal and the table of THING."""
    async with engine_on(scratch_database) as engine:
        yield engine


@pytest.fixture
def units(engine: AsyncEngine) -> UnitsOfWork:
    """Units of work on `engine`, at noon."""
    return units_on(engine)


@pytest.fixture
async def api(engine: AsyncEngine, scratch_database: str) -> AsyncIterator[Api]:
    """The API of a service that has nothing but THING."""
    async with open_api(SERVICE, scratch_database, public_url="https://test.example") as api:
        yield api
