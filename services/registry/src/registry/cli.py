"""The registry's own commands on the command line: `import` and `expire`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from common.actor import Actor
from common.cli import with_runtime
from common.codes import is_country
from common.errors import DomainError
from common.runtime import Runtime
from common.service import Service
from common.uow import UnitOfWork
from registry.due_diligence.commands import MAX_LAPSING, expire_lapsed
from registry.imports.commands import import_organisations
from registry.imports.rules import MAX_LINE_BYTES, Outcome
from registry.imports.tables import Report, State

console = Console()
complaints = Console(stderr=True)


def own_commands(service: Callable[[], Service]) -> typer.Typer:
    """The commands, for the service that `service` gives when one is run."""
    app = typer.Typer()

    @app.command("import")
    def import_file(
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
        country: Annotated[str, typer.Option(help="whose organisations these are: ISO alpha-3")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="load nothing")] = False,
        skip_wrong: Annotated[
            bool, typer.Option("--skip-wrong", help="load the rest although rows are wrong")
        ] = False,
    ) -> None:
        """Enter the organisations of a CSV file as draft partners: all of them, or none.

        Exits with 1 when rows are wrong, with 2 when the file cannot be read at all.
        """
        if not is_country(country):
            complaints.print(f"{country} is not an ISO 3166-1 alpha-3 country code, such as BGD")
            raise typer.Exit(2)
        report = _import(service(), file, country, dry_run=dry_run, skip_wrong=skip_wrong)
        _show(report)
        if report.counts[Outcome.WRONG] and not skip_wrong:
            raise typer.Exit(1)

    @app.command()
    def expire() -> None:
        """Move partners whose due diligence lapsed to `expired` now; the worker does so hourly."""

        async def work(runtime: Runtime) -> int:
            total = 0
            while done := await runtime.units.run(
                expire_lapsed, actor=Actor.system(runtime.service.name)
            ):
                total += done
                if done < MAX_LAPSING:
                    break
            return total

        console.print(f"{with_runtime(service(), work)} partners have expired")

    return app


def _import(
    service: Service, file: Path, country: str, *, dry_run: bool, skip_wrong: bool
) -> Report:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn()
    )

    async def work(runtime: Runtime) -> Report:
        async def load(uow: UnitOfWork) -> Report:
            with file.open("rb") as source:
                return await import_organisations(
                    uow,
                    iter(lambda: source.readline(MAX_LINE_BYTES + 1), b""),
                    country=country,
                    dry_run=dry_run,
                    skip_wrong=skip_wrong,
                    progress=lambda rows: bar.update(task, completed=rows),
                )

        return await runtime.units.run(load, actor=Actor.system(service.name))

    try:
        with bar:
            task = bar.add_task("trying" if dry_run else "importing", total=_lines(file))
            return with_runtime(service, work)
    except DomainError as refusal:
        complaints.print(refusal.detail)
        raise typer.Exit(2) from refusal


def _lines(file: Path) -> int:
    """About how many rows the file has."""

    def blocks() -> Iterator[bytes]:
        with file.open("rb") as source:
            while block := source.read(1 << 20):
                yield block

    return max(1, sum(block.count(b"\n") for block in blocks()) - 1)


def _show(report: Report) -> None:
    if report.problems:
        table = Table("line", "outcome", "name", "why")
        for each in report.problems:
            table.add_row(str(each.row), each.outcome.value, each.name, each.message)
        console.print(table)
    listed = len(report.problems)
    counts = report.counts
    more = counts[Outcome.SKIPPED] + counts[Outcome.WRONG] - listed
    if more > 0:
        console.print(f"… and {more} more rows like these")
    verdict = {
        State.LOADED: "loaded",
        State.TRIED: "a dry run: nothing was loaded",
        State.REFUSED: "refused: nothing was loaded",
    }[report.state]
    figures = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
    console.print(f"{report.country}: {verdict} ({figures})")
