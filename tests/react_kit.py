"""A service that reacts: what the tests of reactions stand on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import SetClock
from common.crypto.envelope import Envelope
from common.db.driver import borrowed
from common.ids import Uuid7Ids
from common.journal.wake import Wake
from common.mirrors.metrics import ReactorMetrics
from common.mirrors.mirror import Outcome, Reaction
from common.mirrors.react import Reactor
from common.uow import UnitOfWork, UnitsOfWork
from mirror_kit import THINGS, A, Log

React = Callable[[UnitOfWork, UUID, bool], Awaitable[Outcome]]


@dataclass
class House:
    """A service that reacts: what `react` does is told by each test, and what it did is written
    down.
    """

    engine: AsyncEngine
    log: Log
    clock: SetClock
    wake: Wake

    def reactor(self, react: React, *, retry_seconds: float = 0.01) -> Reactor:
        reaction = Reaction("watch", THINGS, react)
        return Reactor(
            service="tester",
            reactions=(reaction,),
            engine=self.engine,
            units=self.units(),
            wake=self.wake,
            clock=self.clock,
            ids=Uuid7Ids(),
            metrics=ReactorMetrics(CollectorRegistry()),
            max_age_seconds=60,
            skew_seconds=5,
            retry_seconds=retry_seconds,
            partitions=1,
        )

    def units(self) -> UnitsOfWork:
        envelope = Envelope(bytes(32))
        return UnitsOfWork(self.engine, clock=self.clock, ids=Uuid7Ids(), envelope=envelope)

    async def did(self) -> list[tuple[UUID, str]]:
        """(id, sequence seen) of every reaction that was committed, in order."""
        async with borrowed(self.engine) as driver:
            rows = await driver.fetch("SELECT id, sequence FROM did ORDER BY number")
        return [(each["id"], each["sequence"]) for each in rows]

    async def duty(self, id_: UUID = A) -> dict[str, Any]:
        async with borrowed(self.engine) as driver:
            found = await driver.fetchrow("SELECT * FROM reaction_due WHERE id = $1", id_)
        return dict(found)

    async def hurry(self) -> None:
        """Nothing has to wait for its next try any more."""
        async with borrowed(self.engine) as driver:
            await driver.execute("UPDATE reaction_due SET not_before = now()")


async def note(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
    """The consequence of these tests: the row as it stands is written down."""
    await uow.driver.execute(
        "INSERT INTO did (id, sequence, actor, causation_id, traceparent) "
        "SELECT $1, sequence, $2, $3, $4 FROM thing_seen WHERE id = $1",
        id_,
        uow.actor.subject,
        uow.context.causation_id,
        uow.context.traceparent,
    )
    return Outcome.DONE


async def loosen(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
    return await note(uow, id_, fresh) if fresh else Outcome.WAIT
