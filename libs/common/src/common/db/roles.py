"""What each database role of a service may do, granted anew after every migration.

    <service>_api       answers HTTP                   <service>_worker    seals, publishes, follows
    <service>_auditor   reads                          the owner           migrates; grants nothing
                                                                           to itself
Whoever owns the tables can drop the triggers that keep them; an application that runs as another
role cannot. It has no DDL, and where a trigger refuses a change to a whole table, as it does for
what is append-only, the right to that change is not granted either. Only the worker may seal the
journal, and only it writes what the mirrors say.

Roles are made by whoever runs the server (deploy/databases.sql); those that are missing are passed
over, so a development server with one superuser needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from common.db.driver import connect

if TYPE_CHECKING:
    from common.service import Service


class Role(StrEnum):
    """Named `<service>_<role>` on the server."""

    API = "api"
    WORKER = "worker"
    AUDITOR = "auditor"


@dataclass(frozen=True)
class Rights:
    """What API and worker may do with one table; auditors read."""

    api: str
    worker: str


READ = "SELECT"
APPEND = "SELECT, INSERT"
CHANGE = "SELECT, INSERT, UPDATE"
REPLACE = "SELECT, INSERT, UPDATE, DELETE"

FOUNDATION: Mapping[str, Rights] = {
    "alembic_version": Rights(READ, READ),
    "journal": Rights(APPEND, APPEND),
    "journal_unsealed": Rights(READ, "SELECT, DELETE"),
    "journal_seal": Rights(READ, APPEND),
    "sealed": Rights(READ, READ),
    "unsealed": Rights(READ, READ),
    "journal_head": Rights(READ, "SELECT, UPDATE"),
    "journal_latest": Rights(READ, CHANGE),
    "journal_epoch": Rights(READ, READ),
    "stream_key": Rights(APPEND, APPEND),
    "reader": Rights(READ, CHANGE),
    "idempotency": Rights(CHANGE, REPLACE),
    "mirror_partition": Rights(READ, REPLACE),
    "reaction_due": Rights(READ, REPLACE),
    "parked": Rights(READ, CHANGE),
}
"""The tables that every service has. What only the owner may do (a new epoch, dropping a key) is
left out."""

MIRROR = Rights("SELECT, UPDATE (seen_at)", CHANGE)
"""A command locks the rows that it consults, which takes the right to change a column: the one that
says nothing."""

ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY($1::name[]) ORDER BY rolname"

# Of each table the changes that a trigger refuses to every statement (the bits of tgtype). A view
# may reach what whoever uses it may not, so it is only read.
TABLES = """
SELECT quote_ident(relname) AS quoted, relname AS name,
       relkind = 'v' OR coalesce(bool_or(tgtype & 4 <> 0), false) AS refuses_insert,
       relkind = 'v' OR coalesce(bool_or(tgtype & 16 <> 0), false) AS refuses_update,
       relkind = 'v' OR coalesce(bool_or(tgtype & 8 <> 0), false) AS refuses_delete
FROM pg_class LEFT JOIN (
    SELECT tgrelid, tgtype FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgattr = '' AND tgqual IS NULL
      AND tgtype & 3 = 2 AND proname IN ('journal_refuse', 'refuse_change', 'refuse_rewriting')
) AS refusal ON tgrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
GROUP BY relname, relkind
ORDER BY relname
"""


async def grant(url: str, service: Service) -> list[str]:
    """Give the roles of `service` that exist what they may do in its database, and nothing else.

    `url`: the owner's. Returns the names of the roles found. Harmless when repeated; errors of the
    database pass through, and nothing is changed then.
    """
    names = {f"{service.name}_{role}": role for role in Role}
    driver = await connect(url, application_name="frontline grants")
    try:
        async with driver.transaction():
            found = [row[0] for row in await driver.fetch(ROLES, list(names))]
            if found:
                await driver.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            tables = await driver.fetch(TABLES)
            for name in found:
                await _grant(driver, f'"{name}"', names[name], service, tables)
    finally:
        await driver.close()
    return found


async def _grant(driver: Any, quoted: str, role: Role, service: Service, tables: Any) -> None:
    await driver.execute(
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted};"
        f"GRANT USAGE ON SCHEMA public TO {quoted}"
    )
    for table in tables:
        rights = rights_on(service, table["name"], refusals(table))
        given = {Role.API: rights.api, Role.WORKER: rights.worker, Role.AUDITOR: READ}[role]
        await driver.execute(f"GRANT {given} ON TABLE {table['quoted']} TO {quoted}")


def refusals(table: Mapping[str, Any]) -> frozenset[str]:
    """What a row of TABLES says is refused to every statement."""
    return frozenset(
        change for change in ("INSERT", "UPDATE", "DELETE") if table[f"refuses_{change.lower()}"]
    )


def rights_on(service: Service, table: str, refused: frozenset[str]) -> Rights:
    """What may be done with `table`, given the changes that its triggers refuse to everybody."""
    if table in FOUNDATION:
        return FOUNDATION[table]
    if table in {mirror.table.name for mirror in service.mirrors}:
        return MIRROR
    usual = REPLACE if table in service.deletes_from else CHANGE
    allowed = ", ".join(right for right in usual.split(", ") if right not in refused)
    return Rights(allowed, allowed)
