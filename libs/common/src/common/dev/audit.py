"""The audit of a running stack: each service's own invariants, every mirror against its owner."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from common.clock import SystemClock
from common.http.auth.dev import mint_token

SETTLE_SECONDS = 20.0
"""How long mirrors may take to catch up with their owners before a difference is a breach."""


def audit(state_file: Path) -> int:
    """Audit the stack that `state_file` describes; 0 when all holds, 1 otherwise, 2 without one."""
    console = Console()
    if not state_file.exists():
        console.print("No stack is running here; start one with `make run`.")
        return 2
    return 0 if asyncio.run(report(console, json.loads(state_file.read_text()))) else 1


async def report(console: Console, state: Mapping[str, Any]) -> bool:
    """Audit the stack in `state`, show what was found, and say whether everything holds."""
    held = [await _own_invariants(console, name, state) for name in state["services"]]
    return await _mirrors_equal_owners(console, state) and all(held)


async def _own_invariants(console: Console, name: str, state: Mapping[str, Any]) -> bool:
    prefix = name.upper()
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": state["bootstrap_servers"],
        f"{prefix}_PROFILE": "development",
        f"{prefix}_DATABASE_URL": state["services"][name]["database_url"],
        f"{prefix}_LOG_LEVEL": "ERROR",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name, "audit", env=environment, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await child.communicate()
    console.print(f"[bold]{name}[/]")
    console.print(printed.decode().rstrip(), highlight=False)
    return child.returncode == 0


async def _mirrors_equal_owners(console: Console, state: Mapping[str, Any]) -> bool:
    token = mint_token(
        Path(state["issuer_key_file"]),
        subject="auditor",
        scopes=[f"{name}.{scope}" for name in state["services"] for scope in AUDIT_SCOPES],
        audience=list(state["services"]),
        clock=SystemClock(),
        ttl=timedelta(minutes=10),
    )
    urls = {name: service["url"] for name, service in state["services"].items()}
    deadline = time.monotonic() + SETTLE_SECONDS
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
    ) as http:
        rows = await compare_mirrors(http, urls)
        while not all(row[-1] for row in rows) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            rows = await compare_mirrors(http, urls)
    table = Table("mirror", "of", "rows", "equals its owner", box=None, pad_edge=False)
    for mirror, topic, count, equal in rows:
        table.add_row(mirror, topic, str(count), "[green]yes[/]" if equal else "[red]no[/]")
    console.print(table)
    return all(row[-1] for row in rows)


AUDIT_SCOPES = ("events.read", "mirrors.read")


async def compare_mirrors(
    http: httpx.AsyncClient, urls: Mapping[str, str]
) -> list[tuple[str, str, int, bool]]:
    """Every mirror of every service: its name, its topic, its rows, whether it equals its owner."""
    rows = []
    for name, url in urls.items():
        answer = await http.get(f"{url}/v1/mirrors", params={"digest": "true"})
        answer.raise_for_status()
        for mirror in answer.json()["mirrors"]:
            owner, aggregate, _ = mirror["topic"].split(".")
            owned = await http.get(
                f"{urls[owner]}/v1/events/digest", params={"aggregate": aggregate}
            )
            owned.raise_for_status()
            equal = mirror["digest"] == owned.json()["digest"]
            rows.append((f"{name}: {mirror['name']}", mirror["topic"], mirror["rows"], equal))
    return rows
