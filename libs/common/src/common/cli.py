"""`python -m <service> …`: one command line for every service.

serve    the HTTP API                     work     seal, publish, follow, react
run      both in one process              migrate  bring the database to this code's schema
journal  verify, restore, checkpoint      redrive  try parked records again
resync   make every reaction due          token    a development token
audit    check what must always hold
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console

from common.actor import EVERYWHERE
from common.journal.admin import journal_app
from common.runtime import Runtime, open_runtime
from common.service import Service
from common.settings import CommonSettings
from common.telemetry.logs import configure_logs

console = Console()
complaints = Console(stderr=True)

T = TypeVar("T")


def main(service: Service) -> None:
    """Run the command line of `service`."""
    command_line(service)()


def command_line(service: Service) -> typer.Typer:
    """Every command of `service`, its own ones included."""
    app = typer.Typer(
        name=service.name, help=service.title, no_args_is_help=True, pretty_exceptions_enable=False
    )
    _add_processes(app, service)
    _add_parking(app, service)
    _add_checks(app, service)
    _add_token(app, service)
    app.add_typer(journal_app(service, with_runtime), name="journal")
    for own in service.cli:
        app.add_typer(own)
    return app


def with_runtime(service: Service, work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Run `work` on an opened runtime; settings that are wrong are said in a sentence each."""
    settings = read_settings(service)
    configure_logs(service.name, settings.log_level, settings.log_format)

    async def opened() -> T:
        async with open_runtime(service, settings) as runtime:
            return await work(runtime)

    return asyncio.run(opened())


def read_settings(service: Service) -> CommonSettings:
    """The service's settings from the environment. Exits with 2, saying what to set, if wrong."""
    try:
        return service.settings()
    except ValidationError as error:
        prefix = service.settings.model_config.get("env_prefix", "")
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"])
            name = place if place.isupper() else f"{prefix}{place}".upper()
            complaints.print(f"[red]{name if place else 'settings'}[/]: {problem['msg']}")
        raise typer.Exit(2) from error


def _add_processes(app: typer.Typer, service: Service) -> None:
    from common import serving

    @app.command()
    def serve() -> None:
        """Answer HTTP."""
        serving.run(service, read_settings(service), api=True, worker=False)

    @app.command()
    def work() -> None:
        """Seal, publish, follow and react; HTTP answers health and metrics only."""
        serving.run(service, read_settings(service), api=False, worker=True)

    @app.command()
    def run() -> None:
        """Serve and work in one process."""
        serving.run(service, read_settings(service), api=True, worker=True)

    @app.command()
    def migrate() -> None:
        """Bring the database to the schema of this code, and create or verify the topics.

        Roles that the server knows for this service get their rights.
        """
        from common.db.migrate import upgrade
        from common.db.roles import grant
        from common.kafka.topics import ensure_topics

        settings = read_settings(service)
        url = settings.database_url.get_secret_value()
        asyncio.run(upgrade(url, service.name))
        granted = asyncio.run(grant(url, service))
        asyncio.run(ensure_topics(settings, service.aggregates))
        console.print(f"{service.name}: database and topics are in date")
        if granted:
            console.print(f"rights granted to {', '.join(granted)}")


def _add_parking(app: typer.Typer, service: Service) -> None:
    @app.command()
    def redrive(
        dismiss: Annotated[
            tuple[str, int, int] | None,
            typer.Option(
                metavar="TOPIC PARTITION OFFSET",
                help="give this record up instead: its key is no id, so no row waits for it",
            ),
        ] = None,
    ) -> None:
        """Try every parked record again, and name what is left."""
        from common.mirrors import redrive as parked

        async def work(runtime: Runtime) -> list[str]:
            if dismiss is None:
                report = await parked.redrive(runtime)
                said = f"{report.healed} healed, {report.left} still unreadable"
            elif await parked.dismiss(runtime, *dismiss):
                said = "dismissed"
            else:
                raise typer.BadParameter("no open record without an id is parked there")
            return [said, *await parked.still_open(runtime)]

        for line in with_runtime(service, work):
            console.print(line, markup=False, soft_wrap=True)


def _add_checks(app: typer.Typer, service: Service) -> None:
    @app.command()
    def resync() -> None:
        """Make every reaction due again; the worker runs them."""
        from common.mirrors.resync import resync as resync_reactions

        console.print(f"{with_runtime(service, resync_reactions)} reactions are due")

    @app.command()
    def audit() -> None:
        """Check the invariants; exits with 1 and names each breach when one does not hold."""
        from common.audit import audit as check
        from common.audit import print_report

        if not print_report(console, with_runtime(service, check)):
            raise typer.Exit(1)


def _add_token(app: typer.Typer, service: Service) -> None:
    @app.command()
    def token(
        subject: Annotated[str, typer.Option(help="who the token speaks for")] = "developer",
        scope: Annotated[list[str] | None, typer.Option(help="one scope; repeat it")] = None,
        country: Annotated[list[str] | None, typer.Option(help="ISO alpha-3; repeat it")] = None,
        partner: Annotated[UUID | None, typer.Option(help="bind it to one partner")] = None,
        service_account: Annotated[bool, typer.Option(help="a system, not a person")] = False,
        hours: Annotated[int, typer.Option(min=1, max=24)] = 8,
    ) -> None:
        """Print a token of the development issuer (all scopes of this service unless named)."""
        from common.clock import SystemClock
        from common.http.app import scopes_of
        from common.http.auth.dev import mint_token

        settings = read_settings(service)
        if not settings.development or settings.dev_issuer_key_file is None:
            complaints.print("tokens are minted only in the development profile")
            raise typer.Exit(2)
        typer.echo(
            mint_token(
                settings.dev_issuer_key_file,
                subject=subject,
                scopes=scope or sorted(scopes_of(service)),
                audience=[settings.audience or service.name],
                human=not service_account,
                countries=country or [EVERYWHERE],
                partner=partner,
                ttl=timedelta(hours=hours),
                clock=SystemClock(),
            )
        )
