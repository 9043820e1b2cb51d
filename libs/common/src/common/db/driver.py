"""The asyncpg connection beneath an engine, for what speaks to PostgreSQL without SQLAlchemy.

The journal's machinery (sealer, readers, verifier) and the hottest requests send a handful of fixed
statements very often; they borrow connections from the engine's pool and leave them as clean as
they found them. SQLAlchemy's own connection, which costs as much as a statement, is put on top only
where Core statements are run.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Connection, PoolProxiedConnection, make_url
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn


class Held:
    """A pooled connection in use: `driver` is asyncpg's, `core` the same one for Core statements.

    What is sent on either is in the same transaction.
    """

    __slots__ = ("_core", "_engine", "_pooled", "driver")

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection) -> None:
        self._engine = engine
        self._pooled = pooled
        self._core: AsyncConnection | None = None
        self.driver: Any = pooled.driver_connection

    @property
    def core(self) -> AsyncConnection:
        """SQLAlchemy's connection, made when first asked for."""
        if self._core is None:
            core = Connection(self._engine.sync_engine, self._pooled)
            self._core = AsyncConnection(self._engine, core)
        return self._core

    async def throw_away(self) -> None:
        """Close it instead of giving it back: nobody knows what state it is in."""
        if self._core is not None:
            await self._core.invalidate()
        elif self._pooled.is_valid:
            await greenlet_spawn(self._pooled.invalidate)

    async def give_back(self) -> None:
        """Into the pool again, unless it was thrown away. Waits for nothing, so that it is never
        cut off: there is no transaction of SQLAlchemy's to end.
        """
        if self._core is not None:
            await self._core.close()
        elif self._pooled.is_valid:
            await greenlet_spawn(self._pooled.close)


@asynccontextmanager
async def live(engine: AsyncEngine) -> AsyncIterator[Held]:
    """A pooled connection.

    Ones that died idle in the pool are replaced: nothing was done on them yet, so nothing is lost.
    Raises sqlalchemy.exc.TimeoutError when the pool has none in time, and what connecting raises;
    `common.db.faults` says what each means.
    """
    held = Held(engine, await engine.raw_connection())
    try:
        while held.driver.is_closed():
            await held.throw_away()
            held = Held(engine, await engine.raw_connection())
        yield held
    finally:
        await held.give_back()


@asynccontextmanager
async def borrowed(engine: AsyncEngine) -> AsyncIterator[Any]:
    """A pooled asyncpg connection for single statements, each its own short transaction.

    What fails in between does not go back to the pool: a connection interrupted mid-statement is
    worth less than a new one. Raises as `live` does, and asyncpg's errors.
    """
    async with live(engine) as held:
        try:
            yield held.driver
        except BaseException:
            await held.throw_away()
            raise


@asynccontextmanager
async def transaction(engine: AsyncEngine, *settings: str) -> AsyncIterator[Any]:
    """A pooled asyncpg connection inside a transaction, committed when the block ends.

    `settings` are `SET LOCAL` bodies of ours (`"lock_timeout = '5s'"`), never input. An error rolls
    back; where even that fails the connection is thrown away. Raises as `live` does, and asyncpg's
    errors.
    """
    async with live(engine) as held:
        driver = held.driver
        try:
            await driver.execute("; ".join(["BEGIN", *(f"SET LOCAL {each}" for each in settings)]))
            yield driver
            await driver.execute("COMMIT")
        except BaseException:
            await roll_back(held)
            raise


async def roll_back(held: Held) -> None:
    """End the transaction whatever happened; a connection that cannot is thrown away.

    Never raises for the database's sake: what went wrong before is what the caller must hear.
    """
    try:
        await asyncio.shield(held.driver.execute("ROLLBACK"))
    except asyncio.CancelledError:
        await held.throw_away()
        raise
    except Exception:
        await held.throw_away()


async def connect(url: str, *, application_name: str, timeout: float = 10.0) -> Any:
    """An asyncpg connection of its own to `url` (any form the engine takes), past every pool.

    Raises TimeoutError after `timeout` seconds, OSError or asyncpg's errors.
    """
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    _, arguments = dialect().create_connect_args(parsed)  # type: ignore[no-untyped-call]
    arguments.pop("prepared_statement_cache_size", None)
    arguments.pop("prepared_statement_name_func", None)
    return await asyncpg.connect(
        **arguments, timeout=timeout, server_settings={"application_name": application_name}
    )
