"""Units of work on a database with the journal, for the tests of what every service stands on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.uow import UnitsOfWork
from journal_kit import create_tables, engine_on, units_on


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine of two connections that waits little, on a database with the journal."""
    async with engine_on(
        scratch_database, pool_size=2, pool_timeout=0.2, lock_timeout=2.0
    ) as engine:
        await create_tables(engine)
        yield engine


@pytest.fixture
def units(engine: AsyncEngine) -> UnitsOfWork:
    """Units of work on `engine`, at noon."""
    return units_on(engine)
