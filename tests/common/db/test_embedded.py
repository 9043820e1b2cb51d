"""The development database server: what the tests themselves stand on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from common.db.embedded import EmbeddedPostgres
from common.db.engine import create_engine


async def _write(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn())
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    await connection.close()


async def _read(server: EmbeddedPostgres) -> object:
    connection = await asyncpg.connect(server.dsn())
    try:
        return await connection.fetchval("SELECT n FROM kept")
    finally:
        await connection.close()


async def test_a_server_killed_hard_comes_back_with_what_was_committed(
    own_postgres: EmbeddedPostgres,
) -> None:
    await _write(own_postgres)
    own_postgres.kill()
    own_postgres.start()
    assert await _read(own_postgres) == 7


async def test_two_servers_run_side_by_side(
    postgres: EmbeddedPostgres, own_postgres: EmbeddedPostgres
) -> None:
    await _write(own_postgres)
    with pytest.raises(asyncpg.UndefinedTableError):
        await _read(postgres)


def test_a_folder_has_one_server_at_a_time(own_postgres: EmbeddedPostgres) -> None:
    with pytest.raises(RuntimeError, match="in use"):
        EmbeddedPostgres(own_postgres.folder).start()


def test_a_socket_path_that_would_be_too_long_is_moved(run_folder: Path) -> None:
    server = EmbeddedPostgres(run_folder / ("deep" * 20) / ("deeper" * 10), durable=False)
    server.start()
    try:
        asyncio.run(_write(server))
    finally:
        server.delete()


@pytest.mark.parametrize("extension", ["pg_trgm", "unaccent", "btree_gist"])
async def test_the_extensions_that_the_services_need_are_there(
    scratch_database: str, extension: str
) -> None:
    engine = create_engine(scratch_database, application_name="test")
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE EXTENSION {extension}"))
    await engine.dispose()


async def test_letters_beyond_ascii_are_letters(scratch_database: str) -> None:
    engine = create_engine(scratch_database, application_name="test")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE EXTENSION pg_trgm"))
        close = await connection.scalar(
            text("SELECT similarity('Ação Moçambique', 'acao Moçambique')")
        )
        lower = await connection.scalar(text("SELECT lower('ÉLAN')"))
    await engine.dispose()
    assert (close or 0) > 0.4
    assert lower == "élan"
