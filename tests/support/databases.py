"""Databases for tests: each test has one to itself, as new.

Copying a database costs 0.1 s and its first connection as much again, and there are two thousand
tests. So a database that a test gives back is emptied to what its template holds and lent again,
unless the test changed its schema: then it is dropped.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar

import asyncpg

from common.db import foundation, migrate
from common.db.embedded import EmbeddedPostgres

T = TypeVar("T")
Prepare = Callable[[str], Awaitable[Any]]
"""Makes the tables in the empty database of that URL."""

OTHERS_OUT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# TRUNCATE touches no row of these but pg_class's, of which the names tell enough
SCHEMA = """
SELECT jsonb_build_array(
    (SELECT array_agg(xmin::text ORDER BY oid) FROM pg_proc WHERE oid >= 16384),
    (SELECT array_agg(xmin::text ORDER BY oid) FROM pg_trigger),
    (SELECT array_agg(xmin::text ORDER BY oid) FROM pg_constraint WHERE oid >= 16384),
    (SELECT array_agg(xmin::text ORDER BY attrelid, attnum) FROM pg_attribute
     WHERE attrelid >= 16384),
    (SELECT array_agg(relname::text ORDER BY oid) FROM pg_class WHERE oid >= 16384),
    (SELECT array_agg(setconfig::text) FROM pg_db_role_setting s JOIN pg_database d
     ON d.oid = s.setdatabase WHERE datname = current_database()))::text
"""
TABLES = """
SELECT quote_ident(relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY oid
"""
SEQUENCES = """
SELECT quote_ident(sequencename) AS name, coalesce(last_value, start_value) AS value,
       last_value IS NOT NULL AS called
FROM pg_sequences ORDER BY 1
"""


@dataclass(frozen=True)
class Template:
    """A database of which the others are copies, and what it holds."""

    name: str
    schema: str
    tables: tuple[str, ...]
    rows: dict[str, bytes]
    sequences: tuple[tuple[str, int, bool], ...]


class Databases:
    """Lends databases of one server. Every call runs on a loop of its own: callers may have one."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._templates: dict[str, Template] = {}
        self._free: defaultdict[str, list[str]] = defaultdict(list)
        self._made = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def lent(self, kind: str, prepare: Prepare) -> Iterator[str]:
        """The URL of a database as `prepare` leaves an empty one; `kind` names what that makes."""
        name = self._run(self._take(kind, prepare))
        yield self._server.url(name)
        self._run(self._give_back(kind, name))

    def migrated(self, service: str) -> AbstractContextManager[str]:
        """The URL of a database with that service's schema."""
        return self.lent(service, lambda url: migrate.upgrade(url, service))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _take(self, kind: str, prepare: Prepare) -> str:
        if kind not in self._templates:
            self._templates[kind] = await self._template(kind, prepare)
        if self._free[kind]:
            return self._free[kind].pop()
        self._made += 1
        name = f"{kind}_{self._made}"
        await self._server.create_database(name, self._templates[kind].name)
        return name

    async def _template(self, kind: str, prepare: Prepare) -> Template:
        name = f"template_{kind}"
        await prepare(await self._server.create_database(name))
        driver = await self._connect(name)
        try:
            tables = tuple(row[0] for row in await driver.fetch(TABLES))
            return Template(
                name,
                await driver.fetchval(SCHEMA),
                tables,
                {table: await _copied(driver, table) for table in await _filled(driver, tables)},
                tuple(tuple(row) for row in await driver.fetch(SEQUENCES)),
            )
        finally:
            await driver.close()

    async def _give_back(self, kind: str, name: str) -> None:
        if await self._as_new(self._templates[kind], name):
            self._free[kind].append(name)
        else:
            await self._server.drop_database(name)

    async def _as_new(self, template: Template, name: str) -> bool:
        """Whether it was possible to empty the database."""
        try:
            driver = await self._connect(name)
        except asyncpg.PostgresError:
            return False  # gone, or closed to everybody
        try:
            await driver.execute(OTHERS_OUT)
            if await driver.fetchval(SCHEMA) != template.schema:
                return False
            # the tables that refuse to be emptied refuse it to everybody but a replica
            await driver.execute("SET session_replication_role = replica")
            if filled := await _filled(driver, template.tables):
                await driver.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
            for table, rows in template.rows.items():
                await driver.copy_to_table(
                    table.strip('"'), source=BytesIO(rows), format="binary", schema_name="public"
                )
            for sequence in set(template.sequences) ^ {
                tuple(row) for row in await driver.fetch(SEQUENCES)
            }:
                if sequence in template.sequences:
                    await driver.execute("SELECT setval($1, $2, $3)", *sequence)
        finally:
            await driver.close()
        return True

    async def _connect(self, name: str) -> asyncpg.Connection:
        return await asyncpg.connect(self._server.dsn(name))


def plain_dsn(url: str) -> str:
    """`postgresql+asyncpg://…` as asyncpg itself and PostgreSQL's own programs read it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


async def with_foundation(url: str, tables: str) -> None:
    """Make what every service's database has, and `tables` by their SQL."""
    driver = await asyncpg.connect(plain_dsn(url))
    try:
        for statements in (*foundation.statements(), tables):
            await driver.execute(statements)
    finally:
        await driver.close()


async def _filled(driver: asyncpg.Connection, tables: tuple[str, ...]) -> list[str]:
    asked = " UNION ALL ".join(
        f"SELECT {number} WHERE EXISTS (SELECT FROM {table})" for number, table in enumerate(tables)
    )
    return [tables[row[0]] for row in await driver.fetch(asked)] if tables else []


async def _copied(driver: asyncpg.Connection, table: str) -> bytes:
    rows = BytesIO()
    await driver.copy_from_table(table.strip('"'), output=rows, format="binary")
    return rows.getvalue()
