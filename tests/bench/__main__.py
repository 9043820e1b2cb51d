"""`make bench`: one table of what Frontline does, beside what bare parts do in the same run.

    python -m bench [--only submit,read] [--quick]

Everything runs on this machine, on servers of its own, for about eight minutes; what it started
ends with it.
"""

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from bench import finding, growth, latency, pipeline, reading, starting, writing
from bench.figures import Figure, failed, table
from bench.scene import Scene, open_scene

LINES: Mapping[str, Callable[[Scene], Awaitable[list[Figure]]]] = {
    "submit": writing.submit,
    "read": reading.read,
    "mirror": latency.mirror,
    "drain": pipeline.drain,
    "search": finding.search,
    "growth": growth.growth,
    "start": starting.start,
}


async def run(scene: Scene, names: list[str]) -> list[Figure]:
    """Measure the lines, one after the other; one that fails leaves the others standing."""
    figures: list[Figure] = []
    for name in names:
        began = monotonic()
        try:
            found = await LINES[name](scene)
        except Exception:
            scene.console.print_exception()
            found = [failed(name)]
        await scene.forget()
        figures += found
        scene.console.print(table(found, f"{name} ({monotonic() - began:.0f} s)"))
    return figures + starting.afterwards(scene.processes)


def main(
    only: Annotated[str, typer.Option(help=f"some of {', '.join(LINES)}")] = "",
    quick: Annotated[bool, typer.Option(help="small counts: tries the bench itself")] = False,
) -> None:
    """Measure Frontline beside bare parts in the same run."""
    names = only.split(",") if only else list(LINES)
    if unknown := set(names) - set(LINES):
        raise typer.BadParameter(f"there is no {', '.join(sorted(unknown))}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # topics are new: it tries again
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)

    async def work(folder: Path) -> list[Figure]:
        async with open_scene(console, folder, quick=quick) as scene:
            return await run(scene, names)

    with tempfile.TemporaryDirectory(prefix="frontline-bench-") as folder:
        Path(folder).chmod(0o711)  # the database server may run as another user
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(work(Path(folder)))
    console.print(table(figures, "Frontline beside bare parts in the same run"))
    if any(each.failed for each in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
