"""What time brings due is done in bounded shares, and one chore's trouble is not the others'."""

import asyncio

from common.chores import Chore, Chores
from common.errors import UnavailableError
from common.uow import UnitOfWork, UnitsOfWork


async def test_a_chore_is_run_again_while_it_does_its_full_share(units: UnitsOfWork) -> None:
    left = [25]

    async def clear(uow: UnitOfWork) -> int:
        done = min(10, left[0])
        left[0] -= done
        return done

    assert await Chores("scratch", units, ()).do(Chore("clear", clear, 10)) == 25
    assert left == [0]


async def test_a_chore_that_never_ends_gives_the_others_their_turn(units: UnitsOfWork) -> None:
    async def endless(uow: UnitOfWork) -> int:
        return 1

    assert await Chores("scratch", units, ()).do(Chore("endless", endless, 1)) == 100


async def test_a_refused_chore_is_left_for_the_next_round(units: UnitsOfWork) -> None:
    async def refused(uow: UnitOfWork) -> int:
        raise UnavailableError("not now")

    assert await Chores("scratch", units, ()).do(Chore("refused", refused, 10)) == 0


async def test_a_broken_chore_is_left_for_the_next_round(units: UnitsOfWork) -> None:
    async def broken(uow: UnitOfWork) -> int:
        raise LookupError("a fault of ours")

    assert await Chores("scratch", units, ()).do(Chore("broken", broken, 10)) == 0


async def test_chores_end_when_they_are_told_to(units: UnitsOfWork) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(
        Chores("scratch", units, (Chore("none", lambda uow: asyncio.sleep(0, 0), 1),)).run(stop)
    )
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(5):
        await running
