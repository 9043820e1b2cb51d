"""A running service in a test: work in a unit of work, plain SQL, and what was recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import asyncpg
import pytest

from common.actor import Actor
from common.clock import SetClock
from common.runtime import Runtime
from common.uow import UnitOfWork

T = TypeVar("T")


@dataclass
class Ground:
    """A service and its clock. `someone` acts where a test names nobody."""

    runtime: Runtime
    clock: SetClock

    someone: ClassVar[Actor]

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def run(
        self, work: Callable[[UnitOfWork], Awaitable[T]], actor: Actor | None = None
    ) -> T:
        """`work` in a unit of work of its own."""
        return await self.runtime.units.run(work, actor=actor or self.someone)

    async def read(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """`work` outside a transaction."""
        return await self.runtime.units.read(work, actor=self.someone)

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        """Rows of plain SQL, committed."""

        async def work(uow: UnitOfWork) -> list[Any]:
            return list(await uow.driver.fetch(query, *values))

        return await self.run(work)

    async def execute(self, query: str, *values: Any) -> None:
        """Plain SQL in a transaction, as somebody at a console would send it."""

        async def work(uow: UnitOfWork) -> None:
            await uow.driver.execute(query, *values)

        await self.run(work)

    async def refuses(self, query: str, sqlstate: str) -> None:
        """The database itself refuses plain SQL, with that state."""
        with pytest.raises(asyncpg.PostgresError) as refused:
            await self.execute(query)
        assert refused.value.sqlstate == sqlstate

    async def changes(self, stream: UUID) -> list[str]:
        """What happened to an aggregate, by the names of its events, in order."""
        rows = await self.fetch(
            "SELECT type FROM journal WHERE stream = $1 ORDER BY epoch, version", stream
        )
        return [row["type"].split(".")[-2] for row in rows]

    async def breaches(self) -> list[str]:
        """What is broken of the service's invariants: nothing, at any time."""
        found: list[str] = []
        for invariant in self.runtime.service.invariants:
            found += await self.read(invariant.check)
        return found
