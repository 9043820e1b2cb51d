"""Many clients at once over HTTP: exact balances, one winner, and an answer for everyone.

What happens between two commands stands in tests/disbursement/test_races.py; here they come over
sockets, through the pool of a running service, and suspensions come by Kafka.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from faults.scene import Scene
from journeys.people import IDS, Person
from support.databases import plain_dsn

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
]

CONNECTIONS = 32
WAITING = """
SELECT 1 FROM pg_stat_activity WHERE datname = 'disbursement' AND wait_event_type = 'Lock'
"""


async def test_two_hundred_submits_on_one_grant_leave_exact_balances(scene: Scene) -> None:
    grant = await scene.new_grant("300000.00")
    agreements = [await scene.new_agreement(scene.partner, 20, grant) for _ in range(10)]
    scene.asked.clear()
    at_once = asyncio.Semaphore(CONNECTIONS)

    async def submit(agreement: str, tranche: int) -> None:
        async with at_once:
            await scene.submit(agreement, tranche)

    await asyncio.gather(*(submit(each, n + 1) for n in range(20) for each in agreements))
    assert Counter(met for asked in scene.asked for met in asked.met) == {201: 200}
    assert await scene.balance(grant) == {
        "available": Decimal(100_000),
        "earmarked": Decimal(200_000),
    }
    await scene.holds_together()


async def test_one_key_fifty_times_at_once_makes_one_payment(scene: Scene) -> None:
    agreement = await scene.new_agreement(scene.partner, 1)
    terms = {"agreement_id": agreement, "tranche": 1, "amount": "1000.00", "currency": "USD"}
    headers = {"Idempotency-Key": str(IDS.new())}

    async def submit() -> httpx.Response:
        return await scene.crew.submitter.http.post(
            "disbursement/v1/payments", json=terms, headers=headers
        )

    answers = [*await asyncio.gather(*(submit() for _ in range(50))), await submit()]
    made = [answer for answer in answers if answer.status_code == 201]
    others = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.content for answer in made}) == 1
    assert {(answer.status_code, answer.json()["code"]) for answer in others} <= {
        (409, "idempotency_key_in_use")
    }
    assert all("retry-after" in answer.headers for answer in others)
    assert answers[-1].headers["idempotency-replayed"] == "true"
    count = "SELECT count(*) AS n FROM payment WHERE agreement_id = $1"
    (row,) = await scene.sql("disbursement", count, UUID(agreement))
    assert row["n"] == 1


async def test_of_two_approvers_at_once_one_approves_and_the_other_is_told(scene: Scene) -> None:
    payment = (await scene.submit(await scene.new_agreement(scene.partner, 1), 1)).json

    async def approve(person: Person) -> httpx.Response:
        return await person.http.post(
            f"disbursement/v1/payments/{payment['id']}/approve",
            json={"payload_hash": payment["payload_hash"]},
            headers={"Idempotency-Key": str(IDS.new())},
        )

    people = (scene.crew.first_approver, scene.crew.second_approver)
    answers = await asyncio.gather(*(approve(person) for person in people))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert {code(answer) for answer in answers} == {None, "illegal_move"}
    assert await scene.changes("disbursement", payment["id"]) == ["submitted", "approved"]


async def test_a_suspension_that_comes_while_a_submit_waits_holds_its_payment(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(partner, 1)
    driver = await asyncpg.connect(plain_dsn(scene.stack.database_urls["disbursement"]))
    try:
        async with driver.transaction():
            await driver.execute("SELECT 1 FROM agreement FOR UPDATE")
            submitting = asyncio.create_task(scene.submit(agreement, 1))
            await scene.until(lambda: driver.fetchval(WAITING))
            await scene.suspend(partner)
            await scene.published("registry")
    finally:
        await driver.close()
    payment = (await submitting).json["id"]
    await scene.is_at(payment, "held")
    assert await scene.changes("disbursement", payment) == ["submitted", "held"]


async def test_releases_beside_a_suspension_end_held_and_none_is_in_transit(scene: Scene) -> None:
    partner, grant = await scene.new_partner(), await scene.new_grant("20000.00")
    agreement = await scene.new_agreement(partner, 8, grant)
    approved = await asyncio.gather(*(scene.approved(agreement, n + 1) for n in range(8)))

    async def release(payment: Any) -> httpx.Response:
        return await scene.crew.treasurer.http.post(
            f"disbursement/v1/payments/{payment.json['id']}/release",
            headers={"Idempotency-Key": str(IDS.new()), "If-Match": payment.etag},
        )

    suspending = asyncio.create_task(scene.suspend(partner))
    answers = []
    for payment in approved:
        answers.append(await release(payment))
        await asyncio.sleep(0.01)
    await suspending
    for payment in approved:
        await scene.is_at(payment.json["id"], "held")
    assert {answer.status_code for answer in answers} <= {200, 409, 412}
    assert await scene.balance(grant) == {
        "available": Decimal(12_000),
        "reserved": Decimal(8_000),
    }
    await scene.holds_together()


def code(answer: httpx.Response) -> str | None:
    """Of a refusal, why."""
    return None if answer.is_success else str(answer.json()["code"])
