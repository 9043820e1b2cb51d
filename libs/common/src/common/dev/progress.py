"""What starts, shown while it starts: live on a terminal, one line each in a log or a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Steps:
    """A list of named steps; use it as a context manager around all of them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Steps:
        self._live.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._live.stop()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step, running while the block runs; several may run at once."""
        began = time.monotonic()
        task = self._live.add_task(what, total=1)
        yield
        self._live.update(task, completed=1)
        if not self._console.is_terminal:
            self._console.print(f"  ✓ {what} ({time.monotonic() - began:.1f} s)")
