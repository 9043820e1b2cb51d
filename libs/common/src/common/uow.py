"""The unit of work: one database transaction, with who acts and when.

It is opened and committed at the edge (a route, a reaction, a command line), never in a command.
The connection runs in autocommit and the transaction is opened by hand, so that Core statements and
the few on the driver's connection are in the same one, and nothing begins or ends behind our back.

A unit of work is a function that can run again: serialisation failures and deadlocks are the
database asking for exactly that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.actor import Actor
from common.aggregate import Aggregate, Change
from common.clock import Clock
from common.crypto.envelope import Envelope
from common.db.driver import Held, live, roll_back
from common.db.faults import Fault, fault_of
from common.errors import StaleVersionError, UnavailableError
from common.ids import Ids
from common.journal.record import Context, Entry, insert, insert_many
from common.models import PublicModel
from common.points import Point, reached
from common.sequence import Sequence

MAX_RUNS = 5
"""How often a unit of work is tried when the database asks for a rerun."""

T = TypeVar("T")


class LockOrderError(Exception):
    """A programming error: a row lock taken against the order in which every command locks."""


class BusyError(UnavailableError):
    code = "busy"
    title = "Too much at once"


class DatabaseUnavailableError(UnavailableError):
    code = "database_unavailable"
    title = "The database does not answer"
    retry_after_seconds = 2


@dataclass(frozen=True)
class Recorded:
    """One of many changes to record at once: nothing private about it."""

    stream: UUID
    sequence: Sequence
    change: Change
    state: PublicModel
    reason: str | None = None


@dataclass
class UnitOfWork:
    """One transaction, who acts (`actor`), when (`now`), and where the change is recorded.

    `db` runs SQLAlchemy Core statements; `driver` is the asyncpg connection of the same transaction
    for the few hot ones. `policy` is what the composition root lets commands know of the settings.
    """

    held: Held
    actor: Actor
    now: datetime
    ids: Ids
    context: Context
    epoch: int
    envelope: Envelope
    policy: Any
    recorded: int = 0
    _rank: int = field(default=-1, repr=False)

    @property
    def db(self) -> AsyncConnection:
        """The connection, for Core statements."""
        return self.held.core

    @property
    def driver(self) -> Any:
        """The connection as asyncpg's."""
        return self.held.driver

    def after(self, before: str | None) -> Sequence:
        """The sequence of the change being made to an aggregate that stands at `before`."""
        if before is None:
            return Sequence(self.epoch, 1)
        return Sequence.parse(before).next(self.epoch)

    def expect(self, present: str, expected: Sequence | None) -> None:
        """Raises StaleVersionError unless the aggregate still stands where the client saw it."""
        if expected is not None and present != str(expected):
            raise StaleVersionError(
                f"You decided on version {expected}, but it is now {present}. Read it again.",
                present=present,
            )

    def locks(self, rank: IntEnum) -> None:
        """Declare that the next statement locks rows of `rank`.

        Raises LockOrderError when a higher rank is already locked: two commands that lock in
        different orders can wait for each other for ever.
        """
        if rank < self._rank:
            raise LockOrderError(f"{rank.name} is locked too late: rank {self._rank} came first")
        self._rank = rank

    async def lock(self, rank: IntEnum, statement: Executable) -> Row[Any] | None:
        """The one row of a locking `statement`, or None. Raises LockOrderError."""
        self.locks(rank)
        return (await self.db.execute(statement)).one_or_none()

    async def record(
        self,
        aggregate: Aggregate,
        stream: UUID,
        sequence: Sequence,
        change: Change,
        state: PublicModel,
        *,
        reason: str | None = None,
        private: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Write the change into the journal, in this transaction. Returns the event's id.

        `reason` is a coarse code that is kept in clear; written reasons belong into `private`.
        Raises TooLargeForJournalError, ErasedStreamError.
        """
        entry_id = self.ids.new()
        await insert(
            self.driver,
            self.envelope,
            Entry(
                id=entry_id,
                aggregate=aggregate,
                stream=stream,
                sequence=sequence,
                occurred_at=self.now,
                actor=self.actor.subject,
                context=self.context,
                change=change,
                state=state,
                reason=reason,
                private=private,
            ),
        )
        self.recorded += 1
        return entry_id

    async def record_many(self, aggregate: Aggregate, changes: Iterable[Recorded]) -> None:
        """Write changes of many aggregates of one kind into the journal, in one statement.

        Raises TooLargeForJournalError.
        """
        entries = [
            Entry(
                id=self.ids.new(),
                aggregate=aggregate,
                stream=each.stream,
                sequence=each.sequence,
                occurred_at=self.now,
                actor=self.actor.subject,
                context=self.context,
                change=each.change,
                state=each.state,
                reason=each.reason,
            )
            for each in changes
        ]
        await insert_many(self.driver, entries)
        self.recorded += len(entries)


class UnitsOfWork:
    """Opens units of work on one database, runs and commits them, and runs them again if asked."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Clock,
        ids: Ids,
        envelope: Envelope,
        policy: Any = None,
        on_recorded: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.ids = ids
        self.envelope = envelope
        self.policy = policy
        self._on_recorded = on_recorded
        self._epoch: int | None = None

    async def run(
        self,
        work: Callable[[UnitOfWork], Awaitable[T]],
        *,
        actor: Actor,
        context: Context | None = None,
    ) -> T:
        """`work` in a transaction, committed when it returns, rolled back when it raises.

        Runs again, at most `MAX_RUNS` times in all, on a serialisation failure, a deadlock or a
        raised epoch. Raises BusyError or DatabaseUnavailableError (transient) when the database
        cannot serve, and whatever `work` raises.
        """
        context = context or Context(correlation_id=str(self.ids.new()))
        for attempt in range(1, MAX_RUNS + 1):
            try:
                return await self._once(work, actor, context)
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    raise
                if fault is Fault.EPOCH:
                    self._epoch = None
                if fault is Fault.AWAY:
                    raise DatabaseUnavailableError(
                        "The database did not answer; the same request may succeed shortly."
                    ) from error
                if fault is Fault.BUSY or attempt == MAX_RUNS:
                    raise BusyError(
                        "Others are changing the same thing; the same request may succeed shortly."
                    ) from error
                await asyncio.sleep(0.005 * attempt)
        raise AssertionError("unreachable: the last run returns or raises")

    async def read(
        self,
        work: Callable[[UnitOfWork], Awaitable[T]],
        *,
        actor: Actor,
        context: Context | None = None,
    ) -> T:
        """`work` without a transaction: each statement sees the newest commit, nothing is written.

        Raises DatabaseUnavailableError or BusyError when the database cannot serve.
        """
        context = context or Context(correlation_id=str(self.ids.new()))
        try:
            async with live(self.engine) as held:
                return await work(self._unit(held, actor, context, epoch=1))
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            refusal = BusyError if fault is Fault.BUSY else DatabaseUnavailableError
            raise refusal("The database cannot serve this read right now.") from error

    async def _once(
        self, work: Callable[[UnitOfWork], Awaitable[T]], actor: Actor, context: Context
    ) -> T:
        async with live(self.engine) as held:
            driver = held.driver
            try:
                await driver.execute("BEGIN")
                if self._epoch is None:
                    self._epoch = await driver.fetchval("SELECT epoch FROM journal_epoch")
                unit = self._unit(held, actor, context, epoch=self._epoch)
                result = await work(unit)
                reached(Point.BEFORE_COMMIT)
                await driver.execute("COMMIT")
            except BaseException:
                await roll_back(held)
                raise
        reached(Point.AFTER_COMMIT)
        if unit.recorded:
            self._on_recorded()
        return result

    def _unit(self, held: Held, actor: Actor, context: Context, *, epoch: int | None) -> UnitOfWork:
        return UnitOfWork(
            held=held,
            actor=actor,
            now=self.clock.now(),
            ids=self.ids,
            context=context,
            epoch=epoch or 1,
            envelope=self.envelope,
            policy=self.policy,
        )
