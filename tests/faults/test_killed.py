"""kill -9 at the moments that decide, and again while it recovers: nothing is lost or done twice.

Payments go their whole way over HTTP while the process dies under them and is started again; their
clients repeat what they sent, under the same keys.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import pytest

from common.points import Point
from common.process import ChildDied
from faults.scene import Scene
from faults.topics import order_is_kept

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
    pytest.mark.timeout(180),
]

PAYMENTS = 4


async def test_a_suspension_is_obeyed_once_wherever_the_process_dies(scene: Scene) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(partner, 2)
    payments = [(await scene.submit(agreement, n)).json["id"] for n in (1, 2)]

    async def work() -> None:
        await scene.suspend(partner)
        for payment in payments:
            await scene.is_at(payment, "held")

    await dying_at(scene, (Point.AFTER_MIRROR, Point.BEFORE_REACTION), work)
    for payment in payments:
        assert await scene.changes("disbursement", payment) == ["submitted", "held"]
    assert await scene.mirrored(partner) == "ineligible"
    await scene.holds_together()
    await order_is_kept(scene, "disbursement.payment.v1", payments)


@pytest.mark.parametrize(
    "strikes, unanswered",
    [
        ((f"{Point.BEFORE_COMMIT}:3", f"{Point.AFTER_COMMIT}:5"), 1),
        ((Point.INSTRUCTION_STORED, Point.IN_KAFKA_TRANSACTION, Point.BEFORE_CURSOR), 0),
    ],
    ids=["before and after a commit", "between the bytes and Kafka's cursor"],
)
async def test_payments_are_made_once_wherever_the_process_dies(
    scene: Scene, strikes: Sequence[str], unanswered: int
) -> None:
    agreement = await scene.new_agreement(scene.partner, PAYMENTS)
    before = await scene.balance(scene.grant)
    payments: list[str] = []

    async def work() -> None:
        payments.extend(
            await asyncio.gather(*(scene.pay(agreement, n + 1) for n in range(PAYMENTS)))
        )

    await dying_at(scene, strikes, work)
    # Whoever was not told of a commit asked again, and was told of that one.
    told_later = [each for each in scene.asked if "idempotency-replayed" in each.answer.headers]
    assert len(told_later) >= unanswered
    for asked in scene.asked:
        again = await asked.again()
        assert again.status_code == asked.answer.status_code
        assert again.content == asked.answer.content, "the same key gets the same bytes"
        assert again.headers["idempotency-replayed"] == "true"
    for payment in payments:
        changes = await scene.changes("disbursement", payment)
        assert changes == ["submitted", "approved", "released", "sent"]
    after = await scene.balance(scene.grant)
    assert after["in_transit"] - before.get("in_transit", 0) == PAYMENTS * 1000
    await scene.holds_together()
    await order_is_kept(scene, "disbursement.payment.v1", payments)


async def dying_at(
    scene: Scene, strikes: Sequence[str], work: Callable[[], Awaitable[None]]
) -> None:
    """Do `work` while disbursement dies at each of `strikes`, at the next one while it recovers."""
    first, *others = strikes
    await scene.restart("disbursement", KILL_AT=first)
    scene.asked.clear()
    working = asyncio.ensure_future(work())
    try:
        for strike in (*others, ""):
            await scene.until(lambda: is_dead(scene, working))
            assert scene.stack.processes["disbursement"].returncode == -9
            # Time passes: the lease of the dead publisher runs out.
            await scene.execute("disbursement", "UPDATE reader SET lease_until = now()")
            with contextlib.suppress(ChildDied):  # struck before it was ready
                await scene.restart("disbursement", KILL_AT=strike)
        await working
    finally:
        working.cancel()


async def is_dead(scene: Scene, working: asyncio.Future[None]) -> bool:
    if working.done():  # the publisher may still be struck
        await working
    return not scene.stack.processes["disbursement"].alive
