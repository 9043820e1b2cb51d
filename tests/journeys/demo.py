"""`make demo`: the story told live, then the questions it answers, then the invariants."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from common.clock import SystemClock
from common.dev.audit import report
from common.dev.stack import Stack
from common.process import ChildDied
from journeys.people import Crew
from journeys.story import tell
from journeys.world import BOUND_SECONDS, COUNTRY, Step, World

COLOURS = {"registry": "cyan", "disbursement": "green", "coordination": "magenta", "kafka": "red"}

ENVIRONMENT = {
    "DISBURSEMENT_MIRROR_MAX_AGE_SECONDS": str(BOUND_SECONDS),
    "REGISTRY_WATERMARK_SECONDS": "1",
}


class NotEmptyError(Exception):
    """The servers that were given hold something already, which the story would collide with."""


async def play(console: Console, folder: Path) -> bool:
    """Run everything; whether every invariant holds at the end."""
    async with Stack(folder, fresh=True, environment=ENVIRONMENT, console=console) as stack:
        async with Crew(stack) as crew:
            world = World(stack, crew, SystemClock().now().date())
            if await crew.auditor.all("registry", "/v1/partners", country=COUNTRY):
                raise NotEmptyError("The demo needs empty databases and an empty Kafka.")
            await _show_story(console, world)
            for table in await answers(world):
                console.print()
                console.print(table)
        console.print("\n[bold]What must always hold[/]")
        return await report(console, stack.state())


async def _show_story(console: Console, world: World) -> None:
    table = Table(
        "service", "what happens", "what comes of it",
        title="CERF money for NGOs through IOM, June 2020, moved to today; amounts illustrative",
        title_justify="left", expand=True,
    )  # fmt: skip
    if not console.is_terminal:
        async for step in tell(world):
            console.print(f"{step.service:<13} {step.what} → {step.outcome}", highlight=False)
        return
    with Live(table, console=console, refresh_per_second=8, vertical_overflow="visible"):
        async for step in tell(world):
            table.add_row(*_row(step))


def _row(step: Step) -> Iterable[str]:
    return f"[{COLOURS[step.service]}]{step.service}[/]", step.what, step.outcome


# --- the questions ------------------------------------------------------------------------------


async def answers(world: World) -> list[Table]:
    """A table per question that the system must be able to answer at any moment."""
    return [
        await _who_may_be_paid(world),
        await _how_directly(world),
        await _whose_share(world),
        await _who_sits_where(world),
    ]


async def _who_may_be_paid(world: World) -> Table:
    table = Table(
        "partner", "kind", "local", "eligible", "why", "until",
        title="Who are our partners, and may we pay them?", title_justify="left",
    )  # fmt: skip
    for ngo in world.ngos:
        partner = await world.crew.auditor.get("registry", f"/v1/partners/{ngo.id}")
        verdict = await world.crew.auditor.get("registry", f"/v1/partners/{ngo.id}/eligibility")
        table.add_row(
            ngo.name,
            partner["kind"],
            partner["local"],
            verdict["eligibility"],
            ", ".join(verdict["reasons"]) or "verified, nothing against it",
            verdict["eligible_until"],
        )
    return table


async def _how_directly(world: World) -> Table:
    report = await world.crew.auditor.get("disbursement", f"/v1/grants/{world.grant}/directness")
    table = Table(
        "partner", "layers from the fund", "from the donor", "calendar days", "working days",
        title=f"How directly, and how fast since {report['disbursed_on']}?", title_justify="left",
    )  # fmt: skip
    for way in report["ways"]:
        table.add_row(
            way["legal_name"],
            *(
                str(way[name])
                for name in (
                    "layers_from_fund", "layers_from_donor", "calendar_days", "working_days",
                )
            ),
        )  # fmt: skip
    return table


async def _whose_share(world: World) -> Table:
    report = await world.crew.auditor.get(
        "disbursement", "/v1/transparency/shares", grant_id=world.grant
    )
    table = Table(
        "US$", "total", "to civil society", "to local and national actors", "undetermined",
        title="Who gets which share? (illustrative amounts)", title_justify="left",
    )  # fmt: skip
    for currency in report["currencies"]:
        for name in ("committed", "paid"):
            table.add_row(name, *_shares(currency[name]))
    return table


def _shares(shares: dict[str, Any]) -> Iterable[str]:
    yield f"{Decimal(shares['total']):,}"
    for part in ("to_civil_society", "to_local", "undetermined"):
        share = shares[f"{part}_share"]
        percent = "–" if share is None else f"{Decimal(share) * 100:.1f} %"
        yield f"{Decimal(shares[part]):,} ({percent})"


async def _who_sits_where(world: World) -> Table:
    table = Table(
        "cluster", "partner", "role", "seat", "local",
        title=f"Who sits at the table in {COUNTRY}?", title_justify="left",
    )  # fmt: skip
    for code, cluster in world.clusters.items():
        members = await world.crew.auditor.all("coordination", f"/v1/clusters/{cluster}/members")
        for member in members:
            table.add_row(code, member["name"], member["role"], member["status"], member["local"])
    return table


def main() -> int:
    """The exit code: 0 when the story went as it must and every invariant holds."""
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="frontline-demo-"))
    folder.chmod(0o711)  # the database server may run as another user
    try:
        held = asyncio.run(play(console, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped; nothing was left running.")
        return 130
    except (ChildDied, NotEmptyError) as error:
        console.print(f"[red]{error}[/]", highlight=False)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print("[green]Every invariant holds.[/]" if held else "[red]An invariant is broken.[/]")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
