"""Recording: what the journal takes and what it refuses, whoever asks."""

from __future__ import annotations

import json
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.crypto.envelope import UnreadableError
from common.db.driver import borrowed
from common.journal.erase import erase_stream
from common.journal.record import Context, ErasedStreamError, TooLargeForJournalError
from common.models import PublicModel
from common.uow import UnitOfWork, UnitsOfWork
from journal_kit import (
    EDITOR,
    ENVELOPE,
    THING,
    Made,
    Renamed,
    ThingState,
    fetch,
    make,
    rename,
    seal_everything,
    thing_table,
)


async def test_a_row_tells_what_changed_and_the_whole_state_after_it(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    context = Context(correlation_id="request-1", causation_id="event-1", traceparent="00-aa-bb-01")
    thing = await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR, context=context)
    (row,) = await fetch(engine, "SELECT * FROM journal")
    assert (row["stream_type"], row["stream"]) == ("thing", thing)
    assert (row["epoch"], row["version"]) == (1, 1)
    assert row["type"] == "int.iom.test.thing.made.v1"
    assert row["actor"] == "editor@test"
    assert row["reason"] == "made_by_hand"
    assert (row["correlation_id"], row["causation_id"]) == ("request-1", "event-1")
    assert row["traceparent"] == "00-aa-bb-01"
    assert row["data"] == {"thing": {"name": "Lamp", "country": None}, "change": {}}
    assert row["private"] is None
    assert await fetch(engine, "SELECT entry FROM journal_unsealed") == [(row["entry"],)]
    assert await fetch(engine, "SELECT * FROM journal_seal") == []


async def test_nothing_private_is_in_clear_anywhere(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    private = {"reason": "possible match with a sanctions list"}
    await units.run(lambda uow: make(uow, "Lamp", private), actor=EDITOR)
    (row,) = await fetch(engine, "SELECT journal::text AS everything, private FROM journal")
    assert "sanctions" not in row["everything"]
    assert b"sanctions" not in row["private"]


async def test_private_opens_with_the_streams_key_on_its_own_row_only(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    thing = await units.run(lambda uow: make(uow, "Lamp", {"reason": "one"}), actor=EDITOR)
    await units.run(lambda uow: rename(uow, thing, "Lantern", {"reason": "two"}), actor=EDITOR)
    first, second = await fetch(engine, "SELECT id, private FROM journal ORDER BY entry")
    (key_row,) = await fetch(engine, "SELECT * FROM stream_key")
    key = ENVELOPE.unwrap(key_row["wrapped"], thing.bytes)
    assert json.loads(ENVELOPE.open(key, first["private"], first["id"].bytes)) == {"reason": "one"}
    assert json.loads(ENVELOPE.open(key, second["private"], second["id"].bytes)) == {
        "reason": "two"
    }
    with pytest.raises(UnreadableError):
        ENVELOPE.open(key, first["private"], second["id"].bytes)


async def test_a_key_does_not_open_under_another_stream(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    await units.run(lambda uow: make(uow, "Lamp", {"reason": "one"}), actor=EDITOR)
    (key_row,) = await fetch(engine, "SELECT * FROM stream_key")
    with pytest.raises(UnreadableError):
        ENVELOPE.unwrap(key_row["wrapped"], UUID(int=1).bytes)


async def test_a_stream_whose_first_rows_had_nothing_private_gets_its_key_later(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    thing = await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    assert not await fetch(engine, "SELECT * FROM stream_key")
    await units.run(lambda uow: rename(uow, thing, "Lantern", {"reason": "x"}), actor=EDITOR)
    assert len(await fetch(engine, "SELECT * FROM stream_key")) == 1


async def test_an_erased_stream_takes_nothing_private_any_more(units: UnitsOfWork) -> None:
    thing = await units.run(lambda uow: make(uow, "Lamp", {"reason": "one"}), actor=EDITOR)

    async def erase(uow: UnitOfWork) -> None:
        sequence = await erase_stream(uow, THING, thing, "0001-0000000001", reason="asked")
        await uow.db.execute(thing_table.update().values(sequence=str(sequence)))

    await units.run(erase, actor=EDITOR)
    with pytest.raises(ErasedStreamError):
        await units.run(lambda uow: rename(uow, thing, "L", {"reason": "two"}), actor=EDITOR)


async def test_more_data_than_256_kib_is_refused(engine: AsyncEngine, units: UnitsOfWork) -> None:
    async def much(uow: UnitOfWork) -> None:
        state = ThingState(name="x" * 256 * 1024)
        await uow.record(THING, uow.ids.new(), uow.after(None), Made(), state)

    with pytest.raises(TooLargeForJournalError):
        await units.run(much, actor=EDITOR)
    assert not await fetch(engine, "SELECT 1 FROM journal")


async def test_data_that_fits_as_it_leaves_is_taken_though_the_database_writes_it_longer(
    engine: AsyncEngine, units: UnitsOfWork
) -> None:
    class Listing(PublicModel):
        numbers: tuple[int, ...]

    async def many(uow: UnitOfWork) -> None:
        state = Listing(numbers=(1,) * 131_000)
        await uow.record(THING, uow.ids.new(), uow.after(None), Made(), state)

    await units.run(many, actor=EDITOR)
    (row,) = await fetch(engine, "SELECT octet_length(data::text) AS size FROM journal")
    assert row["size"] > 256 * 1024


async def test_too_long_a_private_part_is_refused(units: UnitsOfWork) -> None:
    with pytest.raises(TooLargeForJournalError):
        await units.run(lambda uow: make(uow, "Lamp", {"reason": "x" * 65_536}), actor=EDITOR)


async def test_a_written_reason_does_not_fit_into_the_column_that_stays_in_clear(
    units: UnitsOfWork,
) -> None:
    async def explain(uow: UnitOfWork) -> None:
        await uow.record(
            THING,
            uow.ids.new(),
            uow.after(None),
            Made(),
            ThingState(name="Lamp"),
            reason="Mr Doe was seen at the border",
        )

    with pytest.raises(asyncpg.CheckViolationError):
        await units.run(explain, actor=EDITOR)


async def test_a_version_is_used_once(units: UnitsOfWork) -> None:
    thing = await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)

    async def again(uow: UnitOfWork) -> None:
        await uow.record(THING, thing, uow.after(None), Renamed(before=""), ThingState(name="x"))

    with pytest.raises(asyncpg.UniqueViolationError):
        await units.run(again, actor=EDITOR)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM journal",
        "TRUNCATE journal",
        "TRUNCATE journal CASCADE",
        "UPDATE journal SET data = '{}'",
        "UPDATE journal SET actor = 'someone else'",
        "UPDATE journal SET private = NULL",
        "UPDATE journal SET occurred_at = now()",
        "UPDATE journal SET version = version + 1",
        "UPDATE journal SET id = gen_random_uuid()",
        "UPDATE journal SET hash_version = 2",
        "UPDATE journal SET actor = actor",
        "DELETE FROM journal_seal",
        "TRUNCATE journal_seal",
        "UPDATE journal_seal SET position = 2",
        "UPDATE journal_seal SET hash = sha256('x')",
    ],
)
async def test_a_sealed_row_can_be_neither_changed_nor_removed(
    statement: str, engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    async with borrowed(engine) as driver:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await driver.execute(statement)
    assert refused.value.sqlstate == "FJ001"


async def test_an_insert_that_comes_to_nothing_leaves_nothing_for_the_sealer(
    engine: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    await units.run(lambda uow: make(uow, "Lamp"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    async with borrowed(engine) as driver:
        done = await driver.execute(
            "INSERT INTO journal OVERRIDING SYSTEM VALUE SELECT * FROM journal"
            " ON CONFLICT DO NOTHING"
        )
    assert done == "INSERT 0 0"
    assert await fetch(engine, "SELECT * FROM journal_unsealed") == []


async def test_an_inserted_row_cannot_carry_a_written_reason(engine: AsyncEngine) -> None:
    async with borrowed(engine) as driver:
        with pytest.raises(asyncpg.CheckViolationError):
            await driver.execute(
                "INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at,"
                " actor, correlation_id, data, reason) VALUES (gen_random_uuid(), 'thing',"
                " gen_random_uuid(), 1, 1, 't', now(), 'a', 'c', '{}', 'a written reason')"
            )
