"""Asking again for everything: every row of every mirror becomes due for its reactions.

By hand after a repair, and slowly by itself, so that a consequence that was lost in a way nobody
thought of does not stay lost. Reactions are functions of the state now; asking twice does no harm.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed
from common.db.faults import fault_of, said
from common.journal.wake import DUE, Wake
from common.mirrors.mirror import Reaction
from common.mirrors.rows import quoted
from common.stopping import stopped

if TYPE_CHECKING:
    from common.runtime import Runtime

PAGE = 500
SLOW_PAGE = 20
PAUSE_SECONDS = 1.0
ROUND_SECONDS = 6 * 3600.0
NIL = UUID(int=0)

log = structlog.get_logger(__name__)


async def resync(runtime: "Runtime") -> int:
    """Make every reaction of the service due for every row of its mirror. The number of duties."""
    made_due = 0
    for reaction in runtime.service.reactions:
        async with borrowed(runtime.engine) as driver:
            made_due += await resync_reaction(driver, reaction)
    runtime.wake.mark(DUE)
    return made_due


async def resync_reaction(driver: Any, reaction: Reaction) -> int:
    """Make `reaction` due for every row of its mirror, in pages. The number of duties."""
    made_due, last = 0, NIL
    while True:
        number, last = await _page(driver, reaction, last, PAGE, again=True)
        made_due += number
        if number < PAGE:
            return made_due


async def make_due(
    driver: Any, reaction: Reaction, ids: Sequence[UUID], *, again: bool = True
) -> None:
    """Make `reaction` due for the rows `ids` of its mirror.

    `again`: also for those that are due already, at once and without their errors.
    """
    clash = (
        "UPDATE SET generation = due.generation + 1, not_before = now(), waiting = false, "
        "attempts = 0, error = NULL"
        if again
        else "NOTHING"
    )
    await driver.execute(
        "INSERT INTO reaction_due AS due (reaction, id) "  # noqa: S608 - ours
        "SELECT $1, * FROM unnest($2::uuid[]) "
        f"ON CONFLICT (reaction, id) DO {clash}",
        reaction.name,
        ids,
    )


class Resync:
    """Goes round all mirrors, a few rows a second, every few hours. Leaves what is due already
    alone.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        reactions: Sequence[Reaction],
        wake: Wake,
        *,
        round_seconds: float = ROUND_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._engine = engine
        self._reactions = tuple(reactions)
        self._wake = wake
        self._round = round_seconds
        self._pause = pause_seconds

    @classmethod
    def of(cls, runtime: "Runtime") -> "Resync":
        """The resync of a running service."""
        return cls(runtime.engine, runtime.service.reactions, runtime.wake)

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until `stop` is set. The first round begins after a whole interval."""
        while not await stopped(stop, self._round):
            for reaction in self._reactions:
                await self._go_through(reaction, stop)

    async def _go_through(self, reaction: Reaction, stop: asyncio.Event) -> None:
        last, number = NIL, SLOW_PAGE
        while number == SLOW_PAGE and not await stopped(stop, self._pause):
            try:
                async with borrowed(self._engine) as driver:
                    number, last = await _page(driver, reaction, last, SLOW_PAGE, again=False)
            except Exception as error:
                if fault_of(error) is None:
                    raise
                log.warning("resync_waits", error=said(error))
                continue
            self._wake.mark(DUE)


async def _page(
    driver: Any, reaction: Reaction, after: UUID, limit: int, *, again: bool
) -> tuple[int, UUID]:
    """The rows after `after` become due; their number and the last of them."""
    table = quoted(reaction.mirror.table.name)
    rows = await driver.fetch(
        f"SELECT id FROM {table} WHERE id > $1 ORDER BY id LIMIT $2",  # noqa: S608 - ours
        after,
        limit,
    )
    ids = [row["id"] for row in rows]
    await make_due(driver, reaction, ids, again=again)
    return len(ids), ids[-1] if ids else after
