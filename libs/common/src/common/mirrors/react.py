"""Drawing the consequences: due reactions, one mirror row per transaction, until none is due.

A reaction that a rule refuses, or that fails, stays due with its error and is tried again ever more
slowly; the others go on. What loosens waits until the mirror is fresh.

The mirror's row is locked before the duty: in that order `apply` locks them too. So a row cannot
change while its reaction runs, and becomes due again right after.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.actor import Actor
from common.aggregate import PARTITIONS
from common.clock import Clock
from common.db.driver import borrowed
from common.db.faults import fault_of, said
from common.errors import DomainError
from common.ids import Ids
from common.journal.wake import DUE, Wake
from common.mirrors.age import mirror_age
from common.mirrors.metrics import ReactorMetrics, look_due
from common.mirrors.mirror import Outcome, Reaction
from common.mirrors.rows import quoted
from common.points import Point, reached
from common.telemetry import traces
from common.uow import DatabaseUnavailableError, UnitOfWork, UnitsOfWork

if TYPE_CHECKING:
    from common.runtime import Runtime

PAGE = 100
POLL_SECONDS = 1.0
"""How soon a lost wake-up, a retry or a mirror that is fresh again is noticed."""
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
REACTION_SECONDS = 30.0
"""How long one reaction may take."""
LOOK_SECONDS = 5.0
MAX_ERROR = 2000

log = structlog.get_logger(__name__)

_DUE = """
SELECT reaction, id, traceparent FROM reaction_due
WHERE reaction = ANY($1::text[]) AND not_before <= now()
  AND (NOT waiting OR reaction = ANY($2::text[]))
ORDER BY waiting, not_before LIMIT $3
"""
_TAKE = """
SELECT generation, causation_id, traceparent FROM reaction_due
WHERE reaction = $1 AND id = $2 AND not_before <= now() FOR UPDATE SKIP LOCKED
"""
_DONE = "DELETE FROM reaction_due WHERE reaction = $1 AND id = $2 AND generation = $3"
_WAIT = """
UPDATE reaction_due SET waiting = true, attempts = 0, error = NULL,
    not_before = now() + make_interval(secs => $4)
WHERE reaction = $1 AND id = $2 AND generation = $3
"""
_MORE = """
UPDATE reaction_due SET waiting = false, attempts = 0, error = NULL, not_before = now()
WHERE reaction = $1 AND id = $2 AND generation = $3
"""
_FAILED = """
UPDATE reaction_due SET waiting = false, attempts = attempts + 1, error = $4,
    not_before = now() + make_interval(secs => least($6, $5 * 2 ^ least(attempts, 20)))
WHERE reaction = $1 AND id = $2 AND generation = $3
"""


class Ran(StrEnum):
    """What became of a due row. MORE: it stays due at once. TAKEN: somebody else has it, or had."""

    DONE = "done"
    WAIT = "wait"
    MORE = "more"
    REFUSED = "refused"
    FAILED = "failed"
    TAKEN = "taken"


@dataclass
class _Run:
    """One run of one duty, as far as it got."""

    reaction: Reaction
    id: UUID
    generation: int | None = None


class Reactor:
    """Runs the reactions of one service. Any number may run: rows are taken one by one.

    `max_age_seconds`: how young a mirror must be for what loosens; `skew_seconds`: how far clocks
    may differ.
    """

    def __init__(
        self,
        *,
        service: str,
        reactions: Sequence[Reaction],
        engine: AsyncEngine,
        units: UnitsOfWork,
        wake: Wake,
        clock: Clock,
        ids: Ids,
        metrics: ReactorMetrics,
        max_age_seconds: float,
        skew_seconds: float,
        retry_seconds: float = RETRY_SECONDS,
        partitions: int = PARTITIONS,
    ) -> None:
        self._reactions = {reaction.name: reaction for reaction in reactions}
        self._actor = Actor.system(service)
        self._engine = engine
        self._units = units
        self._wake = wake
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._max_age = max_age_seconds
        self._skew = skew_seconds
        self._retry = retry_seconds
        self._partitions = partitions
        self._looked = float("-inf")

    @classmethod
    def of(cls, runtime: "Runtime") -> "Reactor":
        """The reactor of a running service."""
        return cls(
            service=runtime.service.name,
            reactions=runtime.service.reactions,
            engine=runtime.engine,
            units=runtime.units,
            wake=runtime.wake,
            clock=runtime.clock,
            ids=runtime.ids,
            metrics=ReactorMetrics(runtime.registry),
            max_age_seconds=runtime.settings.mirror_max_age_seconds,
            skew_seconds=runtime.settings.clock_skew_seconds,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run what is due until `stop` is set; the reaction at hand is finished."""
        watch = self._wake.watch(DUE)
        while not stop.is_set():
            try:
                if await self.round(stop):
                    continue
            except Exception as error:
                if fault_of(error) is None and not isinstance(error, DatabaseUnavailableError):
                    log.exception("reactor_failed")
                else:
                    log.warning("reactor_waits", error=said(error))
                await _wait(stop, asyncio.sleep(POLL_SECONDS))
                continue
            await _wait(stop, watch.wait(POLL_SECONDS))

    async def round(self, stop: asyncio.Event | None = None) -> bool:
        """Run what is due now, a page of it at most. Whether there is likely more at once.

        Raises the database's errors.
        """
        async with borrowed(self._engine) as driver:
            fresh = await self._fresh(driver, self._clock.now())
            loosening = [
                each.name for each in self._reactions.values() if each.mirror.topic in fresh
            ]
            page = await driver.fetch(_DUE, list(self._reactions), loosening, PAGE)
            await self._look(driver)
        ran = []
        for row in page:
            if stop is not None and stop.is_set():
                break
            trace = traces.begin(self._ids, row["traceparent"])
            token = traces.current.set(trace)
            try:
                ran.append(await self._react(_Run(self._reactions[row["reaction"]], row["id"])))
            finally:
                traces.current.reset(token)
        if Ran.MORE in ran:
            return True
        return len(page) == PAGE and any(each is not Ran.TAKEN for each in ran)

    async def _look(self, driver: Any) -> None:
        """Read the gauges, now and then: counting many duties for every page of them would cost
        more.
        """
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            await look_due(self._metrics, driver, tuple(self._reactions.values()))

    async def _fresh(self, driver: Any, now: datetime) -> set[str]:
        """The topics whose mirrors are young enough for what loosens."""
        topics = {each.mirror.topic for each in self._reactions.values()}
        return {topic for topic in topics if await self._is_fresh(driver, topic, now)}

    async def _is_fresh(
        self, source: UnitOfWork | Any, topic: str, now: datetime | None = None
    ) -> bool:
        age = await mirror_age(
            source, topic, now=now, skew_seconds=self._skew, partitions=self._partitions
        )
        return age.problem(self._max_age) is None

    async def _react(self, run: _Run) -> Ran:
        """Run one duty. Raises DatabaseUnavailableError: then nothing was decided."""
        try:
            async with asyncio.timeout(REACTION_SECONDS):
                ran = await self._units.run(lambda uow: self._work(uow, run), actor=self._actor)
        except DatabaseUnavailableError:
            raise
        except DomainError as error:
            await self._note(run, error)
            ran = Ran.REFUSED
        except Exception as error:
            log.exception("reaction_failed", reaction=run.reaction.name, id=str(run.id))
            await self._note(run, error)
            ran = Ran.FAILED
        if ran is not Ran.TAKEN:
            self._metrics.runs.labels(run.reaction.name, ran.value).inc()
        return ran

    async def _work(self, uow: UnitOfWork, run: _Run) -> Ran:
        reaction, driver = run.reaction, uow.driver
        table = quoted(reaction.mirror.table.name)
        await driver.fetchval(f"SELECT 1 FROM {table} WHERE id = $1 FOR SHARE", run.id)  # noqa: S608 - ours
        duty = await driver.fetchrow(_TAKE, reaction.name, run.id)
        if duty is None:
            return Ran.TAKEN
        run.generation = duty["generation"]
        trace = traces.current.get()
        uow.context = replace(
            uow.context,
            correlation_id=duty["causation_id"] or uow.context.correlation_id,
            causation_id=duty["causation_id"],
            traceparent=duty["traceparent"] and str(trace),
        )
        fresh = await self._is_fresh(uow, reaction.mirror.topic)
        reached(Point.BEFORE_REACTION)
        outcome = await reaction.react(uow, run.id, fresh)
        key = (reaction.name, run.id, run.generation)
        if outcome is Outcome.DONE:
            await driver.execute(_DONE, *key)
            return Ran.DONE
        if outcome is Outcome.MORE:
            await driver.execute(_MORE, *key)
            return Ran.MORE
        await driver.execute(_WAIT, *key, POLL_SECONDS if fresh else 0.0)
        return Ran.WAIT

    async def _note(self, run: _Run, error: Exception) -> None:
        """Keep the error beside the duty, which stays due.

        A duty that became due again meanwhile is another generation, and tried at once.
        """
        if run.generation is None:  # it never got as far as the duty
            return
        text = f"{getattr(error, 'code', type(error).__name__)}: {error}".replace("\0", "")
        log.warning("reaction_stays_due", reaction=run.reaction.name, id=str(run.id), error=text)
        async with borrowed(self._engine) as driver:
            await driver.execute(
                _FAILED,
                run.reaction.name,
                run.id,
                run.generation,
                text[:MAX_ERROR],
                self._retry,
                LONGEST_RETRY_SECONDS,
            )


async def _wait(stop: asyncio.Event, work: Any) -> None:
    """Wait for `work`, or until `stop` is set."""
    tasks = {asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
