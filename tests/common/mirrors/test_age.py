"""How old a mirror is, and when it must not be decided on."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.actor import Actor
from common.db.driver import borrowed, transaction
from common.mirrors import partitions
from common.mirrors.age import MirrorAge, Stale, mirror_age
from common.uow import UnitOfWork
from mirror_kit import NOON, A, B, Log, Said, broken, event, watermark
from react_kit import House

TOPIC = "owner.thing.v1"
BOUND = 60


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


async def age_of(engine: AsyncEngine, *, partitions: int = 1, now: datetime = NOON) -> MirrorAge:
    async with borrowed(engine) as driver:
        return await mirror_age(driver, TOPIC, now=now, skew_seconds=5, partitions=partitions)


async def test_a_topic_never_heard_of_has_no_age_and_is_a_problem(engine: AsyncEngine) -> None:
    age = await age_of(engine)
    assert (age.seconds, age.problem(BOUND)) == (None, Stale.NEVER_HEARD)


async def test_events_alone_give_no_age(log: Log) -> None:
    await log.feed(event(A, 1))
    assert (await age_of(log.engine)).seconds is None


async def test_a_partition_that_has_no_row_yet_keeps_the_whole_topic_unheard_of(log: Log) -> None:
    await log.feed(watermark(1))
    assert (await age_of(log.engine, partitions=2)).problem(BOUND) is Stale.NEVER_HEARD


async def test_one_partition_without_a_watermark_keeps_the_whole_topic_unheard_of(log: Log) -> None:
    await log.feed(watermark(1))
    await Log(log.engine, partition=1).feed(event(B, 1))
    assert (await age_of(log.engine, partitions=2)).problem(BOUND) is Stale.NEVER_HEARD


async def test_the_worst_partition_counts(log: Log) -> None:
    await log.feed(watermark(9, publisher=at(-3), broker=at(-3)))
    await Log(log.engine, partition=1).feed(watermark(8, publisher=at(-70), broker=at(-70)))
    age = await age_of(log.engine, partitions=2)
    assert (age.seconds, age.problem(BOUND)) == (Decimal(70), Stale.TOO_OLD)


async def test_an_age_of_exactly_the_bound_will_do(log: Log) -> None:
    await log.feed(watermark(9, publisher=at(-60), broker=at(-60)))
    assert (await age_of(log.engine)).problem(BOUND) is None
    assert (await age_of(log.engine, now=at(0.001))).problem(BOUND) is Stale.TOO_OLD


async def test_a_watermark_in_the_middle_of_a_batch_counts(log: Log) -> None:
    await log.feed(event(A, 1), watermark(4, publisher=at(-1), broker=at(-1)), event(B, 1))
    assert (await age_of(log.engine)).seconds == Decimal(1)


async def test_the_last_watermark_of_a_batch_counts(log: Log) -> None:
    await log.feed(watermark(4, broker=at(-9)), event(A, 1), watermark(5, broker=at(-1)))
    assert (await age_of(log.engine)).seconds == Decimal(1)
    async with borrowed(log.engine) as driver:
        found = await driver.fetchrow(
            "SELECT watermark_epoch, watermark_position, watermark_hash FROM mirror_partition"
        )
    assert tuple(found) == (1, 5, "ab" * 32)


async def test_a_watermark_counts_past_a_record_that_could_not_be_read(log: Log) -> None:
    await log.feed(broken(A, 1), watermark(4))
    assert (await age_of(log.engine)).problem(BOUND) is None


async def test_a_publishers_clock_that_runs_ahead_makes_nothing_look_fresh(log: Log) -> None:
    await log.feed(watermark(4, publisher=at(3600), broker=at(-70)))
    assert (await age_of(log.engine)).problem(BOUND) is Stale.TOO_OLD


async def test_a_publishers_clock_that_runs_behind_makes_it_look_old(log: Log) -> None:
    await log.feed(watermark(4, publisher=at(-3600), broker=at(0)))
    assert (await age_of(log.engine)).problem(BOUND) is Stale.TOO_OLD


async def test_a_little_ahead_of_our_clock_is_no_age_at_all(log: Log) -> None:
    await log.feed(watermark(4, publisher=at(4), broker=at(4)))
    age = await age_of(log.engine)
    assert (age.seconds, age.problem(BOUND)) == (Decimal(0), None)


async def test_far_ahead_of_our_clock_closes_and_says_so(log: Log) -> None:
    await log.feed(watermark(4, publisher=at(90), broker=at(90)))
    assert (await age_of(log.engine)).problem(BOUND) is Stale.CLOCK_SKEW


UNREADABLE = {
    "no JSON": watermark(5, value=b"{"),
    "no time": watermark(5, value=b'{"epoch":1,"position":5,"head_hash":"x"}'),
    "a time of nowhere": watermark(
        5, value=b'{"epoch":1,"position":5,"head_hash":"x","time":"2026-03-01T12:00:00"}'
    ),
    "a position that no journal has": watermark(2**70),
    "an epoch that no journal has": watermark(5, epoch=2**40),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_an_unreadable_watermark_makes_nothing_younger_and_stops_nothing(
    log: Log, what: str
) -> None:
    said: Said = UNREADABLE[what]
    await log.feed(watermark(4, broker=at(-9)))
    await log.feed(said, event(A, 1))
    assert (await age_of(log.engine)).seconds == Decimal(9)
    assert log.at == 3


async def test_a_replay_makes_the_mirror_unheard_of_until_it_has_caught_up(log: Log) -> None:
    await log.feed(event(A, 1), event(A, 2), watermark(4))
    async with transaction(log.engine) as driver:
        await partitions.restart(driver, log.cluster, log.place, 0)
    log.at = 0
    await log.apply(upto=2)
    assert (await age_of(log.engine)).problem(BOUND) is Stale.NEVER_HEARD
    await log.apply()
    assert (await age_of(log.engine)).problem(BOUND) is None


async def test_another_cluster_makes_the_mirror_unheard_of(log: Log) -> None:
    await log.feed(watermark(4))
    await Log(log.engine, cluster="cluster-b").feed(event(A, 1))
    assert (await age_of(log.engine)).problem(BOUND) is Stale.NEVER_HEARD


async def test_a_unit_of_work_that_waited_sees_the_mirror_that_much_older(house: House) -> None:
    """The clock is read when it begins; what it waited for locks since then counts too."""

    async def waits(uow: UnitOfWork) -> tuple[Decimal | None, Decimal | None]:
        before = await mirror_age(uow, TOPIC, partitions=1)
        await uow.driver.execute("SELECT pg_sleep(2.1)")
        after = await mirror_age(uow, TOPIC, partitions=1)
        return before.seconds, after.seconds

    await house.log.feed(watermark(4, publisher=at(-30), broker=at(-30)))
    before, after = await house.units().run(waits, actor=Actor.system("tester"))
    assert before is not None
    assert after is not None
    assert before >= 30
    assert after >= before + 1
