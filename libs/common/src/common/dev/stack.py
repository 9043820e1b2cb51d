"""The three services as three processes, with the two servers that they need.

    async with Stack(folder) as stack:
        stack.urls["registry"]; stack.token(scopes=["registry.partners.read"]); stack.kafka.pause()

`KAFKA_BOOTSTRAP_SERVERS` and `<SERVICE>_DATABASE_URL` in the environment make it use servers that
run already; then `stack.kafka` or `stack.postgres` is None. Everything that it started ends with
it: at the block's end, on Ctrl-C, on SIGTERM, and, by the guard that every child has, also when it
is killed hard.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
from rich.console import Console

from common.actor import EVERYWHERE
from common.clock import SystemClock
from common.db.embedded import EmbeddedPostgres
from common.dev.progress import Steps
from common.http.auth.dev import mint_token, read_or_make_key
from common.kafka.embedded import EmbeddedKafka
from common.process import Child, ChildDied, free_port

SERVICES = ("registry", "disbursement", "coordination")
_READY_SECONDS = 120.0  # a busy machine; seconds on a free one
_MIGRATE_SECONDS = 120.0
_STOP_SECONDS = 25.0  # a service may drain for 20


class Stack:
    """A running Frontline below `folder`, which holds the servers' data, the logs and the
    development issuer's key.

    `fresh` empties the folder first. `ports` are used where they are free, others are taken
    otherwise. `environment` goes to every service, over what the stack sets itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fresh: bool = False,
        ports: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        console: Console | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.issuer_key_file = self.folder / "issuer.json"
        self.urls: dict[str, str] = {}
        self.database_urls: dict[str, str] = {}
        self.bootstrap_servers = ""
        self.postgres: EmbeddedPostgres | None = None
        self.kafka: EmbeddedKafka | None = None
        self.processes: dict[str, Child] = {}
        self._scopes: dict[str, list[str]] = {}
        self._fresh = fresh
        self._wanted_ports = ports or {}
        self._environment = dict(environment or {})
        self._console = console or Console(stderr=True)
        self._clock = SystemClock()

    # --- life -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._stop_on_sigterm()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def watch(self) -> None:
        """Return never. Raises ChildDied, with the log's end, when a process of the stack dies."""
        while True:
            for child in self.processes.values():
                if not child.alive:
                    raise ChildDied(f"{child.name} ended with {child.returncode}.\n{child.tail()}")
            await asyncio.sleep(0.5)

    # --- for the demo and the journeys ----------------------------------------------------------

    def scopes(self, *services: str) -> list[str]:
        """Every scope of `services`, of all three when none is named."""
        return sorted(scope for name in services or SERVICES for scope in self._scopes[name])

    def token(
        self,
        *,
        scopes: Iterable[str],
        subject: str = "developer",
        human: bool = True,
        countries: Iterable[str] = (EVERYWHERE,),
        partner: UUID | None = None,
        roles: Iterable[str] = (),
    ) -> str:
        """A bearer token that all three services accept, valid for eight hours.

        `countries`: ISO 3166-1 alpha-3 codes, or "*" for every country; `partner` binds it to one.
        """
        return mint_token(
            self.issuer_key_file,
            subject=subject,
            scopes=scopes,
            audience=SERVICES,
            clock=self._clock,
            human=human,
            countries=countries,
            partner=partner,
            roles=roles,
        )

    async def start_service(self, name: str, extra_env: Mapping[str, str] | None = None) -> None:
        """Start one service on its port, with `extra_env` over its settings, and wait until it is
        ready; one that runs is stopped in good order first.

        Raises ChildDied, with the log's end, when it ends or is not ready in two minutes.
        """
        if name in self.processes:  # one that has died still has its guard
            await in_thread(self.processes[name].stop, _STOP_SECONDS)
        child = self._child(name, "run", extra_env)
        self.processes[name] = child
        child.start()
        await self._until_ready(name, child)
        self._write_state()

    def service_environment(self, name: str) -> dict[str, str]:
        """What the service `name` gets as its environment, to run its other commands by hand."""
        prefix = name.upper()
        port = self.urls[name].rsplit(":", 1)[1]
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "",  # keep what is compiled: the next start is quick
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            f"{prefix}_PROFILE": "development",
            f"{prefix}_HOST": "127.0.0.1",
            f"{prefix}_PORT": port,
            f"{prefix}_PUBLIC_URL": self.urls[name],
            f"{prefix}_DATABASE_URL": self.database_urls[name],
            f"{prefix}_DEV_ISSUER_KEY_FILE": str(self.issuer_key_file),
            f"{prefix}_KAFKA_CREATE_TOPICS": "true",
            **self._environment,
        }

    def state(self) -> dict[str, Any]:
        """Where everything is, as `stack.json` says it to other programs (`make audit`)."""
        return {
            "pid": os.getpid(),
            "bootstrap_servers": self.bootstrap_servers,
            "issuer_key_file": str(self.issuer_key_file),
            "services": {
                name: {
                    "url": self.urls[name],
                    "database_url": self.database_urls[name],
                    "pid": child.pid,
                    "log": str(child.log),
                }
                for name, child in self.processes.items()
            },
        }

    # --- the steps of a start -------------------------------------------------------------------

    async def _start(self) -> None:
        if self._fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        read_or_make_key(self.issuer_key_file)  # before three services race to make it
        with Steps(self._console) as steps:
            await _together(self._start_postgres(steps), self._start_kafka(steps))
            for name in SERVICES:
                self.urls[name] = f"http://127.0.0.1:{free_port(self._wanted_ports.get(name))}"
            await _together(*(self._migrate(name, steps) for name in SERVICES))
            await _together(*(self._run(name, steps) for name in SERVICES))

    async def _start_postgres(self, steps: Steps) -> None:
        for name in SERVICES:
            if given := os.environ.get(f"{name.upper()}_DATABASE_URL"):
                self.database_urls[name] = given
        missing = [name for name in SERVICES if name not in self.database_urls]
        if not missing:
            return
        with steps.step("PostgreSQL 18"):
            self.postgres = EmbeddedPostgres(self.folder / "postgres")
            await in_thread(self.postgres.start)
            for name in missing:
                if not await self.postgres.has_database(name):
                    await self.postgres.create_database(name)
                self.database_urls[name] = self.postgres.url(name)

    async def _start_kafka(self, steps: Steps) -> None:
        self.bootstrap_servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        if self.bootstrap_servers:
            return
        with steps.step("Apache Kafka"):
            self.kafka = EmbeddedKafka(self.folder / "kafka", say=self._console.print)
            await in_thread(self.kafka.start)
            self.bootstrap_servers = self.kafka.bootstrap_servers

    async def _migrate(self, name: str, steps: Steps) -> None:
        with steps.step(f"{name}: database"):
            child = self._child(name, "migrate")
            child.start()
            try:
                async with asyncio.timeout(_MIGRATE_SECONDS):
                    while child.alive:
                        await asyncio.sleep(0.05)
            finally:
                await in_thread(child.stop)
            if child.returncode:
                raise ChildDied(f"{child.name} ended with {child.returncode}.\n{child.tail()}")

    async def _run(self, name: str, steps: Steps) -> None:
        with steps.step(f"{name}: {self.urls[name]}"):
            await self.start_service(name)

    def _child(self, name: str, command: str, extra_env: Mapping[str, str] | None = None) -> Child:
        return Child(
            f"{name} {command}",
            [sys.executable, "-m", name, command],
            log=self.folder / "logs" / f"{name}.log",
            env={**self.service_environment(name), **(extra_env or {})},
        )

    async def _until_ready(self, name: str, child: Child) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        async with httpx.AsyncClient(base_url=self.urls[name], timeout=2, trust_env=False) as http:
            while True:
                if not child.alive:
                    raise ChildDied(f"{child.name} ended with {child.returncode}.\n{child.tail()}")
                try:
                    if (await http.get("/readyz")).status_code == 200:
                        if name not in self._scopes:
                            document = (await http.get("/openapi.json")).json()
                            self._scopes[name] = _scopes_of(document)
                        return
                except httpx.TransportError:
                    pass
                if time.monotonic() > deadline:
                    raise ChildDied(
                        f"{name} was not ready within {_READY_SECONDS:g} s.\n{child.tail()}"
                    )
                await asyncio.sleep(0.05)

    # --- the end --------------------------------------------------------------------------------

    async def _stop(self) -> None:
        (self.folder / "stack.json").unlink(missing_ok=True)
        services = [child.stop for child in self.processes.values()]
        await asyncio.gather(*(in_thread(stop, _STOP_SECONDS) for stop in services))
        servers = [server.stop for server in (self.kafka, self.postgres) if server is not None]
        await asyncio.gather(*(in_thread(stop) for stop in servers))

    def _write_state(self) -> None:
        path = self.folder / "stack.json"
        partly = path.with_suffix(".partly")
        partly.write_text(json.dumps(self.state(), indent=2) + "\n")
        partly.replace(path)

    def _stop_on_sigterm(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _scopes_of(openapi: Mapping[str, Any]) -> list[str]:
    flows = openapi["components"]["securitySchemes"]["oauth2"]["flows"]
    return [scope for flow in flows.values() for scope in flow["scopes"]]


async def _together(*steps: Any) -> None:
    """Run the steps at once; the first that fails ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except* ChildDied as died:
        raise died.exceptions[0] from None


async def in_thread(call: Callable[..., Any], *arguments: Any) -> None:
    """Run a blocking call in a thread. Cancelled, it still waits for the call's end: a half-started
    server could not be stopped.
    """
    call_ends = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        await asyncio.shield(call_ends)
    except asyncio.CancelledError:
        await asyncio.wait([call_ends])
        raise
