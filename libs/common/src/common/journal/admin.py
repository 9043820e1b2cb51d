"""`python -m <service> journal …`: what an operator does with a journal."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from rich.console import Console

from common.db.driver import borrowed
from common.journal.checkpoint import Checkpoint, verify_checkpoint
from common.journal.checkpoint import checkpoint as take_checkpoint
from common.journal.restore import RestoreRefusedError, RestoreReport
from common.journal.restore import restore as restore_journal
from common.journal.verify import ChainReport, verify_chain
from common.runtime import Runtime
from common.service import Service

WithRuntime = Callable[[Service, Callable[[Runtime], Awaitable[Any]]], Any]

console = Console()


def journal_app(service: Service, with_runtime: WithRuntime) -> typer.Typer:
    """The journal's commands for `service`."""
    app = typer.Typer(help="Verify, restore and sign the journal.", no_args_is_help=True)
    _add_verify(app, service, with_runtime)
    _add_restore(app, service, with_runtime)
    _add_checkpoint(app, service, with_runtime)
    return app


def _add_verify(app: typer.Typer, service: Service, with_runtime: WithRuntime) -> None:
    @app.command()
    def verify(
        after: Annotated[int, typer.Option(min=0, help="a position known to be good")] = 0,
        checkpoint: Annotated[
            Path | None, typer.Option(help="what `checkpoint` printed; the chain must pass through")
        ] = None,
        public_key: Annotated[
            Path | None, typer.Option(help="its signer's Ed25519 public key, 32 bytes in base64")
        ] = None,
    ) -> None:
        """Walk the hash chain; exits with 1 and names the first broken row.

        Without a checkpoint, a chain that was rewritten as a whole looks sound.
        """
        kept = _read_checkpoint(service, checkpoint, public_key, after)

        async def walk(runtime: Runtime) -> ChainReport:
            async with borrowed(runtime.engine) as driver:
                return await verify_chain(driver, after, checkpoint=kept)

        report: ChainReport = with_runtime(service, walk)
        if report.broken is not None:
            console.print(f"[red]broken[/] at {report.broken}")
            raise typer.Exit(1)
        console.print(f"{report.rows} rows verify, up to {report.position} {report.hash.hex()}")
        if kept is not None:
            console.print(f"and the chain passes through the checkpoint of {kept.at}")


def _add_restore(app: typer.Typer, service: Service, with_runtime: WithRuntime) -> None:
    @app.command()
    def restore(
        reason: Annotated[str, typer.Option(help="why, for the other operators")],
        operator: Annotated[str, typer.Option(help="who does this")],
        epoch: Annotated[
            int | None,
            typer.Option(
                min=2,
                max=9999,
                help="instead of the next one, if Kafka has seen that: the halted publisher says",
            ),
        ] = None,
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
                epoch=epoch,
            )

        try:
            report: RestoreReport = with_runtime(service, begin)
        except RestoreRefusedError as error:
            console.print(f"[red]refused[/]: {error}")
            raise typer.Exit(1) from error
        streams = ", ".join(f"{count} {name}" for name, count in sorted(report.streams.items()))
        console.print(f"epoch {report.epoch} begins after {report.after_position}: {streams}")


def _add_checkpoint(app: typer.Typer, service: Service, with_runtime: WithRuntime) -> None:
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


def _read_checkpoint(
    service: Service, file: Path | None, key_file: Path | None, after: int
) -> Checkpoint | None:
    """The checkpoint to verify against. Exits with 2 unless it can tell something."""
    if file is None and key_file is None:
        return None
    if file is None or key_file is None:
        raise typer.BadParameter("--checkpoint and --public-key go together")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key_file.read_text()))
        kept = verify_checkpoint(file.read_text(), key)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    if kept.service != service.name:
        raise typer.BadParameter(f"the checkpoint is of {kept.service}'s journal")
    if kept.position < after:
        raise typer.BadParameter(f"the checkpoint, at {kept.position}, lies before --after")
    return kept
