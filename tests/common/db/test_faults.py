"""What is said of the database's errors: enough to look for, nothing of what was in the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed
from common.db.faults import said
from journal_kit import engine_on

TWICE = "INSERT INTO pet VALUES ('rex'), ('rex')"


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    async with engine_on(scratch_database) as engine:
        async with borrowed(engine) as driver:
            await driver.execute("CREATE TABLE pet (name text CONSTRAINT pet_name UNIQUE)")
        yield engine


async def by_driver(engine: AsyncEngine) -> Any:
    async with borrowed(engine) as driver:
        await driver.execute(TWICE)


async def by_core(engine: AsyncEngine) -> Any:
    async with engine.connect() as db:
        await db.execute(text(TWICE))


@pytest.mark.parametrize("insert", [by_driver, by_core])
async def test_a_database_error_is_told_by_its_state_and_constraint(
    engine: AsyncEngine, insert: Callable[[AsyncEngine], Awaitable[Any]]
) -> None:
    with pytest.raises((asyncpg.PostgresError, DBAPIError)) as refused:
        await insert(engine)
    assert said(refused.value) == "UniqueViolationError 23505 pet_name"


@pytest.mark.parametrize(
    "error, sentence",
    [
        (ConnectionError("the server closed the line"), "the server closed the line"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_any_other_error_is_told_as_it_is(error: Exception, sentence: str) -> None:
    assert said(error) == sentence
