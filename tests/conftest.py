"""The two real servers for the tests, and a database of its own for every test.

Both servers start when the first test asks for them, on free ports and in data folders of this run
(of this worker, under xdist), and are removed at the end. There are no fakes of either, so no test
is skipped for want of one.

A service's schema is migrated once per run into a template database. Each test gets a copy of it to
itself, which the next test gets as if it were new.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog

from common.db.embedded import EmbeddedPostgres
from common.kafka.embedded import EmbeddedKafka
from support.databases import Databases

T = TypeVar("T")

_numbers = itertools.count(1)


# What is not configured as a service is prints plain failures, too: structlog's own default draws
# every local value, which takes seconds.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


# --- servers ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder of this run's (or worker's) own. Not pytest's: as root the database server runs as
    another user and must reach it.
    """
    folder = Path(tempfile.mkdtemp(prefix="frontline-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The run's PostgreSQL. Tests that hurt a server take `own_postgres`."""
    server = EmbeddedPostgres(run_folder / "postgres", durable=False)
    server.start()
    yield server
    server.delete()


@pytest.fixture(scope="session")
def kafka(run_folder: Path) -> Iterator[EmbeddedKafka]:
    """The run's Kafka, shared by its tests: name topics and groups with `unique`. Tests that hurt a
    broker take `own_kafka`.
    """
    broker = EmbeddedKafka(run_folder / "kafka")
    broker.start()
    yield broker
    broker.delete()


@pytest.fixture
def own_postgres(run_folder: Path, unique: str) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for this test alone, which it may kill."""
    server = EmbeddedPostgres(run_folder / f"postgres-{unique}", durable=False)
    server.start()
    yield server
    server.delete()


@pytest.fixture
def own_kafka(run_folder: Path, unique: str) -> Iterator[EmbeddedKafka]:
    """A broker for this test alone, which it may kill, pause or wipe."""
    broker = EmbeddedKafka(run_folder / f"kafka-{unique}")
    broker.start()
    yield broker
    broker.delete()


@pytest.fixture
def unique() -> str:
    """A short name that no other test of this run has: for topics, groups, databases."""
    return f"t{next(_numbers)}"


# --- databases ----------------------------------------------------------------------------------

Database = Callable[[str], str]


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """Lends databases to the tests of this run."""
    lent = Databases(postgres)
    yield lent
    lent.close()


@pytest.fixture
def scratch_database(postgres: EmbeddedPostgres, unique: str) -> Iterator[str]:
    """The URL of an empty database, made and dropped for this test."""
    yield _run(postgres.create_database(f"scratch_{unique}"))
    _run(postgres.drop_database(f"scratch_{unique}"))


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """`database("registry")`: the URL of a migrated database of that service, as new. Each call
    lends another one.
    """
    with contextlib.ExitStack() as lent:
        yield lambda service: lent.enter_context(databases.migrated(service))


@pytest.fixture
def registry_url(database: Database) -> str:
    """The URL of a fresh, migrated database of the registry."""
    return database("registry")


@pytest.fixture
def disbursement_url(database: Database) -> str:
    """The URL of a fresh, migrated database of disbursement."""
    return database("disbursement")


@pytest.fixture
def coordination_url(database: Database) -> str:
    """The URL of a fresh, migrated database of coordination."""
    return database("coordination")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on a loop of its own, in a thread: whoever calls may have a loop
    running already.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


# --- the closing lines --------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, also when none was: a skip is never silent."""
    skipped = terminalreporter.getreports("skipped")
    terminalreporter.section("skipped tests")
    for report in skipped:
        terminalreporter.line(f"{report.nodeid}: {report.longrepr}")
    terminalreporter.line(f"{len(skipped)} skipped")
