"""The unit of work: all or nothing, and run again when the database asks."""

from __future__ import annotations

import asyncio
from enum import IntEnum
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.faults import constraint_of
from common.errors import ConflictError, StaleVersionError
from common.sequence import Sequence
from common.uow import (
    MAX_RUNS,
    BusyError,
    LockOrderError,
    UnitOfWork,
    UnitsOfWork,
)
from journal_kit import (
    EDITOR,
    clean,
    count,
    fetch,
    make,
    rename,
    thing_table,
    units_on,
)

# what a database says when it asks for a rerun; raised by the server itself, inside the transaction
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '{}'; END $$"


class Lock(IntEnum):
    FIRST = 1
    SECOND = 2


class RefusedError(ConflictError):
    code = "refused_in_a_test"


# --- all or nothing -------------------------------------------------------------------------------


async def test_what_returns_is_committed(engine: AsyncEngine, units: UnitsOfWork) -> None:
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    assert (await count(engine), await count(engine, "journal")) == (1, 1)


async def test_a_refusal_leaves_nothing_written(engine: AsyncEngine, units: UnitsOfWork) -> None:
    async def refuse(uow: UnitOfWork) -> None:
        await make(uow, "lamp", {"reason": "x"})
        raise RefusedError("no")

    with pytest.raises(RefusedError):
        await units.run(refuse, actor=EDITOR)
    for table in ("thing", "journal", "stream_key"):
        assert await count(engine, table) == 0
    assert await clean(engine)


async def test_statements_of_both_kinds_are_in_one_transaction(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    async def both(uow: UnitOfWork) -> tuple[int, int]:
        one = await uow.driver.fetchval("SELECT txid_current()")
        return one, (await uow.db.execute(text("SELECT txid_current()"))).scalar_one()

    one, other = await units.run(both, actor=EDITOR)
    assert one == other


async def test_a_constraint_can_be_told_by_name_and_rolls_back(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)

    async def twice(uow: UnitOfWork) -> None:
        await make(uow, "chair")
        try:
            await make(uow, "lamp")
        except IntegrityError as error:
            raise RefusedError(f"broke {constraint_of(error)}") from error

    with pytest.raises(RefusedError, match="broke thing_name_key"):
        await units.run(twice, actor=EDITOR)
    assert await count(engine) == 1
    assert await clean(engine)


async def test_others_are_told_of_a_record_only_after_the_commit(engine: AsyncEngine) -> None:
    told: list[int] = []
    units = units_on(engine)
    units._on_recorded = lambda: told.append(1)

    async def look(uow: UnitOfWork) -> None:
        await make(uow, "lamp")
        assert told == []

    async def refuse(uow: UnitOfWork) -> None:
        await make(uow, "chair")
        raise RefusedError("no")

    await units.run(look, actor=EDITOR)
    assert told == [1]
    with pytest.raises(RefusedError):
        await units.run(refuse, actor=EDITOR)
    await units.run(lambda uow: uow.db.execute(select(thing_table)), actor=EDITOR)
    assert told == [1]


async def test_a_read_opens_no_transaction(units: UnitsOfWork) -> None:
    async def look(uow: UnitOfWork) -> bool:
        await uow.db.execute(select(thing_table))
        inside: bool = uow.driver.is_in_transaction()
        return inside

    assert await units.read(look, actor=EDITOR) is False


async def test_each_statement_of_a_read_sees_the_newest_commit(units: UnitsOfWork) -> None:
    async def look(uow: UnitOfWork) -> tuple[int, int]:
        before = len((await uow.db.execute(select(thing_table))).all())
        await units.run(lambda other: make(other, "lamp"), actor=EDITOR)
        return before, len((await uow.db.execute(select(thing_table))).all())

    assert await units.read(look, actor=EDITOR) == (0, 1)


# --- versions and locks ---------------------------------------------------------------------------


async def test_a_decision_on_an_older_version_is_refused(units: UnitsOfWork) -> None:
    async def decide(uow: UnitOfWork) -> None:
        uow.expect("0001-0000000002", None)
        uow.expect("0001-0000000002", Sequence(1, 2))
        uow.expect("0001-0000000002", Sequence(1, 1))

    with pytest.raises(StaleVersionError) as refused:
        await units.run(decide, actor=EDITOR)
    assert refused.value.facts == {"present": "0001-0000000002"}


@pytest.mark.parametrize(
    "before, after",
    [(None, "0001-0000000001"), ("0001-0000000001", "0001-0000000002")],
)
async def test_the_next_version_follows(before: str | None, after: str, units: UnitsOfWork) -> None:
    async def ask(uow: UnitOfWork) -> str:
        return str(uow.after(before))

    assert await units.run(ask, actor=EDITOR) == after


async def test_locks_are_taken_in_one_order(engine: AsyncEngine, units: UnitsOfWork) -> None:
    statement = select(thing_table).with_for_update()

    async def in_order(uow: UnitOfWork) -> None:
        for rank in (Lock.FIRST, Lock.FIRST, Lock.SECOND):
            await uow.lock(rank, statement)

    async def against_it(uow: UnitOfWork) -> None:
        await uow.lock(Lock.SECOND, statement)
        await uow.lock(Lock.FIRST, statement)

    await units.run(in_order, actor=EDITOR)
    with pytest.raises(LockOrderError, match="FIRST"):
        await units.run(against_it, actor=EDITOR)
    assert await clean(engine)


# --- run again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["40001", "40P01", "FE001"])
async def test_it_runs_again_when_the_database_asks(
    state: str, engine: AsyncEngine, units: UnitsOfWork
) -> None:
    runs = 0

    async def twice(uow: UnitOfWork) -> None:
        nonlocal runs
        runs += 1
        await make(uow, f"thing {runs}")
        if runs == 1:
            await uow.driver.execute(RAISE.format(state))

    await units.run(twice, actor=EDITOR)
    assert (runs, await count(engine)) == (2, 1)


async def test_it_runs_again_whichever_kind_of_statement_failed(units: UnitsOfWork) -> None:
    runs = 0

    async def twice(uow: UnitOfWork) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await uow.db.execute(text(RAISE.format("40001")))

    await units.run(twice, actor=EDITOR)
    assert runs == 2


async def test_reruns_are_bounded(engine: AsyncEngine, units: UnitsOfWork) -> None:
    runs = 0

    async def always(uow: UnitOfWork) -> None:
        nonlocal runs
        runs += 1
        await make(uow, "lamp")
        await uow.driver.execute(RAISE.format("40001"))

    with pytest.raises(BusyError) as busy:
        await units.run(always, actor=EDITOR)
    assert busy.value.transient
    assert (runs, await count(engine)) == (MAX_RUNS, 0)


async def test_two_that_wait_for_each_other_both_get_through(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    one = await units.run(lambda uow: make(uow, "one"), actor=EDITOR)
    two = await units.run(lambda uow: make(uow, "two"), actor=EDITOR)
    first_locked = {one: asyncio.Event(), two: asyncio.Event()}
    runs = 0

    async def cross(uow: UnitOfWork, mine: UUID, yours: UUID) -> None:
        nonlocal runs
        runs += 1
        await rename(uow, mine, f"{mine} by {yours}")
        first_locked[mine].set()
        await first_locked[yours].wait()
        await rename(uow, yours, f"{yours} after {mine}")

    await asyncio.gather(
        units.run(lambda uow: cross(uow, one, two), actor=EDITOR),
        units.run(lambda uow: cross(uow, two, one), actor=EDITOR),
    )
    assert runs == 3
    rows = await fetch(engine, "SELECT sequence FROM thing")
    assert [row["sequence"] for row in rows] == ["0001-0000000003"] * 2
