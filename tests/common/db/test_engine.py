"""What every session of ours relies on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlalchemy import JSON, bindparam, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.engine import create_engine


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(
        scratch_database,
        application_name="a test",
        pool_size=1,
        pool_timeout=0.1,
        lock_timeout=0.1,
        statement_timeout=1.0,
    )
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(
    "setting,value",
    [
        ("timezone", "UTC"),
        ("transaction_isolation", "read committed"),
        ("lock_timeout", "100ms"),
        ("statement_timeout", "1s"),
        ("idle_in_transaction_session_timeout", "20s"),
        ("jit", "off"),
        ("application_name", "a test"),
    ],
)
async def test_a_session_is_set_up(engine: AsyncEngine, setting: str, value: str) -> None:
    async with engine.connect() as connection:
        assert await connection.scalar(text(f"SHOW {setting}")) == value


async def test_a_full_pool_refuses_in_time(engine: AsyncEngine) -> None:
    async with engine.connect():
        with pytest.raises(PoolTimeout):
            async with engine.connect():
                pass


async def test_a_statement_that_takes_too_long_is_ended(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="statement timeout"):
            await connection.execute(text("SELECT pg_sleep(20)"))


async def test_numbers_in_json_come_back_exact(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        found = await connection.scalar(text("""SELECT '{"rate": 0.10}'::jsonb"""))
    assert found == {"rate": Decimal("0.10")}


@pytest.mark.parametrize("value", [Decimal("1.10"), float("nan"), float("inf")])
async def test_json_takes_no_number_that_could_lose_its_value(
    engine: AsyncEngine, value: object
) -> None:
    statement = text("SELECT :value").bindparams(bindparam("value", type_=JSON))
    async with engine.connect() as connection:
        with pytest.raises(StatementError):
            await connection.execute(statement, {"value": {"amount": value}})
