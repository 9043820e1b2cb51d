"""What a bench stands on: PostgreSQL with fsync, Kafka, services as processes, clients with tokens.

Servers start when first asked for, everything is below one temporary folder, and all of it ends
with the block.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import httpx
import psutil
from rich.console import Console

from common.clock import SystemClock
from common.db import migrate
from common.db.embedded import EmbeddedPostgres
from common.http.auth.dev import mint_token
from common.kafka.embedded import EmbeddedKafka
from common.process import Child, free_port

CONNECTIONS = 16
READY_SECONDS = 60.0
SERVICES = ("registry", "disbursement", "coordination")


@dataclass
class Process:
    """A running process of a bench. Memory in MB (resident), `ready_seconds` since its start."""

    name: str
    port: int
    child: Child
    ready_seconds: float = 0.0
    at_start_mb: float = 0.0
    at_end_mb: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory_mb(self) -> float:
        """What it takes now."""
        return float(psutil.Process(self.child.pid).memory_info().rss) / 1e6


@dataclass(frozen=True)
class Load:
    """What a client saw of one target. `rates`: requests per second of each round."""

    rates: list[float]
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return sorted(self.rates)[len(self.rates) // 2]

    def over(self, floor: "Load") -> float:
        """How much of the floor's rate this is: the middle one of the rounds' ratios."""
        ratios = sorted(a / b for a, b in zip(self.rates, floor.rates, strict=True))
        return ratios[len(ratios) // 2]


@dataclass(frozen=True)
class Target:
    """A server with the requests that it gets. `status` is what every answer must have."""

    port: int
    requests: Sequence[bytes]
    status: int
    again: bool = False


@dataclass
class Scene:
    """See the module. `scaled(n)` is n, or a small part of it when the bench is only tried."""

    folder: Path
    console: Console
    quick: bool
    processes: list[Process] = field(default_factory=list)
    _closing: ExitStack = field(default_factory=ExitStack)
    _postgres: EmbeddedPostgres | None = None
    _kafka: EmbeddedKafka | None = None

    def scaled(self, count: int, least: int = 1) -> int:
        return max(least, count // 20) if self.quick else count

    # --- servers --------------------------------------------------------------------------------

    async def postgres(self) -> EmbeddedPostgres:
        if self._postgres is None:
            server = EmbeddedPostgres(self.folder / "postgres")
            await asyncio.to_thread(server.start)
            self._closing.callback(server.delete)
            self._postgres = server
        return self._postgres

    async def kafka(self) -> EmbeddedKafka:
        if self._kafka is None:
            broker = EmbeddedKafka(self.folder / "kafka", say=self.console.print)
            await asyncio.to_thread(broker.start)
            self._closing.callback(broker.delete)
            self._kafka = broker
        return self._kafka

    async def forget(self) -> None:
        """Begin the next line with an empty Kafka: publishers of new databases would rightly halt
        before one that knows more than they.
        """
        if self._kafka is not None:
            await asyncio.to_thread(self._kafka.wipe)

    @asynccontextmanager
    async def database(self, name: str, service: str | None = None) -> AsyncIterator[str]:
        """The URL of a database of that name, migrated for `service`, dropped in the end."""
        postgres = await self.postgres()
        url = await postgres.create_database(name)
        try:
            if service is not None:
                await migrate.upgrade(url, service)
            yield url
        finally:
            await postgres.drop_database(name)

    # --- processes ------------------------------------------------------------------------------

    @asynccontextmanager
    async def service(
        self, name: str, command: str, url: str, **settings: str
    ) -> AsyncIterator[Process]:
        """`python -m NAME COMMAND` on the database at `url`, ready to serve."""
        port = free_port()
        environment = self.environment(name, url, port=str(port), **settings)
        with self._child(name, port, ["-m", name, command], environment) as process:
            await _until_answers(process, "/readyz")
            yield process

    def environment(self, name: str, url: str, **settings: str) -> dict[str, str]:
        """All that the service `name` needs to know."""
        given = {
            "profile": "development",
            "host": "127.0.0.1",
            "database_url": url,
            "dev_issuer_key_file": str(self.folder / "issuer.json"),
            "kafka_create_topics": "true",
            "log_level": "WARNING",
            **settings,
        }
        broker = "127.0.0.1:9" if self._kafka is None else self._kafka.bootstrap_servers
        named = {f"{name.upper()}_{key.upper()}": value for key, value in given.items()}
        return {**named, "KAFKA_BOOTSTRAP_SERVERS": broker}

    @asynccontextmanager
    async def bare(self, dsn: str) -> AsyncIterator[Process]:
        """The floor, see `bench.bare`."""
        port = free_port()
        environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
        command = ["-m", "bench.bare", str(port), dsn]
        with self._child("bare", port, command, environment) as process:
            await _until_answers(process, "/openapi.json")
            yield process

    @contextmanager
    def _child(
        self, name: str, port: int, command: list[str], environment: dict[str, str]
    ) -> Iterator[Process]:
        log = self.folder / "logs" / f"{name}-{port}.log"
        child = Child(name, [sys.executable, *command], log=log, env=environment)
        process = Process(name, port, child)
        child.start()
        try:
            yield process
            process.at_end_mb = process.memory_mb()
            self.processes.append(process)
        finally:
            child.stop()

    def token(self, *services: str, scopes: Iterable[str]) -> str:
        """A bearer token of a person who may do this everywhere."""
        return mint_token(
            self.folder / "issuer.json",
            subject="bench",
            scopes=scopes,
            audience=services,
            clock=SystemClock(),
            roles=["payment_approver"],
        )

    # --- load -----------------------------------------------------------------------------------

    async def compare(
        self,
        *targets: Target,
        connections: int = CONNECTIONS,
        rounds: int = 5,
        seconds: float = 2.0,
        warm_seconds: float = 1.0,
    ) -> list[Load]:
        """What so many connections get of each target, which take turns.

        Raises RuntimeError when an answer has another status than it must.
        """
        job = {
            "connections": connections,
            "rounds": 2 if self.quick else rounds,
            "seconds": 0.5 if self.quick else seconds,
            "warm_seconds": 0.3 if self.quick else warm_seconds,
            "targets": [
                {
                    "port": each.port,
                    "requests": str(self._written(number, each)),
                    "again": each.again,
                }
                for number, each in enumerate(targets)
            ],
        }
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, str(Path(__file__).with_name("client.py"))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await client.communicate(json.dumps(job).encode())
        if client.returncode:
            raise RuntimeError("the load generator failed")
        loads = []
        for target, seen in zip(targets, json.loads(printed), strict=True):
            if set(seen["statuses"]) != {str(target.status)}:
                raise RuntimeError(f"answers were {seen['statuses']}, not {target.status}")
            loads.append(Load(seen["rates"], seen["p50_ms"], seen["p99_ms"]))
        return loads

    def _written(self, number: int, target: Target) -> Path:
        path = self.folder / f"requests-{number}"
        with path.open("wb") as file:
            for request in target.requests:
                file.write(len(request).to_bytes(4, "big") + request)
        return path


def request(method: str, path: str, token: str = "", body: Any = None, **headers: str) -> bytes:
    """An HTTP request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def execute(url: str, *statements: str) -> None:
    """Send `statements` to the database at `url`, each as it is."""
    driver = await asyncpg.connect(dsn_of(url), timeout=10, command_timeout=300)
    try:
        for statement in statements:
            await driver.execute(statement)
    finally:
        await driver.close()


def dsn_of(url: str) -> str:
    """The URL as asyncpg takes it."""
    return re.sub(r"^postgresql\+asyncpg:", "postgresql:", url)


async def until(holds: Callable[[], Awaitable[Any]], seconds: float, pause: float = 0.005) -> Any:
    """Wait until `holds()` is true, and return what it gave. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (found := await holds()):
            await asyncio.sleep(pause)
        return found


async def _until_answers(process: Process, path: str) -> None:
    began = perf_counter()
    async with httpx.AsyncClient(base_url=process.url, timeout=2, trust_env=False) as http:

        async def answers() -> bool:
            if not process.child.alive:
                raise RuntimeError(f"{process.name} ended.\n{process.child.tail()}")
            try:
                return (await http.get(path)).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers, READY_SECONDS, pause=0.01)
    process.ready_seconds = perf_counter() - began
    process.at_start_mb = process.memory_mb()


@asynccontextmanager
async def open_scene(console: Console, folder: Path, *, quick: bool) -> AsyncIterator[Scene]:
    """A scene in `folder`. Whatever it started is ended and removed."""
    scene = Scene(folder, console, quick)
    try:
        yield scene
    finally:
        await asyncio.to_thread(scene._closing.close)
