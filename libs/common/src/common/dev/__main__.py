"""`python -m common.dev run | fetch | audit`: what the Make targets call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from common.dev.stack import SERVICES, Stack
from common.kafka.embedded import prepare
from common.process import ChildDied

app = typer.Typer(help="Frontline on this machine.", no_args_is_help=True, add_completion=False)
# the roles that the default approval bands ask for
ROLES = ("payment_approver", "treasury")
_PORTS = {"registry": 8001, "disbursement": 8002, "coordination": 8003}
_Folder = typer.Option(Path(".run"), help="data, logs and the development issuer's key")


@app.command()
def run(folder: Path = _Folder) -> None:
    """Start everything and stay up until Ctrl-C. Data stays in the folder for the next time."""
    console = Console()
    try:
        asyncio.run(_run(folder, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped.")
    except (ChildDied, RuntimeError) as error:
        console.print(f"[red]{error}[/]", highlight=False)
        raise typer.Exit(1) from None


async def _run(folder: Path, console: Console) -> None:
    async with Stack(folder, ports=_PORTS, console=console) as stack:
        table = Table("service", "try it", "log", title="Frontline is up; Ctrl-C stops it")
        for name in SERVICES:
            table.add_row(name, f"{stack.urls[name]}/docs", str(folder / "logs" / f"{name}.log"))
        console.print(table)
        console.print("A token that may do everything, for a person (Authorize → paste it):")
        token = stack.token(scopes=stack.scopes(), roles=ROLES)
        console.print(token, soft_wrap=True, highlight=False)
        await stack.watch()


@app.command()
def fetch() -> None:
    """Fetch the development broker into the user's cache, when it is not there."""
    prepare(Console(stderr=True).print)


@app.command()
def audit(folder: Path = _Folder) -> None:
    """Check the invariants over the stack that is running."""
    from common.dev.audit import audit as check

    raise typer.Exit(check(folder / "stack.json"))


if __name__ == "__main__":
    app()
