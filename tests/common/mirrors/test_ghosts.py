"""Rows that a restored owner no longer knows: what it had made after its backup."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.db.driver import borrowed
from mirror_kit import A, B, C, Log, broken, due, event, parked, seq, standing, watermark


async def restored(log: Log) -> None:
    """The owner made A and B, was put back to before B, and has said again what it has: A."""
    await log.feed(event(A, 3), event(B, 1), watermark(4))
    await due(log.engine, take=True)
    await log.feed(event(A, 1, epoch=2, happened="restored"))


async def test_what_the_owner_did_not_say_again_is_gone_and_its_reactions_are_due(log: Log) -> None:
    await restored(log)
    applied = await log.feed(watermark(5, epoch=2, whole=True))
    assert await standing(log.engine, B) == (seq(1), True, True)
    assert await standing(log.engine, A) == (seq(1, 2), True, False)
    assert await due(log.engine) == [B]
    assert (applied.written, applied.due) == (1, 1)


@pytest.mark.parametrize("whole", [{}, {"whole": False}, {"whole": None}])
async def test_while_the_owner_is_not_through_everything_stays(
    log: Log, whole: dict[str, Any]
) -> None:
    await restored(log)
    await log.feed(watermark(5, epoch=2, **whole))
    assert await standing(log.engine, B) == (seq(1), True, False)


async def test_in_the_first_epoch_nothing_can_be_too_many(log: Log) -> None:
    await log.feed(event(A, 1), watermark(4, whole=True))
    assert await standing(log.engine) == (seq(1), True, False)


async def test_as_long_as_one_partition_has_not_come_to_it_everything_stays(log: Log) -> None:
    other = Log(log.engine, partition=1, reckoned=2)
    log.reckoned = 2
    await other.feed(event(C, 1), watermark(4, whole=True))
    await restored(log)
    await log.feed(watermark(5, epoch=2, whole=True))
    assert await standing(log.engine, B) == (seq(1), True, False)
    assert await standing(log.engine, C) == (seq(1), True, False)
    await other.feed(event(C, 1, epoch=2, happened="restored"), watermark(5, epoch=2, whole=True))
    assert await standing(log.engine, B) == (seq(1), True, True)
    assert await standing(log.engine, C) == (seq(1, 2), True, False)


async def test_the_last_two_partitions_come_to_it_at_the_same_time(log: Log) -> None:
    logs = [log, *(Log(log.engine, partition=number) for number in (1, 2, 3))]
    for each in logs:
        each.reckoned = len(logs)
    await restored(log)
    await asyncio.gather(*(each.feed(watermark(5, epoch=2, whole=True)) for each in logs))
    assert await standing(log.engine, B) == (seq(1), True, True)


async def test_it_stays_gone_when_its_partition_is_read_again(log: Log) -> None:
    await restored(log)
    await log.feed(watermark(5, epoch=2, whole=True))
    await log.replay()
    assert await standing(log.engine, B) == (seq(1), True, True)


async def test_a_mirror_that_is_made_anew_ends_the_same(log: Log) -> None:
    await restored(log)
    await log.feed(watermark(5, epoch=2, whole=True))
    async with borrowed(log.engine) as driver:
        await driver.execute("TRUNCATE thing_seen")
    await log.replay()
    assert await standing(log.engine, B) == (seq(1), True, True)
    assert await standing(log.engine, A) == (seq(1, 2), True, False)


async def test_one_that_could_not_be_read_is_gone_too(log: Log) -> None:
    await log.feed(event(A, 1), broken(B, 2))
    await log.feed(event(A, 1, epoch=2), watermark(5, epoch=2, whole=True))
    assert await standing(log.engine, B) == (seq(2), True, True)
    assert await parked(log.engine) == [(1, None)]


async def test_what_the_owner_says_of_it_later_brings_it_back(log: Log) -> None:
    await restored(log)
    await log.feed(watermark(5, epoch=2, whole=True))
    await log.feed(event(B, 1, epoch=2))
    assert await standing(log.engine, B) == (seq(1, 2), True, False)


async def test_a_second_restore_is_told_from_the_first(log: Log) -> None:
    await restored(log)
    await log.feed(watermark(5, epoch=2, whole=True), event(C, 1, epoch=2))
    await log.feed(event(A, 1, epoch=3), watermark(9, epoch=3, whole=True))
    assert await standing(log.engine, C) == (seq(1, 2), True, True)
    assert await standing(log.engine, A) == (seq(1, 3), True, False)
