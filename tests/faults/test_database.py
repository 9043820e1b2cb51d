"""The database fails under a payment: the client is told to come back, and nothing is half done.

Each fault meets a request that moves money. It is answered with 503 and Retry-After, never with
500, nothing of it is written, and the same request under the same key succeeds afterwards, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from common.uow import MAX_RUNS
from support.api import Api, problem
from support.databases import plain_dsn
from support.disbursement import World, api_of, open_world

POOL = 4
IMPATIENT: dict[str, Any] = {
    "database_pool_size": POOL,
    "database_pool_timeout_seconds": 0.4,
    "lock_timeout_seconds": 0.3,
    "statement_timeout_seconds": 5.0,
}
ALWAYS = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'the database asks for a rerun' USING ERRCODE = '%s';
END $$;
CREATE TRIGGER fail BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION fail();
"""
CUT = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION fail();
"""
FOR_A_WHILE = """
CREATE SEQUENCE asked;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('asked') <= %d THEN
        RAISE EXCEPTION 'the database asks for a rerun' USING ERRCODE = '40001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION fail();
"""
NEVER_MORE = "DROP FUNCTION fail CASCADE"

Fault = Callable[[World], AbstractAsyncContextManager[None]]


@pytest.fixture
async def world(disbursement_url: str) -> AsyncIterator[World]:
    """The service with little patience."""
    async with open_world(disbursement_url, **IMPATIENT) as world:
        yield world


def at_every_record(statements: str) -> Fault:
    """What `statements` set up happens at every journal row, after everything else was written."""

    @asynccontextmanager
    async def fault(world: World) -> AsyncIterator[None]:
        async with superuser(world) as driver:
            await driver.execute(statements)
            yield
            await driver.execute(NEVER_MORE)

    return fault


@asynccontextmanager
async def locked(world: World) -> AsyncIterator[None]:
    """Somebody holds the agreement for longer than we wait."""
    async with superuser(world) as driver, driver.transaction():
        await driver.execute("SELECT 1 FROM agreement FOR UPDATE")
        yield


@asynccontextmanager
async def exhausted(world: World) -> AsyncIterator[None]:
    """Every connection of the pool is taken."""
    async with asyncio.TaskGroup() as group:
        taken, enough = asyncio.Semaphore(0), asyncio.Event()

        async def take() -> None:
            async with world.runtime.engine.connect():
                taken.release()
                await enough.wait()

        for _ in range(POOL):
            group.create_task(take())
            await taken.acquire()
        yield
        enough.set()


@asynccontextmanager
async def superuser(world: World) -> AsyncIterator[Any]:
    driver = await asyncpg.connect(
        plain_dsn(world.runtime.settings.database_url.get_secret_value())
    )
    try:
        yield driver
    finally:
        await driver.close()


FAULTS: dict[str, tuple[Fault, str]] = {
    "connections are cut": (at_every_record(CUT), "database_unavailable"),
    "it asks for a rerun for ever": (at_every_record(ALWAYS % "40001"), "busy"),
    "it sees a deadlock for ever": (at_every_record(ALWAYS % "40P01"), "busy"),
    "it is shutting down": (at_every_record(ALWAYS % "57P01"), "database_unavailable"),
    "a lock is held too long": (locked, "busy"),
    "the pool is exhausted": (exhausted, "busy"),
}


@pytest.mark.parametrize("fault, code", FAULTS.values(), ids=FAULTS)
async def test_a_payment_is_told_to_come_back_and_then_made_once(
    world: World, fault: Fault, code: str
) -> None:
    agreement = await world.agreement()
    terms = {"agreement_id": str(agreement.id), "tranche": 1, "amount": "50000", "currency": "USD"}
    before = await world.balances(agreement.grant_id)

    async with api_of(world) as api:
        async with fault(world):
            for answer in await asyncio.gather(*(submit(api, terms, f"k{n}") for n in range(6))):
                problem(answer, 503, code)
                assert int(answer.headers["retry-after"]) >= 1
        assert await world.balances(agreement.grant_id) == before
        assert await world.fetch("SELECT 1 FROM payment UNION ALL SELECT 1 FROM idempotency") == []
        answers = [await submit(api, terms, "k0") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert (await world.balances(agreement.grant_id))["earmarked"] == "50000"
    assert await world.breaches() == []


@pytest.mark.parametrize(
    "refusals, status, made",
    [(MAX_RUNS - 1, 201, 1), (MAX_RUNS + 1, 503, 0)],
    ids=["until the last run", "beyond it"],
)
async def test_a_payment_is_tried_again_unseen_and_not_for_ever(
    world: World, refusals: int, status: int, made: int
) -> None:
    agreement = await world.agreement()
    terms = {"agreement_id": str(agreement.id), "tranche": 1, "amount": "50000", "currency": "USD"}
    async with api_of(world) as api, at_every_record(FOR_A_WHILE % refusals)(world):
        answer = await submit(api, terms, "k0")
    assert answer.status_code == status
    (asked,) = await world.fetch("SELECT last_value FROM asked")
    assert asked["last_value"] == MAX_RUNS
    assert len(await world.fetch("SELECT 1 FROM payment")) == made
    assert await world.breaches() == []


async def submit(api: Api, terms: dict[str, Any], key: str) -> httpx.Response:
    return await api.post("/v1/payments", json=terms, headers={"Idempotency-Key": key})
