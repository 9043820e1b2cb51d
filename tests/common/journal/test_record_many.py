"""Recording many changes at once: the same rows as one by one, in the given order."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.journal.record import Context, Entry, TooLargeForJournalError, insert, insert_many
from common.sequence import Sequence
from common.uow import Recorded, UnitOfWork, UnitsOfWork
from journal_kit import (
    EDITOR,
    ENVELOPE,
    IDS,
    NOON,
    THING,
    Made,
    Renamed,
    ThingState,
    fetch,
    seal_everything,
)

ALL_BUT_IDS = """
SELECT stream_type, epoch, version, type, occurred_at, actor, reason, correlation_id, causation_id,
       traceparent, data, private, hash_version
FROM journal ORDER BY entry
"""


def _entries() -> list[Entry]:
    return [
        Entry(
            id=IDS.new(),
            aggregate=THING,
            stream=IDS.new(),
            sequence=Sequence(1, version),
            occurred_at=NOON,
            actor="editor@test",
            context=Context("request-1", "event-1", "00-aa-bb-01"),
            change=Made() if version == 1 else Renamed(before="Lamp"),
            state=ThingState(name=f'Lamp "{version}" ÄÖ'),
            reason="made_by_hand" if version % 2 else None,
        )
        for version in range(1, 21)
    ]


async def test_many_rows_are_what_each_would_have_been(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    async def one_by_one(uow: UnitOfWork) -> None:
        for entry in _entries():
            await insert(uow.driver, ENVELOPE, entry)

    async def at_once(uow: UnitOfWork) -> None:
        await insert_many(uow.driver, _entries())

    await units.run(one_by_one, actor=EDITOR)
    await units.run(at_once, actor=EDITOR)
    rows = await fetch(engine, ALL_BUT_IDS)
    assert len(rows) == 40
    assert rows[:20] == rows[20:]


async def test_many_rows_are_sealed_like_any(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    async def work(uow: UnitOfWork) -> None:
        changes = [
            Recorded(IDS.new(), Sequence(1, 1), Made(), ThingState(name=f"{n}")) for n in range(5)
        ]
        await uow.record_many(THING, changes)
        assert uow.recorded == 5

    await units.run(work, actor=EDITOR)
    assert await seal_everything(engine, scratch_database) == 5
    rows = await fetch(engine, "SELECT data FROM sealed ORDER BY position")
    assert [row["data"]["thing"]["name"] for row in rows] == list("01234")


async def test_recording_nothing_sends_nothing(engine: AsyncEngine, units: UnitsOfWork) -> None:
    await units.run(lambda uow: uow.record_many(THING, []), actor=EDITOR)
    assert await fetch(engine, "SELECT 1 FROM journal") == []


async def test_many_changes_have_one_cause(units: UnitsOfWork) -> None:
    first, second = _entries()[:2]
    other = Entry(**{**vars(second), "actor": "somebody else"})
    private = Entry(**{**vars(second), "private": {"reason": "said in confidence"}})
    for odd in (other, private):
        with pytest.raises(ValueError, match="share their cause"):
            await units.run(
                lambda uow, odd=odd: insert_many(uow.driver, [first, odd]),  # type: ignore[misc]
                actor=EDITOR,
            )


async def test_one_state_that_is_too_large_refuses_all(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    async def work(uow: UnitOfWork) -> None:
        states = [ThingState(name="small"), ThingState(name="x" * 262_144)]
        await uow.record_many(
            THING, [Recorded(IDS.new(), Sequence(1, 1), Made(), state) for state in states]
        )

    with pytest.raises(TooLargeForJournalError):
        await units.run(work, actor=EDITOR)
    assert await fetch(engine, "SELECT 1 FROM journal") == []
