"""Bringing a database to the schema that the code expects."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.engine import create_engine
from common.db.migrate import current_revision, head_revision, upgrade

ENV = "from sqlalchemy import MetaData\nfrom common.db.alembic_env import run\nrun(MetaData())\n"
REVISION = """
from alembic import op
revision, down_revision, branch_labels, depends_on = {name!r}, {before!r}, None, None
def upgrade() -> None:
    op.execute({statement!r})
"""


class Package:
    """A small package with migrations, made for one test."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._last = name, ""
        self._versions = folder / name / "migrations" / "versions"
        self._versions.mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        (folder / name / "migrations" / "env.py").write_text(ENV)

    def add(self, name: str, statement: str) -> None:
        source = REVISION.format(name=name, before=self._last or None, statement=statement)
        (self._versions / f"{name}.py").write_text(source)
        self._last = name


@pytest.fixture
def package(tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Package(tmp_path, f"migrated_{unique}")
    sys.modules.pop(f"migrated_{unique}", None)


@pytest.fixture
async def engine(scratch_database: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(scratch_database, application_name="test")
    yield engine
    await engine.dispose()


async def test_a_database_is_current_once_it_has_every_revision(
    scratch_database: str, engine: AsyncEngine, package: Package
) -> None:
    package.add("0001", "CREATE TABLE parcel (n int)")
    assert await current_revision(engine) is None
    await upgrade(scratch_database, package.name)
    assert await current_revision(engine) == head_revision(package.name) == "0001"
    package.add("0002", "CREATE TABLE shelf (n int)")
    assert await current_revision(engine) == "0001"
    assert head_revision(package.name) == "0002"


async def test_replicas_that_migrate_at_once_do_it_once(
    scratch_database: str, engine: AsyncEngine, package: Package
) -> None:
    package.add("0001", "CREATE TABLE parcel AS SELECT pg_sleep(0.2)::text AS slept")
    package.add("0002", "INSERT INTO parcel VALUES ('once')")
    await asyncio.gather(*(upgrade(scratch_database, package.name) for _ in range(3)))
    async with engine.connect() as connection:
        count = await connection.scalar(text("SELECT count(*) FROM parcel WHERE slept = 'once'"))
    assert count == 1


async def test_a_revision_that_fails_leaves_nothing_of_itself_and_all_before_it(
    scratch_database: str, engine: AsyncEngine, package: Package
) -> None:
    package.add("0001", "CREATE TABLE parcel (n int)")
    package.add("0002", "CREATE TABLE shelf AS SELECT 1 / 0 AS n")
    with pytest.raises(DBAPIError, match="division by zero"):
        await upgrade(scratch_database, package.name)
    assert await current_revision(engine) == "0001"


async def test_a_table_in_use_is_not_waited_for_with_the_traffic_behind_it(
    scratch_database: str, engine: AsyncEngine, package: Package
) -> None:
    package.add("0001", "CREATE TABLE parcel (n int)")
    await upgrade(scratch_database, package.name)
    package.add("0002", "ALTER TABLE parcel ADD COLUMN m int")
    async with engine.connect() as reader:
        await reader.execute(text("BEGIN"))
        await reader.execute(text("SELECT * FROM parcel"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await upgrade(scratch_database, package.name)
        await reader.execute(text("ROLLBACK"))
    await upgrade(scratch_database, package.name)
    assert await current_revision(engine) == "0002"


async def test_a_second_migration_does_not_wait_for_ever(
    scratch_database: str, engine: AsyncEngine, package: Package
) -> None:
    package.add("0001", "CREATE TABLE slow AS SELECT pg_sleep(3)::text AS n")
    first = asyncio.create_task(upgrade(scratch_database, package.name))
    async with engine.connect() as connection:
        held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        while not await connection.scalar(held):
            await connection.rollback()
            await asyncio.sleep(0.02)
    with pytest.raises(TimeoutError):
        await upgrade(scratch_database, package.name, wait_seconds=0.1)
    await first
