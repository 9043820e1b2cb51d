"""What must always hold in one service: its chain, its parking place and its own invariants."""

from dataclasses import dataclass
from uuid import UUID

from rich.console import Console
from rich.table import Table

from common.actor import Actor
from common.db.driver import borrowed
from common.journal.verify import verify_chain
from common.runtime import Runtime
from common.service import Invariant
from common.uow import UnitOfWork

# Page by page of streams; each looks only at the end of its stream.
NEWEST = """
WITH RECURSIVE page (stream, number) AS (
    (SELECT stream, 1 FROM journal WHERE stream > $1 ORDER BY stream LIMIT 1)
    UNION ALL
    SELECT following.stream, number + 1 FROM page CROSS JOIN LATERAL (
        SELECT stream FROM journal WHERE stream > page.stream ORDER BY stream LIMIT 1
    ) AS following
    WHERE number < $2
)
SELECT page.stream, latest.position, newest.position AS newest
FROM page LEFT JOIN journal_latest AS latest USING (stream) LEFT JOIN LATERAL (
    SELECT position FROM journal JOIN journal_seal USING (entry)
    WHERE journal.stream = page.stream
    ORDER BY epoch DESC, version DESC LIMIT 1
) AS newest ON true
ORDER BY page.stream
"""

PAGE = 2000
MAX_BREACHES = 100
SHOWN = 5
"""Breaches printed per invariant; their number is always told."""


@dataclass(frozen=True)
class Finding:
    """An invariant and every breach of it, a sentence each."""

    invariant: str
    breaches: tuple[str, ...]


async def audit(runtime: Runtime) -> list[Finding]:
    """Every invariant of the service with its breaches. Reads in short steps, changes nothing."""
    actor = Actor.system(runtime.service.name)
    findings = [Finding("the journal's chain verifies", await _chain(runtime))]
    for invariant in (*_common(runtime), *runtime.service.invariants):
        breaches = await runtime.units.read(invariant.check, actor=actor)
        findings.append(Finding(invariant.name, tuple(breaches)))
    return findings


def print_report(console: Console, findings: list[Finding]) -> bool:
    """Show the findings; whether everything holds."""
    table = Table("invariant", "holds", box=None, pad_edge=False)
    for finding in findings:
        held = not finding.breaches
        table.add_row(
            finding.invariant, "[green]yes[/]" if held else f"[red]{len(finding.breaches)}[/]"
        )
        for breach in finding.breaches[:SHOWN]:
            table.add_row(f"  {breach}", "")
    console.print(table)
    return not any(finding.breaches for finding in findings)


async def _chain(runtime: Runtime) -> tuple[str, ...]:
    async with borrowed(runtime.engine) as driver:
        report = await verify_chain(driver)
    return () if report.broken is None else (str(report.broken),)


def _common(runtime: Runtime) -> tuple[Invariant, ...]:
    latest = Invariant("lists know each stream's newest change", _latest_is_newest)
    if not runtime.service.mirrors:
        return (latest,)
    return (
        latest,
        Invariant("no event is parked", _nothing_parked),
        Invariant("no reaction is stuck", _nothing_stuck),
    )


async def _latest_is_newest(uow: UnitOfWork) -> list[str]:
    breaches: list[str] = []
    after: UUID | None = UUID(int=0)
    while after is not None and len(breaches) < MAX_BREACHES:
        rows = await uow.driver.fetch(NEWEST, after, PAGE)
        breaches += [
            f"{row['stream']} is at {row['newest']}, not {row['position']}"
            for row in rows
            if row["newest"] != row["position"]
        ]
        after = rows[-1]["stream"] if rows else None
    return breaches


async def _nothing_parked(uow: UnitOfWork) -> list[str]:
    rows = await uow.driver.fetch(
        'SELECT topic, partition, "offset", error FROM parked WHERE resolved_at IS NULL'
        " ORDER BY parked_at LIMIT 100"
    )
    return [f"{row['topic']}/{row['partition']}@{row['offset']}: {row['error']}" for row in rows]


async def _nothing_stuck(uow: UnitOfWork) -> list[str]:
    rows = await uow.driver.fetch(
        "SELECT reaction, id, error FROM reaction_due WHERE error IS NOT NULL LIMIT 100"
    )
    return [f"{row['reaction']} of {row['id']}: {row['error']}" for row in rows]
