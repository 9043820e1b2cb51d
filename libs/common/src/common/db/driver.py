"""The asyncpg connection beneath an engine, for what speaks to PostgreSQL without SQLAlchemy.

The journal's machinery (sealer, readers, verifier) sends a handful of fixed statements very often;
it borrows connections from the engine's pool and leaves them as clean as it found them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@asynccontextmanager
async def live(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, Any]]:
    """A pooled connection, and the asyncpg connection that it stands on.

    Ones that died idle in the pool are replaced: nothing was done on them yet, so nothing is lost.
    """
    while True:
        async with engine.connect() as db:
            driver = (await db.get_raw_connection()).driver_connection
            assert driver is not None
            if driver.is_closed():
                await db.invalidate()
                continue
            yield db, driver
            return


@asynccontextmanager
async def borrowed(engine: AsyncEngine) -> AsyncIterator[Any]:
    """A pooled asyncpg connection for single statements, each its own short transaction.

    What fails in between does not go back to the pool: a connection interrupted mid-statement is
    worth less than a new one.
    """
    async with live(engine) as (db, driver):
        try:
            yield driver
        except BaseException:
            await db.invalidate()
            raise


@asynccontextmanager
async def transaction(engine: AsyncEngine, *settings: str) -> AsyncIterator[Any]:
    """A pooled asyncpg connection inside a transaction, committed when the block ends.

    `settings` are `SET LOCAL` bodies of ours (`"lock_timeout = '5s'"`), never input. An error rolls
    back; where even that fails the connection is thrown away.
    """
    async with live(engine) as (db, driver):
        try:
            await driver.execute("; ".join(["BEGIN", *(f"SET LOCAL {each}" for each in settings)]))
            yield driver
            await driver.execute("COMMIT")
        except BaseException:
            await roll_back(db, driver)
            raise


async def roll_back(db: AsyncConnection, driver: Any) -> None:
    """End the transaction whatever happened; a connection that cannot is thrown away.

    Never raises for the database's sake: what went wrong before is what the caller must hear.
    """
    try:
        await asyncio.shield(driver.execute("ROLLBACK"))
    except asyncio.CancelledError:
        await db.invalidate()
        raise
    except Exception:
        await db.invalidate()


async def connect(url: str, *, application_name: str, timeout: float = 10.0) -> Any:
    """An asyncpg connection of its own to `url` (any form the engine takes), past every pool."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    _, arguments = dialect().create_connect_args(parsed)  # type: ignore[no-untyped-call]
    arguments.pop("prepared_statement_cache_size", None)
    arguments.pop("prepared_statement_name_func", None)
    return await asyncpg.connect(
        **arguments, timeout=timeout, server_settings={"application_name": application_name}
    )
