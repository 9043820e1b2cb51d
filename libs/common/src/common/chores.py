"""What time itself brings due: due diligence lapses, remembered answers expire.

Nobody sends an event for the passing of a day, so a worker asks now and then. A chore is a bounded
unit of work that says how much it did; while it does its full share it is run again at once.
Several workers may run the same one: each takes what it finds under lock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from common.actor import Actor
from common.errors import DomainError
from common.stopping import stopped
from common.uow import UnitOfWork

if TYPE_CHECKING:
    from common.runtime import Runtime
    from common.uow import UnitsOfWork

log = structlog.get_logger(__name__)

FIRST_SECONDS = 30.0
"""How long after the start chores are first run: a restart must not wait a whole interval."""

MAX_SHARES = 100
"""How often in a row a chore is run before the others get their turn."""


@dataclass(frozen=True)
class Chore:
    """`work` does at most `share` of something and returns how much; every `every_seconds`."""

    name: str
    work: Callable[[UnitOfWork], Awaitable[int]]
    share: int
    every_seconds: float = 3600.0


class Chores:
    """Runs one service's chores."""

    def __init__(self, service: str, units: "UnitsOfWork", chores: Sequence[Chore]) -> None:
        self._units = units
        self._chores = tuple(chores)
        self._actor = Actor.system(service)

    @classmethod
    def of(cls, runtime: "Runtime") -> "Chores":
        """The chores of a running service: its own, and those that every service has."""
        from common.http.idempotency import FORGETTING

        service = runtime.service
        return cls(service.name, runtime.units, (FORGETTING, *service.chores))

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until `stop` is set; a chore that fails is asked again in its next round."""
        loop = asyncio.get_running_loop()
        due = dict.fromkeys(self._chores, loop.time() + FIRST_SECONDS)
        while not await stopped(stop, min(due.values()) - loop.time()):
            for chore in [each for each in self._chores if due[each] <= loop.time()]:
                await self.do(chore)
                due[chore] = loop.time() + chore.every_seconds

    async def do(self, chore: Chore) -> int:
        """Run `chore` until it finds less than its share, is refused or fails; how much it did."""
        total = 0
        try:
            for _ in range(MAX_SHARES):
                done = await self._units.run(chore.work, actor=self._actor)
                total += done
                if done < chore.share:
                    break
        except DomainError as refused:
            log.warning("chore_refused", chore=chore.name, error=refused.detail)
        except Exception:
            log.exception("chore_failed", chore=chore.name)
        if total:
            log.info("chore_done", chore=chore.name, number=total)
        return total
