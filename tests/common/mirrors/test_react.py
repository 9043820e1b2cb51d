"""Reactions run until none is due: once each, in the row's present state, and none is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from common.actor import Actor
from common.db.driver import borrowed
from common.errors import ConflictError
from common.journal.wake import DUE
from common.mirrors.mirror import Outcome
from common.uow import UnitOfWork
from mirror_kit import A, B, C, due, event, ids, seq, watermark
from react_kit import House, loosen, note

# --- done ---------------------------------------------------------------------------------------


async def test_a_due_reaction_runs_once_on_the_present_state(house: House) -> None:
    await house.log.feed(event(A, 1), event(A, 2))
    reactor = house.reactor(note)
    await reactor.round()
    await reactor.round()
    assert await house.did() == [(A, seq(2))]
    assert await due(house.engine) == []


async def test_it_acts_as_the_system_and_names_the_event_behind_it(house: House) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    said = event(A, 1)
    await house.log.feed(
        type(said)(said.key, said.value, (*said.headers, ("traceparent", trace.encode())))
    )
    await house.reactor(note).round()
    async with borrowed(house.engine) as driver:
        found = await driver.fetchrow("SELECT actor, causation_id, traceparent FROM did")
    assert found["actor"] == Actor.system("tester").subject
    assert found["causation_id"] == f"event-{A.int}-{seq(1)}"
    assert found["traceparent"].split("-")[1] == "a" * 32
    assert found["traceparent"] != trace


async def test_what_has_more_to_do_stays_due_and_goes_on_at_once(house: House) -> None:
    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        await note(uow, id_, fresh)
        return Outcome.DONE if len(await house.did()) == 2 else Outcome.MORE

    await house.log.feed(event(A, 1))
    reactor = house.reactor(react)
    for _ in range(2):
        assert await reactor.round()
        assert await due(house.engine) == [A]
    assert not await reactor.round()
    assert len(await house.did()) == 3
    assert await due(house.engine) == []


# --- wait ---------------------------------------------------------------------------------------


async def test_what_loosens_waits_until_the_mirror_is_fresh(house: House) -> None:
    await house.log.feed(event(A, 1))
    reactor = house.reactor(loosen)
    await reactor.round()
    assert (await house.did(), (await house.duty())["waiting"]) == ([], True)
    await house.log.feed(watermark(1))
    await reactor.round()
    assert await house.did() == [(A, seq(1))]
    assert await due(house.engine) == []


async def test_what_waits_is_not_asked_again_before_the_mirror_is_fresh(house: House) -> None:
    asked = []

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        asked.append(fresh)
        return Outcome.DONE if fresh else Outcome.WAIT

    await house.log.feed(event(A, 1), watermark(1))
    house.clock.advance(timedelta(seconds=61))
    reactor = house.reactor(react)
    for _ in range(3):
        await reactor.round()
    assert asked == [False]
    later = house.clock.now()
    await house.log.feed(watermark(2, publisher=later, broker=later))
    await reactor.round()
    assert asked == [False, True]


async def test_a_mirror_that_grew_old_makes_loosening_wait(house: House) -> None:
    await house.log.feed(event(A, 1), watermark(1))
    house.clock.advance(timedelta(seconds=60.5))
    await house.reactor(loosen).round()
    assert await house.did() == []


async def test_what_waited_tightens_at_once_when_the_row_changes(house: House) -> None:
    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        eligible = await uow.driver.fetchval("SELECT eligible FROM thing_seen WHERE id = $1", id_)
        return Outcome.WAIT if eligible and not fresh else await note(uow, id_, fresh)

    await house.log.feed(event(A, 1))
    reactor = house.reactor(react)
    await reactor.round()
    await house.log.feed(event(A, 2, eligible=False))
    await reactor.round()
    assert await house.did() == [(A, seq(2))]


async def test_what_tightens_does_not_queue_behind_all_that_waited(house: House) -> None:
    everyone = list(ids(150))
    await house.log.feed(*[event(each, 1) for each in everyone])
    waiting = house.reactor(loosen)
    while await waiting.round():
        pass
    await house.log.feed(event(UUID(int=500), 1, eligible=False), watermark(1))
    await house.reactor(note).round()
    assert (await house.did())[0] == (UUID(int=500), seq(1))


# --- refused and failed -------------------------------------------------------------------------

ERRORS: dict[str, Exception] = {
    "a rule refuses": ConflictError("the payment is locked"),
    "the program is wrong": ZeroDivisionError("division by zero"),
}


@pytest.mark.parametrize("what", ERRORS)
async def test_an_error_leaves_it_due_with_the_error_beside_it_and_nothing_written(
    house: House, what: str
) -> None:
    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        await note(uow, id_, fresh)
        raise ERRORS[what]

    await house.log.feed(event(A, 1))
    await house.reactor(react, retry_seconds=30).round()
    duty = await house.duty()
    assert duty["attempts"] == 1
    assert str(ERRORS[what]) in duty["error"]
    assert duty["not_before"] > duty["due_since"]
    assert await house.did() == []


@pytest.mark.parametrize("what", ERRORS)
async def test_one_that_always_fails_blocks_no_other(house: House, what: str) -> None:
    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        if id_ == A:
            raise ERRORS[what]
        return await note(uow, id_, fresh)

    await house.log.feed(*[event(each, 1) for each in (A, B, C)])
    await house.reactor(react).round()
    assert [id_ for id_, _ in await house.did()] == [B, C]
    assert await due(house.engine) == [A]


async def test_tries_lie_ever_further_apart_but_not_for_ever(house: House) -> None:
    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        raise ConflictError("no")

    await house.log.feed(event(A, 1))
    reactor = house.reactor(react, retry_seconds=1)
    pauses = []
    for _ in range(9):
        await house.hurry()
        await reactor.round()
        async with borrowed(house.engine) as driver:
            pauses.append(
                await driver.fetchval(
                    "SELECT round(extract(epoch FROM not_before - now())) FROM reaction_due"
                )
            )
    assert pauses[:3] == [1, 2, 4]
    assert pauses[-2:] == [60, 60]


async def test_after_an_error_it_is_done_at_a_later_try(house: House) -> None:
    tries = []

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        tries.append(id_)
        if len(tries) == 1:
            raise ConflictError("not yet")
        return await note(uow, id_, fresh)

    await house.log.feed(event(A, 1))
    reactor = house.reactor(react)
    await reactor.round()
    await house.hurry()
    await reactor.round()
    assert await due(house.engine) == []


async def test_an_error_of_an_earlier_state_does_not_delay_the_new_one(house: House) -> None:
    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        raise ConflictError("no")

    await house.log.feed(event(A, 1))
    await house.reactor(react, retry_seconds=30).round()
    await house.log.feed(event(A, 2, eligible=False))
    await house.reactor(note).round()
    assert await house.did() == [(A, seq(2))]


# --- at the same time ---------------------------------------------------------------------------


async def test_what_becomes_due_again_while_it_runs_runs_again(house: House) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        began.set()
        await go_on.wait()
        return await note(uow, id_, fresh)

    await house.log.feed(event(A, 1))
    reactor = house.reactor(react)
    running = asyncio.create_task(reactor.round())
    await began.wait()
    feeding = asyncio.create_task(house.log.feed(event(A, 2, eligible=False)))
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(running, feeding)
    assert await due(house.engine) == [A]
    await reactor.round()
    assert await house.did() == [(A, seq(1)), (A, seq(2))]
    assert await due(house.engine) == []


async def test_two_reactors_at_once_do_each_row_once(house: House) -> None:
    everyone = list(ids(60))
    await house.log.feed(*[event(each, 1) for each in everyone])

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        await asyncio.sleep(0.001)
        return await note(uow, id_, fresh)

    reactors = [house.reactor(react) for _ in range(3)]
    await asyncio.gather(*(reactor.round() for reactor in reactors))
    assert sorted(id_ for id_, _ in await house.did()) == everyone
    assert await due(house.engine) == []


async def test_events_and_reactions_on_the_same_rows_never_wait_for_each_other_for_ever(
    house: House,
) -> None:
    everyone = list(ids(30))
    stop = asyncio.Event()

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        return await note(uow, id_, fresh)

    running = [asyncio.create_task(house.reactor(react).run(stop)) for _ in range(2)]
    for version in range(1, 31):
        eligible = version % 2 == 0
        order = everyone if eligible else everyone[::-1]
        await house.log.feed(*[event(each, version, eligible=eligible) for each in order])
        house.wake.mark(DUE)
    while await due(house.engine):
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*running)
    last = dict(await house.did())
    assert last == dict.fromkeys(everyone, seq(30))


# --- the loop -----------------------------------------------------------------------------------


async def test_it_is_woken_when_something_is_due_and_stops_when_told(house: House) -> None:
    done, stop = asyncio.Event(), asyncio.Event()

    async def react(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
        done.set()
        return Outcome.DONE

    running = asyncio.create_task(house.reactor(react).run(stop))
    await house.log.feed(event(A, 1))
    house.wake.mark(DUE)
    await done.wait()
    stop.set()
    await running


async def test_more_than_a_page_is_worked_off(house: House) -> None:
    stop = asyncio.Event()
    await house.log.feed(*[event(each, 1) for each in ids(250)])
    running = asyncio.create_task(house.reactor(note).run(stop))
    while len(await house.did()) < 250:
        await asyncio.sleep(0.05)
    stop.set()
    await running
    assert await due(house.engine) == []
