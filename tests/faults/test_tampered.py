"""Somebody with every right on the database edits what nobody may: it does not stay hidden."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from common.db.driver import transaction
from common.journal.seal import Sealer
from support.disbursement import World, open_world

EDIT = """
UPDATE journal SET data = jsonb_set(data, '{payment,amount}', '"1.00"')
WHERE entry = (SELECT entry FROM journal_seal WHERE position = $1)
"""
EDIT_LEDGER = "UPDATE ledger_entry SET amount = amount + 1 WHERE transaction_id = $1 AND amount > 0"


async def test_verify_and_audit_name_the_first_row_of_the_journal_and_ledger_that_was_edited(
    disbursement_url: str,
) -> None:
    async with open_world(disbursement_url) as world:
        await world.sent()
        while await Sealer.of(world.runtime).seal_batch():
            pass
        edited = [row["position"] for row in await world.fetch(
            "SELECT position FROM sealed WHERE stream_type = 'payment' ORDER BY position"
        )][1:3]  # fmt: skip
        booked = (await world.fetch("SELECT id FROM ledger_transaction ORDER BY id"))[1]["id"]
        await as_superuser(world, *((EDIT, each) for each in edited), (EDIT_LEDGER, booked))
    verified, audited = await asyncio.gather(
        run(disbursement_url, "journal", "verify"), run(disbursement_url, "audit")
    )
    assert verified.returncode == audited.returncode == 1
    assert f"position {edited[0]}" in verified.stdout
    assert f"position {edited[0]}" in audited.stdout
    assert str(booked) in audited.stdout


async def as_superuser(world: World, *edits: tuple[str, object]) -> None:
    """Edit with every trigger and constraint off."""
    async with transaction(world.runtime.engine) as driver:
        await driver.execute("SET LOCAL session_replication_role = replica")
        for statement, value in edits:
            assert await driver.execute(statement, value) == "UPDATE 1"


async def run(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m disbursement …` on that database."""
    environment = {
        **os.environ,  # noqa: TID251 - handed on
        "COLUMNS": "250",
        "DISBURSEMENT_PROFILE": "development",
        "DISBURSEMENT_DATABASE_URL": url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "disbursement", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
