"""What goes wrong during a soak, when and for how long: planned from a seed, then carried out."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random  # noqa: TID251 - from a printed seed, so that it can be done again

import asyncpg

from common.dev.stack import SERVICES, in_thread
from common.points import Point
from common.process import Child
from soak.fleet import REPLICAS, Fleet

MOST_FAULTS = 2_000
FIRST_AFTER_SECONDS = 1.0
BETWEEN_SECONDS = (1.0, 8.0)
"""Most faults need some seconds to be got over, and the processor to start processes again."""


class Kind(StrEnum):
    """What is done to a process (`API`, `WORKER`) or a server."""

    KILLED = "process killed"
    STRUCK = "process killed at a named point"
    PAUSED = "process paused"
    STOPPED = "process stopped in good order"
    BROKER_KILLED = "broker killed"
    BROKER_RESTARTED = "broker restarted"
    BROKER_PAUSED = "broker paused"
    CUT = "database connections cut"
    DATABASE_KILLED = "database server killed"


OFTEN: dict[Kind, int] = {
    Kind.KILLED: 6,
    Kind.STRUCK: 5,
    Kind.PAUSED: 5,
    Kind.STOPPED: 2,
    Kind.BROKER_KILLED: 1,
    Kind.BROKER_RESTARTED: 1,
    Kind.BROKER_PAUSED: 2,
    Kind.CUT: 3,
    Kind.DATABASE_KILLED: 1,
}

LASTS: dict[Kind, tuple[float, float]] = {
    Kind.KILLED: (0.0, 2.0),
    Kind.STRUCK: (15.0, 25.0),
    Kind.PAUSED: (1.0, 9.0),  # a publisher's lease is 5 s: some are superseded, some are not
    Kind.STOPPED: (0.0, 2.0),
    Kind.BROKER_KILLED: (0.0, 4.0),
    Kind.BROKER_RESTARTED: (0.0, 0.0),
    Kind.BROKER_PAUSED: (1.0, 6.0),
    Kind.CUT: (0.0, 0.0),
    Kind.DATABASE_KILLED: (0.0, 2.0),
}
"""Seconds from the blow to the mending; a process armed at a point is waited for so long."""

_OF_API = (Point.BEFORE_COMMIT, Point.AFTER_COMMIT)
_OF_WORKER = (
    Point.BEFORE_COMMIT,
    Point.IN_KAFKA_TRANSACTION,
    Point.BEFORE_CURSOR,
)
_OF_FOLLOWER = (Point.AFTER_POLL, Point.AFTER_MIRROR, Point.BEFORE_REACTION)


@dataclass(frozen=True)
class Fault:
    """`at`: seconds since the beginning. `point`: `name:n`, for a process that is struck."""

    at: float
    kind: Kind
    target: str
    seconds: float
    point: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.target}{self.point and f' at {self.point}'}"


def members() -> list[str]:
    """The processes that may be hurt, by name."""
    return [
        f"{service}-{part}-{number + 1}"
        for service in SERVICES
        for part in ("api", "worker")
        for number in range(REPLICAS)
    ]


def plan(random: Random, seconds: float) -> tuple[Fault, ...]:
    """What goes wrong within `seconds`, in order; the same for the same seed."""
    faults: list[Fault] = []
    at = FIRST_AFTER_SECONDS
    while at < seconds and len(faults) < MOST_FAULTS:
        (kind,) = random.choices(list(OFTEN), list(OFTEN.values()))
        target = _target(random, kind)
        point = _point(random, target) if kind is Kind.STRUCK else ""
        faults.append(Fault(at, kind, target, random.uniform(*LASTS[kind]), point))
        at += random.uniform(*BETWEEN_SECONDS)
    return tuple(faults)


def _target(random: Random, kind: Kind) -> str:
    if kind in (Kind.KILLED, Kind.STRUCK, Kind.PAUSED, Kind.STOPPED):
        return random.choice(members())
    if kind is Kind.CUT:
        return random.choice(SERVICES)
    return "postgres" if kind is Kind.DATABASE_KILLED else "kafka"


def _point(random: Random, member: str) -> str:
    service, part, _ = member.split("-")
    points: tuple[Point, ...] = _OF_API if part == "api" else (*_OF_WORKER, *_OF_FOLLOWER)
    if part == "api" and service == "disbursement":
        points = (*points, Point.INSTRUCTION_STORED)
    return f"{random.choice(points)}:{random.randint(1, 3)}"


class Disorder:
    """Carries a plan out. `done` counts what happened by kind, `tell` hears of each fault."""

    def __init__(self, fleet: Fleet, tell: Callable[[str], None]) -> None:
        self.done: Counter[str] = Counter()
        self._fleet = fleet
        self._tell = tell
        self._one_at_a_time: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def carry_out(self, faults: Sequence[Fault]) -> None:
        """Returns when everything that it broke is mended. Raises ChildDied when a server does not
        come up again.
        """
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, began + fault.at - now))
                group.create_task(self._inflict(fault))

    async def _inflict(self, fault: Fault) -> None:
        if self._one_at_a_time[fault.target].locked():
            self.done["passed over, for its target was still down"] += 1
            return
        async with self._one_at_a_time[fault.target]:
            self._tell(str(fault))
            self.done[fault.kind] += 1
            await self._deeds()[fault.kind](fault)

    def _deeds(self) -> dict[Kind, Callable[[Fault], Awaitable[None]]]:
        return {
            Kind.KILLED: self._kill,
            Kind.STRUCK: self._strike,
            Kind.PAUSED: self._pause,
            Kind.STOPPED: self._stop,
            Kind.BROKER_KILLED: self._kill_server,
            Kind.BROKER_RESTARTED: self._restart_broker,
            Kind.BROKER_PAUSED: self._pause_broker,
            Kind.CUT: self._cut,
            Kind.DATABASE_KILLED: self._kill_server,
        }

    # --- to a process ---------------------------------------------------------------------------

    def _child(self, fault: Fault) -> Child:
        return self._fleet.processes[fault.target]

    async def _kill(self, fault: Fault) -> None:
        await in_thread(self._child(fault).kill)
        await asyncio.sleep(fault.seconds)
        self._fleet.start(fault.target)

    async def _stop(self, fault: Fault) -> None:
        await in_thread(self._child(fault).stop)
        await asyncio.sleep(fault.seconds)
        self._fleet.start(fault.target)

    async def _pause(self, fault: Fault) -> None:
        self._child(fault).pause()
        await asyncio.sleep(fault.seconds)
        self._child(fault).resume()

    async def _strike(self, fault: Fault) -> None:
        """Start it anew with a blow waiting for it; one that never comes there is killed."""
        await in_thread(self._child(fault).kill)
        prefix = fault.target.partition("-")[0].upper()
        self._fleet.start(fault.target, {f"{prefix}_KILL_AT": fault.point})
        ends = asyncio.get_running_loop().time() + fault.seconds
        while self._child(fault).alive and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.05)
        if self._child(fault).alive:
            self.done[fault.kind] -= 1
            self.done["process killed, which never came to its point"] += 1
        await in_thread(self._child(fault).kill)
        self._fleet.start(fault.target)

    # --- to a server ----------------------------------------------------------------------------

    async def _kill_server(self, fault: Fault) -> None:
        database = fault.kind is Kind.DATABASE_KILLED
        server = self._fleet.server if database else self._fleet.broker
        await in_thread(server.kill)
        await asyncio.sleep(fault.seconds)
        await in_thread(server.start)

    async def _restart_broker(self, fault: Fault) -> None:
        await in_thread(self._fleet.broker.restart)

    async def _pause_broker(self, fault: Fault) -> None:
        self._fleet.broker.pause()
        await asyncio.sleep(fault.seconds)
        self._fleet.broker.resume()

    async def _cut(self, fault: Fault) -> None:
        async with self._one_at_a_time["postgres"]:
            driver = await asyncpg.connect(self._fleet.server.dsn())
            try:
                await driver.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                    fault.target,
                )
            finally:
                await driver.close()
