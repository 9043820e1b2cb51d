"""A soak as a person sees it: what goes on, and the tables at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from soak.checks import Check
from soak.client import Client

SHOWN = 5
"""Breaches printed for each check; their number is always told."""
EVERY_SECONDS = 10.0


class Watch:
    """What goes on: a live line in a terminal, plain lines otherwise."""

    def __init__(self, console: Console, client: Client, seconds: float) -> None:
        self._console = console
        self._client = client
        self._seconds = seconds
        self._began = asyncio.get_running_loop().time()
        self._last = ""
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task("", total=seconds)

    async def __aenter__(self) -> Self:
        self._live.start()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watching.cancel()
        self._live.stop()

    def tell(self, fault: str) -> None:
        """Something is being broken."""
        self._last = fault
        if not self._console.is_terminal:
            self._console.print(f"  {self._elapsed():6.1f} s  {fault}", highlight=False)

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def _watch(self) -> None:
        next_line = EVERY_SECONDS
        while True:
            sent = f"{self._client.sent} requests"
            self._live.update(
                self._task, completed=self._elapsed(), description=f"{sent}; {self._last}"
            )
            if self._elapsed() >= next_line and not self._console.is_terminal:
                self._console.print(f"  {self._elapsed():6.1f} s  {sent}", highlight=False)
                next_line += EVERY_SECONDS
            await asyncio.sleep(0.2)


def counts(title: str, column: str, found: Counter[str] | Mapping[str, int]) -> Table:
    """A table of what happened how often."""
    table = Table(column, "times", title=title, title_justify="left", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for what, times in sorted(found.items()):
        table.add_row(what, f"{times:,}")
    return table


def audit(console: Console, checks: Sequence[Check]) -> bool:
    """Show the checks with what broke; whether all hold."""
    table = Table(
        "what must hold", "asked of", "holds", title="The audit", title_justify="left", box=None
    )
    table.columns[1].justify = "right"
    for check in checks:
        held = "[green]yes[/]" if check.holds else f"[red]no: {len(check.breaches)}[/]"
        table.add_row(check.name, f"{check.asked:,}", held)
    console.print(table)
    for check in checks:
        for breach in check.breaches[:SHOWN]:
            console.print(f"{check.name}: {breach}", style="red", markup=False, highlight=False)
    return all(check.holds for check in checks)
