"""Waiting until a soak's services are level again, and gathering what the checks ask about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import asyncpg
import httpx

from common.audit import Finding, audit
from common.dev.audit import AUDIT_SCOPES, compare_mirrors
from common.dev.stack import SERVICES
from common.runtime import open_runtime
from common.service import Service
from kafka_kit import header, read_events
from soak.checks import Belonging, Check, Facts, Record, Row
from soak.client import Request
from soak.fleet import Fleet
from support.databases import plain_dsn

LEVEL_SECONDS = 120.0
LONGEST_READ_SECONDS = 120.0

NOT_LEVEL = """
SELECT (SELECT count(*) FROM journal_unsealed) AS unsealed,
       (SELECT position FROM journal_head)
           - coalesce((SELECT position FROM reader WHERE name = 'kafka'), 0) AS unpublished,
       (SELECT count(*) FROM reaction_due) AS due
"""
ROWS = """
SELECT stream_type, stream, epoch, version, type, position, actor, correlation_id,
       data -> stream_type ->> 'status' AS status,
       data -> stream_type ->> 'eligibility' AS eligibility
FROM journal LEFT JOIN journal_seal USING (entry) ORDER BY position
"""
PAYMENTS = """
SELECT p.id, p.partner_id, p.status, EXISTS (
    SELECT FROM payment_hold h WHERE h.payment_id = p.id AND h.cause = 'partner_ineligible'
    AND h.took_effect AND h.lifted_at IS NULL) AS held
FROM payment p
"""
MEMBERSHIPS = """
SELECT id, partner_id, status, 'partner_ineligible' = ANY (suspended_for) AS held FROM membership
"""


def service(name: str) -> Service:
    """What the service is made of."""
    found: Service = import_module(f"{name}.service").SERVICE
    return found


async def until_level(fleet: Fleet) -> str:
    """Wait until everything is sealed, sent, mirrored and reacted to. What is not, if it stays."""
    left = ""

    async def level() -> bool:
        nonlocal left
        left = await _not_level(fleet)
        return not left

    try:
        async with asyncio.timeout(LEVEL_SECONDS):
            while not await level():
                await asyncio.sleep(0.5)
    except TimeoutError:
        return left or "the question took too long"
    return ""


async def _not_level(fleet: Fleet) -> str:
    for name in SERVICES:
        (row,) = await fetch(fleet, name, NOT_LEVEL)
        if waiting := {what: count for what, count in row.items() if count}:
            return f"{name}: {waiting}"
    unlike = [check.name for check in await mirrors(fleet) if not check.holds]
    return ", ".join(unlike)


async def mirrors(fleet: Fleet) -> list[Check]:
    """Every mirror beside its owner."""
    scopes = [f"{name}.{scope}" for name in SERVICES for scope in AUDIT_SCOPES]
    headers = {"Authorization": f"Bearer {fleet.token(subject='auditor', scopes=scopes)}"}
    async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
        compared = await compare_mirrors(http, fleet.urls)
    return [
        Check(
            f"{mirror} equals its owner",
            rows,
            () if equal else (f"{mirror} differs from {topic}",),
        )
        for mirror, topic, rows, equal in compared
    ]


async def invariants(fleet: Fleet) -> list[Check]:
    """What each service's own audit finds."""
    checks = []
    for name in SERVICES:
        for found in await _own_audit(fleet, name):
            checks.append(Check(f"{name}: {found.invariant}", 1, found.breaches))
    return checks


async def _own_audit(fleet: Fleet, name: str) -> list[Finding]:
    settings = service(name).settings(
        profile="development",
        database_url=fleet.database_urls[name],
        statement_timeout_seconds=LONGEST_READ_SECONDS,
        KAFKA_BOOTSTRAP_SERVERS=fleet.bootstrap_servers,
    )
    async with open_runtime(service(name), settings) as runtime:
        return await audit(runtime)


async def gather(fleet: Fleet, requests: Sequence[Request]) -> Facts:
    """The facts of a fleet that is level."""
    rows: list[Row] = []
    made: dict[str, int] = {}
    remembered: dict[tuple[str, str], tuple[int, bytes]] = {}
    for name in SERVICES:
        rows += [_row(name, row) for row in await fetch(fleet, name, ROWS)]
        for aggregate in service(name).aggregates:
            (count,) = await fetch(fleet, name, f'SELECT count(*) FROM "{aggregate.table}"')
            made[f"{name}.{aggregate.name}"] = count["count"]
        for row in await fetch(fleet, name, "SELECT key, status, body FROM idempotency"):
            remembered[name, row["key"]] = (row["status"], bytes(row["body"]))
    instructed = "SELECT payment_id FROM payment_instruction"
    return Facts(
        requests=requests,
        rows=rows,
        records=await _records(fleet),
        remembered=remembered,
        payments=[_belonging(row) for row in await fetch(fleet, "disbursement", PAYMENTS)],
        memberships=[_belonging(row) for row in await fetch(fleet, "coordination", MEMBERSHIPS)],
        instructions=[str(row[0]) for row in await fetch(fleet, "disbursement", instructed)],
        made=made,
    )


async def _records(fleet: Fleet) -> list[Record]:
    records = []
    for name in SERVICES:
        for aggregate in service(name).aggregates:
            for record in await read_events(fleet.bootstrap_servers, aggregate.topic):
                sequence, event = header(record, "ce_sequence"), header(record, "ce_type")
                key = record.key.decode()
                records.append(Record(aggregate.topic, key, sequence, _event(event)))
    return records


def _row(name: str, row: Mapping[str, Any]) -> Row:
    return Row(
        service=name,
        aggregate=row["stream_type"],
        stream=str(row["stream"]),
        sequence=f"{row['epoch']:04d}-{row['version']:010d}",
        event=_event(row["type"]),
        trace=row["correlation_id"],
        system=row["actor"].startswith("system:"),
        position=row["position"],
        status=row["status"],
        eligibility=row["eligibility"],
    )


def _belonging(row: Mapping[str, Any]) -> Belonging:
    return Belonging(str(row["id"]), str(row["partner_id"]), row["status"], row["held"])


def _event(type_: str) -> str:
    """`sent`, of `int.iom.disbursement.payment.sent.v1`."""
    return type_.split(".")[-2]


async def fetch(fleet: Fleet, name: str, statement: str) -> list[Any]:
    """The rows of a statement on a service's database."""
    driver = await asyncpg.connect(
        plain_dsn(fleet.database_urls[name]), command_timeout=LONGEST_READ_SECONDS
    )
    try:
        return list(await driver.fetch(statement))
    finally:
        await driver.close()
