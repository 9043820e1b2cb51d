"""`python -m <service> journal …`: what an operator does with a journal."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from common.db.driver import borrowed
from common.journal.checkpoint import checkpoint as take_checkpoint
from common.journal.restore import RestoreReport
from common.journal.restore import restore as restore_journal
from common.journal.verify import ChainReport, verify_chain
from common.runtime import Runtime
from common.service import Service

WithRuntime = Callable[[Service, Callable[[Runtime], Awaitable[Any]]], Any]

console = Console()


def journal_app(service: Service, with_runtime: WithRuntime) -> typer.Typer:
    """The journal's commands for `service`."""
    app = typer.Typer(help="Verify, restore and sign the journal.", no_args_is_help=True)

    @app.command()
    def verify(
        after: Annotated[int, typer.Option(min=0, help="a position known to be good")] = 0,
    ) -> None:
        """Walk the hash chain; exits with 1 and names the first broken row."""

        async def walk(runtime: Runtime) -> ChainReport:
            async with borrowed(runtime.engine) as driver:
                return await verify_chain(driver, after)

        report: ChainReport = with_runtime(service, walk)
        if report.broken is not None:
            console.print(f"[red]broken[/] at {report.broken}")
            raise typer.Exit(1)
        console.print(f"{report.rows} rows verify, up to {report.position} {report.hash.hex()}")

    @app.command()
    def restore(
        reason: Annotated[str, typer.Option(help="why, for the other operators")],
        operator: Annotated[str, typer.Option(help="who does this")],
        yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    ) -> None:
        """After the database went back in time: begin a new epoch and publish everything again."""
        if not yes:
            typer.confirm(f"Begin a new epoch of {service.name}'s journal?", abort=True)

        async def begin(runtime: Runtime) -> RestoreReport:
            return await restore_journal(
                runtime.engine,
                service.aggregates,
                reason=reason,
                actor=f"operator:{operator}",
                ids=runtime.ids,
                clock=runtime.clock,
            )

        report: RestoreReport = with_runtime(service, begin)
        streams = ", ".join(f"{count} {name}" for name, count in sorted(report.streams.items()))
        console.print(f"epoch {report.epoch} begins after {report.after_position}: {streams}")

    @app.command()
    def checkpoint(
        key_file: Annotated[Path, typer.Option(help="Ed25519 private key, 32 bytes in base64")],
    ) -> None:
        """Print the chain's end, signed; keep it where the database's owner cannot reach."""
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key_file.read_text()))

        async def sign(runtime: Runtime) -> str:
            async with borrowed(runtime.engine) as driver:
                taken = await take_checkpoint(driver, service.name, runtime.clock.now())
            return taken.signed(key)

        typer.echo(with_runtime(service, sign))

    return app
