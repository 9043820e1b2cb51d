"""The database roles of a deployment, on a server prepared by its own databases.sql.

The rule is that a right that is not needed is not there: what is asserted is `permission denied`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from common.db import migrate, roles
from common.db.embedded import EmbeddedPostgres
from common.journal.seal import Sealer
from common.journal.verify import verify_chain
from common.service import Service
from support.api import open_api, open_service
from support.registry import SHAPLA, made

SERVICES = ("registry", "disbursement", "coordination")
APPLICATION = ("api", "worker")
APPEND_ONLY = [
    ("registry", "partner_verification"),
    ("registry", "partner_declaration"),
    ("disbursement", "ledger_transaction"),
    ("disbursement", "ledger_entry"),
    ("disbursement", "grant_receipt"),
    ("disbursement", "payment_revision"),
    ("disbursement", "payment_submission"),
    ("disbursement", "payment_approval"),
    ("disbursement", "payment_instruction"),
    *((service, "journal") for service in SERVICES),
    *((service, "journal_seal") for service in SERVICES),
    *((service, "stream_key") for service in SERVICES),
]
DDL = [
    "CREATE TABLE mine (n integer)",
    "CREATE TEMPORARY TABLE mine (n integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION btree_gist",
    "ALTER TABLE journal DISABLE TRIGGER ALL",
    "ALTER TABLE journal ADD COLUMN mine integer",
    "DROP TRIGGER journal_keeps_rows ON journal",
    "DROP TABLE journal",
    "TRUNCATE journal",
    "CREATE OR REPLACE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "SET session_replication_role = replica",
]


def service_named(name: str) -> Service:
    service: Service = importlib.import_module(f"{name}.service").SERVICE
    return service


@pytest.fixture(scope="module")
def server(run_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server with the three databases as a deployment makes, migrates and grants them."""
    own = EmbeddedPostgres(run_folder / "postgres-roles", durable=False)
    own.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _deploy(own)).result()
        yield own
    finally:
        own.delete()


async def _deploy(server: EmbeddedPostgres) -> None:
    script = Path(__file__).parents[2] / "deploy/databases.sql"
    driver = await asyncpg.connect(server.dsn())
    for statement in script.read_text(encoding="utf-8").rstrip(";\n").split(";\n"):
        await driver.execute(statement)
    await driver.close()
    for name in SERVICES:
        url = url_of(server, name, "owner")
        await migrate.upgrade(url, name)
        granted = await roles.grant(url, service_named(name))
        assert granted == [f"{name}_{role}" for role in ("api", "auditor", "worker")]


def url_of(server: EmbeddedPostgres, service: str, role: str) -> str:
    return server.url(service).replace("postgres@", f"{service}_{role}@")


@asynccontextmanager
async def as_role(server: EmbeddedPostgres, service: str, role: str) -> AsyncIterator[Any]:
    """A connection as that role, whose changes are taken back."""
    url = url_of(server, service, role).replace("postgresql+asyncpg", "postgresql")
    driver = await asyncpg.connect(url)
    await driver.execute("BEGIN")
    try:
        yield driver
    finally:
        await driver.close()


async def refused(server: EmbeddedPostgres, service: str, role: str, statement: str) -> None:
    async with as_role(server, service, role) as driver:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"denied|must be owner"):
            await driver.execute(statement)


async def tables_of(server: EmbeddedPostgres, service: str) -> list[Any]:
    async with as_role(server, service, "owner") as driver:
        found: list[Any] = await driver.fetch(roles.TABLES)
    return found


@pytest.mark.parametrize("role", ["api", "worker", "auditor"])
@pytest.mark.parametrize("statement", DDL)
async def test_only_the_owner_changes_the_schema(
    server: EmbeddedPostgres, role: str, statement: str
) -> None:
    await refused(server, "registry", role, statement)


@pytest.mark.parametrize("role", APPLICATION)
@pytest.mark.parametrize("service, table", APPEND_ONLY)
async def test_what_is_append_only_is_so_by_its_grants_too(
    server: EmbeddedPostgres, service: str, table: str, role: str
) -> None:
    async with as_role(server, service, "owner") as driver:
        column = await driver.fetchval(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", table
        )
    await refused(server, service, role, f"UPDATE {table} SET {column} = DEFAULT")
    await refused(server, service, role, f"DELETE FROM {table}")


@pytest.mark.parametrize("service", SERVICES)
async def test_no_right_is_granted_to_what_a_trigger_refuses(
    server: EmbeddedPostgres, service: str
) -> None:
    refusing = 0
    for table in await tables_of(server, service):
        for change in roles.refusals(table):
            refusing += 1
            for role in APPLICATION:
                async with as_role(server, service, role) as driver:
                    may = "SELECT has_table_privilege($1, $2)"
                    assert not await driver.fetchval(may, table["name"], change), table["name"]
    assert refusing >= 1


@pytest.mark.parametrize("service", SERVICES)
async def test_only_the_worker_seals_and_it_changes_nothing_else_of_the_journal(
    server: EmbeddedPostgres, service: str
) -> None:
    for seal, done in (
        ("INSERT INTO journal_seal VALUES (1, 1, sha256('x'))", "INSERT 0 1"),
        ("DELETE FROM journal_unsealed", "DELETE 0"),
    ):
        await refused(server, service, "api", seal)
        async with as_role(server, service, "worker") as driver:
            assert await driver.execute(seal) == done
    await refused(server, service, "worker", "UPDATE journal SET data = data")
    await refused(server, service, "worker", "UPDATE journal_seal SET hash = hash")
    for role in ("api", "worker"):  # only the journal's own trigger says what waits
        await refused(server, service, role, "INSERT INTO journal_unsealed VALUES (1)")
    for role in ("api", "worker", "auditor"):  # nor does a trigger of theirs on another table
        async with as_role(server, service, role) as driver:
            may = "SELECT has_function_privilege('journal_note()', 'EXECUTE')"
            assert not await driver.fetchval(may), role
    await refused(server, service, "api", "UPDATE journal_head SET position = 0")
    await refused(server, service, "api", "UPDATE journal_latest SET position = 0")


@pytest.mark.parametrize("role", APPLICATION)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_epoch SET epoch = epoch + 1",
        "UPDATE stream_key SET wrapped = NULL",
        "UPDATE alembic_version SET version_num = '0'",
        "DELETE FROM partner",
    ],
)
async def test_what_operators_do_is_the_owners(
    server: EmbeddedPostgres, role: str, statement: str
) -> None:
    await refused(server, "registry", role, statement)


async def test_what_the_mirror_says_is_the_workers_and_a_command_only_locks_it(
    server: EmbeddedPostgres,
) -> None:
    await refused(server, "disbursement", "api", "UPDATE partner_mirror SET eligibility = 'x'")
    await refused(server, "disbursement", "api", "INSERT INTO partner_mirror DEFAULT VALUES")
    async with as_role(server, "disbursement", "api") as driver:
        await driver.execute("SELECT FROM partner_mirror FOR SHARE")
    async with as_role(server, "disbursement", "worker") as driver:
        await driver.execute("UPDATE partner_mirror SET eligibility = 'ineligible'")


@pytest.mark.parametrize("service", SERVICES)
async def test_an_auditor_reads_everything_and_changes_nothing(
    server: EmbeddedPostgres, service: str
) -> None:
    for table in await tables_of(server, service):
        async with as_role(server, service, "auditor") as driver:
            await driver.fetch(f"SELECT * FROM {table['quoted']}")
            may = "SELECT has_table_privilege($1, 'INSERT, UPDATE, DELETE, TRUNCATE')"
            assert not await driver.fetchval(may, table["name"]), table["name"]


@pytest.mark.parametrize("role", ["owner", "api", "worker", "auditor"])
async def test_a_role_reaches_no_other_services_database(
    server: EmbeddedPostgres, role: str
) -> None:
    url = url_of(server, "registry", role).replace("/registry?", "/disbursement?")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))


async def test_a_change_is_recorded_sealed_and_verified_each_by_its_own_role(
    server: EmbeddedPostgres,
) -> None:
    service = service_named("registry")
    async with open_api(service, url_of(server, "registry", "api")) as api:
        made(await api.post("/v1/partners", json=SHAPLA, headers={"Idempotency-Key": "once"}))
        answer = await api.get("/readyz")
        assert answer.json()["checks"]["schema"] == "ok", answer.text
    async with open_service(service, url_of(server, "registry", "worker")) as worker:
        assert await Sealer.of(worker).seal_batch() == 1
    async with as_role(server, "registry", "auditor") as driver:
        assert (await verify_chain(driver)).rows == 1


async def test_a_server_without_these_roles_needs_none(registry_url: str) -> None:
    assert await roles.grant(registry_url, service_named("registry")) == []


async def test_rights_are_put_right_when_they_are_granted_again(server: EmbeddedPostgres) -> None:
    async with as_role(server, "coordination", "owner") as driver:
        await driver.execute("GRANT ALL ON journal TO coordination_api; COMMIT")
    await roles.grant(url_of(server, "coordination", "owner"), service_named("coordination"))
    await refused(server, "coordination", "api", "DELETE FROM journal")


async def test_a_view_is_only_read(server: EmbeddedPostgres) -> None:
    url = url_of(server, "coordination", "owner")
    async with as_role(server, "coordination", "owner") as driver:
        await driver.execute("CREATE VIEW era AS SELECT * FROM journal_epoch; COMMIT")
        await roles.grant(url, service_named("coordination"))
        for role in APPLICATION:
            await refused(server, "coordination", role, "UPDATE era SET epoch = epoch + 1")
        await driver.execute("DROP VIEW era")
