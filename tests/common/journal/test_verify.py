"""Verifying: whoever edits the journal, past every trigger, is found at the first broken row."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed, transaction
from common.journal import verify
from common.journal.checkpoint import (
    Checkpoint,
    CheckpointError,
    checkpoint,
    verify_checkpoint,
)
from common.journal.verify import ChainReport, verify_chain
from common.uow import UnitsOfWork
from journal_kit import EDITOR, NOON, fetch, make, rename, seal_everything

AT = "WHERE entry = (SELECT entry FROM journal_seal WHERE position ="
"""The row at the position that follows."""

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
async def sealed(engine: AsyncEngine, units: UnitsOfWork, scratch_database: str) -> AsyncEngine:
    """Six sealed rows: a lamp (positions 1, 3, 4), a table (2) and a chair (5, 6)."""
    lamp = await units.run(lambda uow: make(uow, "lamp", {"reason": "x"}), actor=EDITOR)
    await units.run(lambda uow: make(uow, "table"), actor=EDITOR)
    await units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    await units.run(lambda uow: rename(uow, lamp, "torch"), actor=EDITOR)
    chair = await units.run(lambda uow: make(uow, "chair"), actor=EDITOR)
    await units.run(lambda uow: rename(uow, chair, "stool"), actor=EDITOR)
    await seal_everything(engine, scratch_database)
    return engine


async def walk(
    engine: AsyncEngine, from_position: int = 0, kept: Checkpoint | None = None, page: int = 2
) -> ChainReport:
    async with borrowed(engine) as driver:
        return await verify_chain(driver, from_position, checkpoint=kept, page=page)


async def as_superuser(engine: AsyncEngine, *statements: str) -> None:
    """Run `statements` with every trigger switched off."""
    async with transaction(engine, "session_replication_role = replica") as driver:
        await driver.execute("; ".join(statements))


async def test_an_untouched_chain_holds(sealed: AsyncEngine) -> None:
    report = await walk(sealed)
    assert report.holds
    (head,) = await fetch(sealed, "SELECT position, hash FROM journal_head")
    assert (report.rows, report.epoch) == (6, 1)
    assert (report.position, report.hash) == (head["position"], head["hash"])


async def test_an_empty_journal_holds(engine: AsyncEngine) -> None:
    report = await walk(engine)
    assert report.holds
    assert report.rows == 0


async def test_rows_not_yet_sealed_are_not_walked(sealed: AsyncEngine, units: UnitsOfWork) -> None:
    await units.run(lambda uow: make(uow, "shelf"), actor=EDITOR)
    report = await walk(sealed)
    assert report.holds
    assert report.rows == 6


@pytest.mark.parametrize(
    "edit, what",
    [
        ("DELETE FROM journal_unsealed", "waits for the sealer no more and has no place"),
        (
            "DELETE FROM journal WHERE entry IN (SELECT entry FROM journal_unsealed)",
            "waited for the sealer and is gone",
        ),
    ],
)
async def test_a_row_that_was_kept_from_the_sealer_is_named(
    edit: str, what: str, sealed: AsyncEngine, units: UnitsOfWork
) -> None:
    shelf = await units.run(lambda uow: make(uow, "shelf"), actor=EDITOR)
    (row,) = await fetch(sealed, "SELECT entry FROM journal WHERE stream = $1", shelf)
    await as_superuser(sealed, edit)
    broken = (await walk(sealed)).broken
    assert broken is not None
    assert what in broken.what
    assert f"entry {row['entry']}" in str(broken)


async def test_a_sealed_row_that_still_waits_for_the_sealer_is_named(sealed: AsyncEngine) -> None:
    (row,) = await fetch(sealed, "SELECT entry, stream FROM sealed WHERE position = 3")
    await as_superuser(sealed, f"INSERT INTO journal_unsealed VALUES ({row['entry']})")
    broken = (await walk(sealed)).broken
    assert broken is not None
    assert "it waits for the sealer and has its place in the chain already" in str(broken)
    assert (broken.entry, broken.stream) == (row["entry"], row["stream"])


@pytest.mark.parametrize("statement", [verify.STRAYED, verify.GONE])
async def test_strayed_rows_are_looked_for_by_index_whatever_the_planner_believes(
    statement: str, engine: AsyncEngine
) -> None:
    async with borrowed(engine) as driver:
        page = (0, verify.ENTRIES) if "$2" in statement else ()
        plan = "\n".join(row[0] for row in await driver.fetch(f"EXPLAIN {statement}", *page))
    assert "SubPlan" in plan
    assert "Join" not in plan


async def test_a_walk_can_begin_further_on(sealed: AsyncEngine) -> None:
    report = await walk(sealed, 4)
    assert report.holds
    assert report.rows == 2


@pytest.mark.parametrize(
    "edit, position",
    [
        (f"UPDATE journal SET data = jsonb_set(data, '{{thing}}', '{{}}') {AT} 3)", 3),
        (f"UPDATE journal SET actor = 'someone else' {AT} 1)", 1),
        (f"UPDATE journal SET occurred_at = occurred_at + interval '1 us' {AT} 5)", 5),
        (f"UPDATE journal SET reason = NULL {AT} 2)", 2),
        (f"UPDATE journal SET private = NULL {AT} 1)", 1),
        (f"UPDATE journal SET private = private || '\\x00' {AT} 1)", 1),
        ("UPDATE journal_seal SET hash = sha256('x') WHERE position = 4", 4),
        (f"UPDATE journal SET hash_version = 2 {AT} 4)", 4),
        (f"UPDATE journal SET stream_type = 'other' {AT} 6)", 6),
        (f"UPDATE journal SET traceparent = '' {AT} 2)", 2),
        (f"DELETE FROM journal {AT} 2)", 2),
        (f"DELETE FROM journal {AT} 6)", 6),
        ("DELETE FROM journal", 1),
        ("DELETE FROM journal_seal WHERE position = 2", 2),
        ("DELETE FROM journal_seal WHERE position = 6", 6),
        ("UPDATE journal_head SET hash = sha256('x')", 6),
        ("UPDATE journal_head SET position = 5", 5),
        ("UPDATE journal_head SET position = 7", 7),
        (
            "UPDATE journal_seal SET position = 60 WHERE position = 3;"
            " UPDATE journal_seal SET position = 3 WHERE position = 4;"
            " UPDATE journal_seal SET position = 4 WHERE position = 60",
            3,
        ),
    ],
)
async def test_a_superusers_edit_is_named(edit: str, position: int, sealed: AsyncEngine) -> None:
    await as_superuser(sealed, edit)
    report = await walk(sealed)
    assert report.broken is not None
    assert report.broken.position == position


async def test_a_broken_row_is_named_by_position_entry_and_stream(sealed: AsyncEngine) -> None:
    (row,) = await fetch(sealed, "SELECT entry, stream FROM sealed WHERE position = 3")
    await as_superuser(sealed, f"UPDATE journal SET actor = 'x' {AT} 3)")
    broken = (await walk(sealed)).broken
    assert broken is not None
    assert (broken.entry, broken.stream) == (row["entry"], row["stream"])
    assert str(broken) == (
        f"position 3 (entry {row['entry']}, thing {row['stream']}): "
        "its contents, or what stands before it, do not give its hash"
    )


RESEAL = """
TRUNCATE journal_seal;
INSERT INTO journal_unsealed SELECT entry FROM journal;
UPDATE journal_head SET position = 0, hash = decode(repeat('00', 32), 'hex')
"""


async def test_a_version_missing_from_a_chain_that_was_sealed_anew_is_named(
    sealed: AsyncEngine, scratch_database: str
) -> None:
    await as_superuser(sealed, f"DELETE FROM journal {AT} 3)", RESEAL)
    await seal_everything(sealed, scratch_database)
    broken = (await walk(sealed)).broken
    assert broken is not None
    assert broken.position == 3
    assert "versions between them are missing" in broken.what


async def test_a_stream_that_begins_in_the_middle_is_named(
    sealed: AsyncEngine, scratch_database: str
) -> None:
    await as_superuser(sealed, f"DELETE FROM journal {AT} 1)", RESEAL)
    await seal_everything(sealed, scratch_database)
    broken = (await walk(sealed)).broken
    assert broken is not None
    assert "has no version before it" in broken.what


async def test_a_version_sealed_before_its_predecessor_is_named(
    sealed: AsyncEngine, scratch_database: str
) -> None:
    await as_superuser(
        sealed,
        f"UPDATE journal SET version = 30 {AT} 3)",
        f"UPDATE journal SET version = 2 {AT} 4)",
        "UPDATE journal SET version = 3 WHERE version = 30",
        RESEAL,
    )
    await seal_everything(sealed, scratch_database)
    broken = (await walk(sealed)).broken
    assert broken is not None
    assert "was sealed before" in broken.what


async def test_a_checkpoint_is_the_signed_head(sealed: AsyncEngine) -> None:
    async with borrowed(sealed) as driver:
        kept = await checkpoint(driver, "test", NOON)
    (head,) = await fetch(sealed, "SELECT position, hash FROM journal_head")
    assert kept == Checkpoint("test", 1, 6, head["hash"], NOON)
    assert verify_checkpoint(kept.signed(KEY), KEY.public_key()) == kept


async def test_a_chain_passes_through_its_old_checkpoint(
    sealed: AsyncEngine, units: UnitsOfWork, scratch_database: str
) -> None:
    async with borrowed(sealed) as driver:
        kept = await checkpoint(driver, "test", NOON)
    await units.run(lambda uow: make(uow, "shelf"), actor=EDITOR)
    await seal_everything(sealed, scratch_database)
    assert (await walk(sealed, kept=kept)).holds
    assert (await walk(sealed, 6, kept=kept)).holds


async def test_a_chain_rewritten_as_a_whole_fails_its_old_checkpoint(
    sealed: AsyncEngine, scratch_database: str
) -> None:
    async with borrowed(sealed) as driver:
        kept = await checkpoint(driver, "test", NOON)
    await as_superuser(sealed, f"UPDATE journal SET actor = 'x' {AT} 2)", RESEAL)
    await seal_everything(sealed, scratch_database)
    assert (await walk(sealed)).holds
    broken = (await walk(sealed, kept=kept)).broken
    assert broken is not None
    assert broken.position == 6
    assert "checkpoint" in broken.what


async def test_a_chain_that_ends_before_its_checkpoint_is_named(sealed: AsyncEngine) -> None:
    kept = Checkpoint("test", 1, 9, bytes(32), NOON)
    broken = (await walk(sealed, kept=kept)).broken
    assert broken is not None
    assert broken.position == 9


SIGNED = Checkpoint("test", 1, 6, bytes(range(32)), NOON).signed(KEY)


@pytest.mark.parametrize(
    "text",
    [
        SIGNED.replace('"position": 6', '"position": 7'),
        SIGNED.replace('"test"', '"best"'),
        SIGNED.replace("12:00:00.000007", "12:00:00.000008"),
        SIGNED.replace("0001", "0002", 1),
        SIGNED.replace('"signature": "', '"signature": "A'),
        SIGNED.replace('"epoch": 1, ', ""),
        "{}",
        "[]",
        "7",
        "no JSON",
        "",
    ],
)
def test_a_checkpoint_that_was_changed_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        verify_checkpoint(text, KEY.public_key())


def test_a_checkpoint_signed_by_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(CheckpointError, match="signature"):
        verify_checkpoint(SIGNED, other.public_key())
