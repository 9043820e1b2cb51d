"""The tables that the code knows are the tables that the migrations make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.types import TypeEngine

from disbursement.ledger.rules import Purse
from disbursement.metadata import metadata
from disbursement.service import SERVICE
from support.disbursement import World

POSTGRESQL = create_engine("postgresql+asyncpg://").dialect


def test_every_aggregate_has_its_table() -> None:
    assert {each.table for each in SERVICE.aggregates} <= set(metadata.tables)


async def test_every_table_has_the_columns_that_the_code_knows(world: World) -> None:
    async with world.runtime.engine.connect() as db:
        made: Mapping[str, Mapping[str, Any]] = await db.run_sync(_columns)
    known = {
        table.name: {column.name: (_type(column.type), column.nullable) for column in table.columns}
        for table in metadata.sorted_tables
    }
    assert {name: made.get(name) for name in known} == known


async def test_the_database_knows_every_purse(world: World) -> None:
    for purse in Purse:
        await world.execute(
            "INSERT INTO ledger_balance (owner, purse, grant_id, currency)"
            " VALUES (gen_random_uuid(), $1, gen_random_uuid(), 'USD')",
            purse.value,
        )


LISTED_BY = {
    ("funding_grant", "country"),
    ("funding_grant", "project_code"),
    ("funding_grant", "application_code"),
    *(("agreement", column) for column in ("grant_id", "partner_id", "country", "status")),
    *(
        ("payment", column)
        for column in ("grant_id", "agreement_id", "partner_id", "country", "status")
    ),
}


async def test_whatever_lists_are_narrowed_by_is_indexed(world: World) -> None:
    rows = await world.fetch(
        "SELECT DISTINCT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
    )
    assert {tuple(row) for row in rows} >= LISTED_BY


def _type(type_: TypeEngine[Any]) -> str:
    return type_.compile(dialect=POSTGRESQL)


def _columns(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    inspector = inspect(connection)
    return {
        table: {
            column["name"]: (_type(column["type"]), column["nullable"])
            for column in inspector.get_columns(table)
        }
        for table in inspector.get_table_names()
    }
