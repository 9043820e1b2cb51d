"""Erasing: private parts become unreadable, everything else stays as it was."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed
from common.journal.erase import erase_stream
from common.journal.verify import verify_chain
from common.sequence import Sequence
from common.uow import UnitOfWork, UnitsOfWork
from journal_kit import EDITOR, THING, fetch, make, seal_everything, thing_table


async def erase(uow: UnitOfWork, thing: UUID) -> Sequence:
    """The command that erases a thing."""
    statement = thing_table.select().where(thing_table.c.id == thing).with_for_update()
    row = (await uow.db.execute(statement)).one()
    await uow.db.execute(thing_table.delete().where(thing_table.c.id == thing))
    return await erase_stream(uow, THING, thing, row.sequence, reason="retention_ended")


@pytest.fixture
async def erased(engine: AsyncEngine, units: UnitsOfWork, scratch_database: str) -> UUID:
    """A sealed thing with something private, erased."""
    thing = await units.run(lambda uow: make(uow, "lamp", {"reason": "x"}), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    assert await units.run(lambda uow: erase(uow, thing), actor=EDITOR) == Sequence(1, 2)
    await seal_everything(engine, scratch_database)
    return thing


async def test_the_key_is_gone_and_the_ciphertext_stays(engine: AsyncEngine, erased: UUID) -> None:
    (key,) = await fetch(engine, "SELECT * FROM stream_key WHERE stream = $1", erased)
    assert key["wrapped"] is None
    (row,) = await fetch(engine, "SELECT private FROM journal WHERE version = 1")
    assert row["private"]


async def test_the_last_event_says_erased_with_an_empty_state(
    engine: AsyncEngine, erased: UUID
) -> None:
    (row,) = await fetch(engine, "SELECT * FROM journal WHERE version = 2")
    assert row["type"] == "int.iom.test.thing.erased.v1"
    assert row["data"] == {"thing": {}, "change": {}}


async def test_the_chain_still_verifies(engine: AsyncEngine, erased: UUID) -> None:
    async with borrowed(engine) as driver:
        report = await verify_chain(driver)
    assert report.holds
    assert report.rows == 2


async def test_a_stream_without_a_key_can_be_erased_and_gets_none_later(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    thing = await units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    await units.run(lambda uow: erase(uow, thing), actor=EDITOR)
    (key,) = await fetch(engine, "SELECT wrapped FROM stream_key WHERE stream = $1", thing)
    assert key["wrapped"] is None
