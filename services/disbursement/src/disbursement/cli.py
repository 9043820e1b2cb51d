"""Disbursement's own command on the command line: `compared`."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from common.actor import Actor
from common.cli import with_runtime
from common.runtime import Runtime
from common.service import Service
from disbursement.payments.commands.past import payments_are_compared

console = Console()


def own_commands(service: Callable[[], Service]) -> typer.Typer:
    """The command, for the service that `service` gives when it is run."""
    app = typer.Typer()

    @app.command()
    def compared(
        operator: Annotated[str, typer.Option(help="who compared")],
        yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    ) -> None:
        """After `journal restore`: whatever has left is known and held; money may go out again."""
        if not yes:
            typer.confirm("Was every payment compared with the bank?", abort=True)

        async def work(runtime: Runtime) -> None:
            actor = Actor(subject=f"operator:{operator}", human=True)
            await runtime.units.run(payments_are_compared, actor=actor)

        with_runtime(service(), work)
        console.print("Payments may be released and sent again.")

    return app
