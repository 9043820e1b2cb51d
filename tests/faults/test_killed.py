"""kill -9 at the moments that decide: nothing is lost, nothing is done twice.

A payment's whole way goes on over HTTP while the process dies under it and is started again; its
clients repeat what they sent, under the same keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from common.points import Point
from faults.scene import Scene
from faults.topics import order_is_kept

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults-killed"),
    pytest.mark.timeout(180),
]

PAYMENTS = 4
WAY = ["submitted", "approved", "released", "sent"]


async def killed_at(scene: Scene, strike: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` on a disbursement that dies at `strike` meanwhile, and is started again then."""
    await scene.restart("disbursement", KILL_AT=strike)
    scene.asked.clear()
    child = scene.stack.processes["disbursement"]
    working = asyncio.create_task(work())
    try:
        await scene.until(lambda: _dead(child, working))
        assert child.returncode == -9
        # Time passes: the lease of the dead publisher runs out.
        await scene.sql("disbursement", "UPDATE reader SET lease_until = clock_timestamp()")
        await scene.stack.start_service("disbursement")
        await working
    finally:
        working.cancel()


async def _dead(child: object, working: asyncio.Task[None]) -> bool:
    assert not working.done() or child.returncode is not None, "it was never struck"
    return child.returncode is not None


@pytest.mark.parametrize(
    "strike",
    [
        f"{Point.BEFORE_COMMIT}:3",
        f"{Point.AFTER_COMMIT}:5",
        f"{Point.INSTRUCTION_STORED}:2",
        f"{Point.IN_KAFKA_TRANSACTION}:2",
        f"{Point.BEFORE_CURSOR}:2",
    ],
)
async def test_a_payment_is_made_once_whenever_the_process_dies(scene: Scene, strike: str) -> None:
    agreement = await scene.new_agreement(scene.partner, PAYMENTS)
    before = await scene.balance(scene.grant)
    payments: list[str] = []

    async def work() -> None:
        payments.extend(
            await asyncio.gather(*(scene.pay(agreement, n + 1) for n in range(PAYMENTS)))
        )

    await killed_at(scene, strike, work)
    for asked in scene.asked:
        again = await asked.again()
        assert (again.status_code, again.content) == (
            asked.answer.status_code,
            asked.answer.content,
        )
        assert again.headers["idempotency-replayed"] == "true"
    for payment in payments:
        assert await scene.changes("disbursement", payment) == WAY
    assert (await scene.balance(scene.grant))["in_transit"] == before.get(
        "in_transit", 0
    ) + PAYMENTS * 1000
    await scene.holds_together()
    await order_is_kept(scene, "disbursement.payment.v1", payments)


@pytest.mark.parametrize("strike", [Point.AFTER_MIRROR, Point.BEFORE_REACTION])
async def test_a_suspension_is_obeyed_once_whenever_the_process_dies(
    scene: Scene, strike: str
) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(partner, 2)
    payments = [(await scene.submit(agreement, n)).json["id"] for n in (1, 2)]

    async def work() -> None:
        await scene.suspend(partner)
        for payment in payments:
            await scene.is_at(payment, "held")

    await killed_at(scene, strike, work)
    for payment in payments:
        assert await scene.changes("disbursement", payment) == ["submitted", "held"]
    assert await scene.mirrored(partner) == "ineligible"
    await scene.holds_together()
    await order_is_kept(scene, "disbursement.payment.v1", payments)
