"""`make soak MINUTES=5`: Frontline under load while everything under it breaks, then the audit.

    python -m soak --minutes 5 [--seed 7]

Twelve processes, a PostgreSQL and a Kafka of its own, everything on the loopback address. What
breaks when, and what each way of the load chooses, follows from the seed; how they meet does not.
It ends by itself, and leaves nothing running; after a failure its logs are kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random, SystemRandom  # noqa: TID251 - a seed, printed; all else follows from it
from typing import Annotated, Any

import typer
from rich.console import Console

from common.clock import SystemClock
from common.dev.stack import SERVICES
from soak import gathering, report
from soak.checks import Check, check_all
from soak.client import Client
from soak.disorder import Disorder, plan
from soak.fleet import Fleet
from soak.load import PEOPLE, Load

REPEATED = 200
"""Accepted requests that are sent once more at the end, under their keys."""
LONGEST_MINUTES = 24 * 60
ENVIRONMENT = {
    "DISBURSEMENT_NEXT_TRANCHE": "any_time",
    "DISBURSEMENT_MIRROR_MAX_AGE_SECONDS": "10",  # so that money does wait while the broker is away
    **{f"{name.upper()}_WATERMARK_SECONDS": "1" for name in SERVICES},
}


async def soak(console: Console, folder: Path, seconds: float, seed: int) -> bool:
    """Load and disorder for so long, then the audit; whether everything holds."""
    faults = plan(Random(f"{seed} faults"), seconds)
    async with (
        Fleet(folder, environment=ENVIRONMENT, console=console) as fleet,
        Client(fleet, Random(f"{seed} client"), PEOPLE) as client,
    ):
        load = Load(client, seed, SystemClock().now().date())
        await load.set_up()
        client.stop_after(seconds)
        async with report.Watch(console, client, seconds) as watch:
            disorder = Disorder(fleet, watch.tell)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run())
                group.create_task(disorder.carry_out(faults))
        console.print("Load and faults have ended; everything is brought up again.")
        await fleet.mend()
        asked_again = await client.answer_what_is_open()
        console.print(f"{asked_again} requests were uncertain; they were asked again.")
        await client.repeat_some(REPEATED)
        checks = await _audit(console, fleet, client)
    console.print(report.counts("Faults", "fault", disorder.done))
    console.print(report.counts("Answers", "a sending met", client.fates))
    console.print(report.counts("What the logs complain of", "event", complaints(folder)))
    return report.audit(console, checks)


async def _audit(console: Console, fleet: Fleet, client: Client) -> list[Check]:
    left = await gathering.until_level(fleet)
    level = Check("everything is sealed, sent, mirrored and reacted to", 1, (left,) if left else ())
    console.print("Auditing.")
    facts = await gathering.gather(fleet, client.asked)
    return [
        level,
        *check_all(facts),
        *await gathering.mirrors(fleet),
        *await gathering.invariants(fleet),
    ]


def complaints(folder: Path) -> Counter[str]:
    """What the services logged as errors, by process and event; aiokafka's in one line, for it has
    much to say when the broker is away.
    """
    found: Counter[str] = Counter()
    for log in sorted((folder / "logs").glob("*-*.log")):
        process = log.stem.rpartition("-")[0]
        for line in log.read_text(errors="replace").splitlines():
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("level") in ("error", "critical"):
                of_kafka = str(said.get("logger")).startswith("aiokafka")
                found[f"{process}: {'aiokafka' if of_kafka else _complaint(said)}"] += 1
    return found


def _complaint(said: Mapping[str, Any]) -> str:
    """A line of a log in short: what happened, and the error that it ended with."""
    event = str(said.get("event")).partition("\n")[0]
    error = str(said.get("exception", "")).strip().rpartition("\n")[2]
    return f"{event}: {error[:120]}" if error else event


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    minutes: Annotated[float, typer.Option(min=0.1, max=LONGEST_MINUTES)] = 5,
    seed: Annotated[int | None, typer.Option(help="that of a run to be done again")] = None,
) -> None:
    """Load the three services while everything breaks, then check what must hold."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    seed = SystemRandom().randrange(1_000_000) if seed is None else seed
    console.print(f"Soaking for {minutes:g} minutes; the seed is {seed}.")
    folder = Path(tempfile.mkdtemp(prefix="frontline-soak-"))
    folder.chmod(0o711)  # the database server may run as another user
    try:
        held = asyncio.run(soak(console, folder, minutes * 60, seed))
    except (KeyboardInterrupt, asyncio.CancelledError):
        shutil.rmtree(folder, ignore_errors=True)
        console.print("Stopped; nothing was left running.")
        raise typer.Exit(130) from None
    if not held:
        console.print(f"[red]Something does not hold.[/] Seed {seed}; the logs are in {folder}.")
        raise typer.Exit(1)
    shutil.rmtree(folder, ignore_errors=True)
    console.print(f"[green]Everything holds.[/] Seed {seed}.")


if __name__ == "__main__":
    app()
