"""Frontline as it runs in earnest: of each service two API replicas and two workers, a process
each, over one PostgreSQL and one Kafka.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
from rich.console import Console

from common.db.embedded import EmbeddedPostgres
from common.dev.stack import SERVICES, Stack, in_thread
from common.kafka.embedded import EmbeddedKafka
from common.process import Child, ChildDied, free_port

REPLICAS = 2
READY_SECONDS = 60.0


class Fleet(Stack):
    """The stack of `common.dev`, with `registry-api-1 … coordination-worker-2` as its processes.

    `replicas`: the addresses of each service's APIs.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str], console: Console) -> None:
        super().__init__(folder, environment=environment, console=console)
        self.replicas: dict[str, list[str]] = {}

    async def start_service(self, name: str, extra_env: Mapping[str, str] | None = None) -> None:
        """Start the replicas and the workers of one service, and wait for the first replica.

        Raises ChildDied, with the log's end.
        """
        others = [f"http://127.0.0.1:{free_port()}" for _ in range(REPLICAS - 1)]
        self.replicas[name] = [self.urls[name], *others]
        for number in range(REPLICAS):
            self.start(f"{name}-api-{number + 1}", extra_env)
            self.start(f"{name}-worker-{number + 1}", extra_env)
        await self._until_ready(name, self.processes[f"{name}-api-1"])

    def start(self, member: str, extra_env: Mapping[str, str] | None = None) -> None:
        """Start one process, with `extra_env` over its settings; it must be down."""
        service, part, number = member.split("-")
        replica = self.replicas[service][int(number) - 1]
        port = replica.rpartition(":")[2] if part == "api" else str(free_port())
        self.processes[member] = child = Child(
            member,
            [sys.executable, "-m", service, "serve" if part == "api" else "work"],
            log=self.folder / "logs" / f"{member}.log",
            env={
                **self.service_environment(service),
                f"{service.upper()}_PORT": port,
                **(extra_env or {}),
            },
        )
        child.start()

    async def mend(self) -> None:
        """Start what is down, wake what is frozen, and wait until every replica is ready.

        Raises TimeoutError; ChildDied with the end of its log.
        """
        for server in (self.broker, self.server):
            if not server.alive:
                await in_thread(server.start)
        self.broker.resume()
        for member, child in list(self.processes.items()):
            child.resume()
            if not child.alive:
                child.stop()
                self.start(member)
        async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient(trust_env=False) as http:
            for service in SERVICES:
                for number, url in enumerate(self.replicas[service]):
                    await self._until_up(http, url, self.processes[f"{service}-api-{number + 1}"])

    async def _until_up(self, http: httpx.AsyncClient, url: str, child: Child) -> None:
        while not await _is_ready(http, url):
            if not child.alive:
                raise ChildDied(f"{child.name} ended with {child.returncode}.\n{child.tail()}")
            await asyncio.sleep(0.1)

    @property
    def broker(self) -> EmbeddedKafka:
        assert self.kafka is not None, "a soak hurts the broker: it needs its own"
        return self.kafka

    @property
    def server(self) -> EmbeddedPostgres:
        assert self.postgres is not None, "a soak hurts the server: it needs its own"
        return self.postgres


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
