"""Kafka dies, or loses everything; PostgreSQL dies under load. Afterwards nothing is missing."""

from __future__ import annotations

import asyncio

import pytest

from faults.scene import Scene
from faults.topics import newest_is_last, order_is_kept

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
    pytest.mark.timeout(180),
]

PAYMENTS = 12
MINUTE = 60  # by then every back-off has grown to its longest
TOPICS = (
    "registry.partner.v1",
    "disbursement.grant.v1",
    "disbursement.agreement.v1",
    "disbursement.payment.v1",
)


async def test_while_the_broker_is_dead_for_a_minute_api_and_feed_go_on_and_then_everything_arrives(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    payment = await scene.approved(await scene.new_agreement(partner, 2), 1)
    feed = await scene.position("registry")
    await asyncio.to_thread(scene.kafka.kill)
    released = await scene.move_on(payment, "release")
    await scene.suspend(partner)
    await scene.until(lambda: tells_of(scene, feed, partner, "suspended"))
    assert await scene.mirrored(partner) == "eligible"
    await asyncio.sleep(MINUTE)
    await asyncio.to_thread(scene.kafka.start)
    await scene.is_at(released.json["id"], "held")
    await scene.holds_together()
    assert await scene.changes("disbursement", released.json["id"]) == [
        "submitted",
        "approved",
        "released",
        "held",
    ]
    await order_is_kept(scene, "registry.partner.v1", [partner])
    await order_is_kept(scene, "disbursement.payment.v1", [released.json["id"]])


async def test_a_broker_that_lost_everything_is_filled_again_by_itself(scene: Scene) -> None:
    partner = await scene.new_partner()
    payment = (await scene.submit(await scene.new_agreement(partner, 1), 1)).json["id"]
    await scene.published("registry")
    await asyncio.to_thread(scene.kafka.wipe)
    await scene.suspend(partner)
    await scene.is_at(payment, "held")
    await scene.holds_together()
    for topic in TOPICS:
        await newest_is_last(scene, topic)


async def test_a_database_server_killed_under_load_loses_no_payment_and_answers_no_500(
    scene: Scene,
) -> None:
    agreement = await scene.new_agreement(scene.partner, PAYMENTS)
    scene.asked.clear()
    paying = [asyncio.create_task(scene.pay(agreement, n + 1)) for n in range(PAYMENTS)]
    await scene.until(lambda: some_are_answered(scene))
    await asyncio.to_thread(scene.postgres.kill)
    await asyncio.to_thread(scene.postgres.start)
    payments = await asyncio.gather(*paying)
    met = {status for asked in scene.asked for status in asked.met}
    assert met <= {200, 201, 409, 503, "ReadError", "RemoteProtocolError"}, met
    assert 503 in met
    for payment in payments:
        assert await scene.changes("disbursement", payment) == [
            "submitted",
            "approved",
            "released",
            "sent",
        ]
    await scene.holds_together()


async def some_are_answered(scene: Scene) -> bool:
    return len(scene.asked) >= PAYMENTS


async def tells_of(scene: Scene, after: str, subject: str, change: str) -> bool:
    """Whether the registry's feed after that position has this change of that partner."""
    events = await scene.get("registry", "/v1/events", after=after, limit=1000)
    return (subject, change) in {(each["subject"], each["type"].split(".")[-2]) for each in events}
