"""Bring a service's database to the schema that its code expects.

Scripts are Alembic's and live inside the service's package (`<package>/migrations`, revisions in
`versions/`), so the wheel carries them. Migrations run by hand or by a job (`python -m <service>
migrate`), never by a serving process. Only forward: a mistake is mended by the next revision.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.db.engine import create_engine

# One key of PostgreSQL's advisory locks; a database belongs to one service, so one key is enough.
_LOCK = int.from_bytes(hashlib.sha256(b"frontline migrations").digest()[:8], "big", signed=True)
_STATEMENT_SECONDS = 600.0


async def upgrade(
    url: str, package: str, revision: str = "head", *, wait_seconds: float = 60.0
) -> None:
    """Run the revisions that the database at `url` lacks, each in a transaction of its own.
    Harmless when it is in date.

    A second process that migrates at the same moment waits, at most `wait_seconds`, and then finds
    nothing to do. A statement that waits 5 s for a table's lock gives up, so that a migration never
    queues the service's traffic behind itself: run it again.

    Raises sqlalchemy.exc.DBAPIError for a failed statement or lock, TimeoutError when another
    migration holds on.
    """
    engine = _engine(url)
    try:
        async with engine.connect() as guard, asyncio.timeout(wait_seconds + _STATEMENT_SECONDS):
            await _lock(guard, wait_seconds)
            async with engine.connect() as connection:
                await connection.run_sync(_run, package, revision)
            await guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            await guard.commit()
    finally:
        await engine.dispose()


async def current_revision(engine: AsyncEngine) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    async with engine.connect() as connection:
        return await connection.run_sync(_current)


def head_revision(package: str) -> str | None:
    """The newest revision that the package carries; None when it has none yet."""
    return ScriptDirectory.from_config(config(package)).get_current_head()


def revisions(package: str) -> frozenset[str]:
    """Every revision that the package carries."""
    scripts = ScriptDirectory.from_config(config(package))
    return frozenset(script.revision for script in scripts.walk_revisions())


def config(package: str) -> Config:
    """Alembic's configuration for a package's scripts; there is no alembic.ini."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no package {package}")
    settings = Config()
    scripts = Path(found.origin).parent / "migrations"
    settings.set_main_option("script_location", str(scripts).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


def _run(connection: Connection, package: str, revision: str) -> None:
    settings = config(package)
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _lock(connection: AsyncConnection, wait_seconds: float) -> None:
    """Take the advisory lock of the session: trying, not queueing, so that the wait is ours to
    bound.
    """
    async with asyncio.timeout(wait_seconds):
        while True:
            taken = await connection.scalar(
                text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}
            )
            await connection.commit()
            if taken:
                return
            await asyncio.sleep(0.2)


def _engine(url: str) -> AsyncEngine:
    return create_engine(
        url,
        pool_size=2,
        application_name="frontline migrate",
        lock_timeout=5.0,
        statement_timeout=_STATEMENT_SECONDS,
        idle_in_transaction_timeout=_STATEMENT_SECONDS,
        isolation_level="READ COMMITTED",
    )
