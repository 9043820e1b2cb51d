"""The service for a model that runs step by step, without `await`: do a command, look at what a
grant's payments and purses have come to.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import uvloop

from common.actor import Actor
from common.errors import DomainError
from common.uow import UnitOfWork
from support.disbursement import BORIS, CHEN, DINA, MACHINE, SUBMITTER, TREASURY, World, open_world
from support.payment_oracle import Slip

T = TypeVar("T")

PEOPLE = {
    "amina": SUBMITTER,
    "boris": BORIS,
    "chen": CHEN,
    "tariq": TREASURY,
    "dina": DINA,
    "importer": MACHINE,
}
PAYMENTS = """
SELECT id, status, revision, approvals_given, confirmed_on FROM payment WHERE grant_id = $1
"""
HOLDS = """
SELECT h.payment_id, h.cause FROM payment_hold h JOIN payment p ON p.id = h.payment_id
WHERE p.grant_id = $1 AND h.lifted_at IS NULL
"""
EVIDENCE = """
SELECT e.payment_id, e.id, e.outcome, e.standing
FROM payment_evidence e JOIN payment p ON p.id = e.payment_id WHERE p.grant_id = $1 ORDER BY e.id
"""
BALANCES = """
SELECT owner, purse, balance FROM ledger_balance
WHERE grant_id = $1 AND balance <> 0 AND purse <> 'received'
"""

Rows = Mapping[UUID, list[Any]]


@dataclass
class Kept:
    """What the driver needs to know of a payment to name it: its id, the hash of each revision."""

    slip: Slip
    id: UUID
    hashes: list[str]


@dataclass(frozen=True)
class Given:
    """What a deed is done with; each takes of it what it needs. `odd`: not as it should be."""

    which: int
    name: str
    person: str
    outcome: str
    odd: bool


@dataclass(frozen=True)
class Seen:
    """What the database holds of a grant: rows by payment, and the purses that are not empty, by
    owner.
    """

    payments: Rows
    holds: Rows
    evidence: Rows
    balances: Mapping[tuple[UUID, str], Decimal]


@dataclass
class Rig:
    """A world and the loop that it lives on. `reached` counts what examples come to."""

    world: World
    runner: asyncio.Runner
    reached: Counter[str] = field(default_factory=Counter)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`."""
        return self.runner.run(work)

    def do(self, work: Callable[[UnitOfWork], Awaitable[T]], actor: Actor) -> tuple[T | None, str]:
        """What came of a command, or the code with which it was refused."""
        try:
            return self.run(self.world.run(work, actor)), ""
        except DomainError as refused:
            return None, refused.code

    def look(self, grant: UUID) -> Seen:
        """What stands in the database."""
        return self.run(self.world.read(lambda uow: _look(uow, grant)))


@contextmanager
def open_rig(database_url: str) -> Iterator[Rig]:
    """The service at noon, on a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opening = open_world(database_url)
        world = runner.run(opening.__aenter__())
        try:
            yield Rig(world, runner)
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def _look(uow: UnitOfWork, grant: UUID) -> Seen:
    balances = await uow.driver.fetch(BALANCES, grant)
    return Seen(
        payments=_by_first(await uow.driver.fetch(PAYMENTS, grant)),
        holds=_by_first(await uow.driver.fetch(HOLDS, grant)),
        evidence=_by_first(await uow.driver.fetch(EVIDENCE, grant)),
        balances={(row["owner"], row["purse"]): row["balance"] for row in balances},
    )


def _by_first(rows: Iterable[Any]) -> Rows:
    """Rows by their first column."""
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found
