"""A database with the foundation and one mirror in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from mirror_kit import Log, create_tables
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.engine import create_engine


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
