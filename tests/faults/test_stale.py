"""Old knowledge: money waits while what we know of partners may be out of date, and says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from common.aggregate import PARTITIONS
from common.clock import SystemClock
from common.kafka.watermarks import Watermark
from faults.scene import Scene
from journeys.people import IDS

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
]

PARTNERS = "registry.partner.v1"
BOUND = "3"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(frontline: Scene) -> AsyncIterator[Scene]:
    """Disbursement pays on nothing older than three seconds."""
    await frontline.mend()
    await frontline.restart("disbursement", MIRROR_MAX_AGE_SECONDS=BOUND)
    yield frontline
    await frontline.restart("disbursement")


@pytest.mark.parametrize(
    "stopped, minutes, least",
    [
        pytest.param("broker", None, 3, id="the broker carries nothing more"),
        pytest.param("registry", None, 3, id="the registry says nothing more"),
        pytest.param("registry", 10, 3, id="its clock is ten minutes ahead"),
        pytest.param("registry", -10, 590, id="its clock is ten minutes behind"),
    ],
)
async def test_money_waits_for_fresh_knowledge_and_then_goes_on(
    strict: Scene, scene: Scene, stopped: str, minutes: int | None, least: int
) -> None:
    agreement = await scene.new_agreement(scene.partner, 1)
    approved = await scene.approved(agreement, 1)
    path = f"/v1/payments/{approved.json['id']}/release"
    await scene.until(lambda: mirror_is_fresh(scene))
    silent = scene.kafka if stopped == "broker" else scene.stack.processes[stopped]
    silent.pause()
    if minutes is not None:
        await watermarks(scene, timedelta(minutes=minutes))
    await scene.until(lambda: mirror_is_older(scene, least))
    key = str(IDS.new())
    refused = await scene.crew.treasurer.http.post(
        f"disbursement{path}",
        headers={"Idempotency-Key": key, "If-Match": approved.etag},
    )
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "partner_state_too_old")
    assert problem["problem"] == "too_old"
    assert Decimal(problem["age_seconds"]) >= least
    assert "retry-after" in refused.headers
    assert await scene.status(approved.json["id"]) == "approved"
    silent.resume()
    released = await scene.ask(
        scene.crew.treasurer, "disbursement", path, match=approved.etag, key=key
    )
    assert released.json["status"] == "released"


async def watermarks(scene: Scene, skew: timedelta) -> None:
    """Watermarks as the registry would write them now, if its clock were wrong by `skew`."""
    (head,) = await scene.sql(
        "registry",
        "SELECT epoch, head.position, head.hash FROM journal_epoch, journal_head AS head",
    )
    mark = Watermark(
        head["epoch"], head["position"], head["hash"].hex(), SystemClock().now() + skew
    )
    offsets = []
    async with AIOKafkaProducer(bootstrap_servers=scene.stack.bootstrap_servers) as producer:
        for partition in range(PARTITIONS):
            topic, key, value, headers = mark.record("registry", PARTNERS, partition)
            sent = await producer.send_and_wait(
                topic, value, key=key, partition=partition, headers=headers
            )
            offsets.append(sent.offset)
    for partition, offset in enumerate(offsets):
        await scene.until(partial(scene.has_read, PARTNERS, partition, offset))


async def mirror_is_fresh(scene: Scene) -> bool:
    """Whether disbursement sees nothing wrong with its mirror of partners."""
    (mirror,) = (await scene.get("disbursement", "/v1/mirrors"))["mirrors"]
    return mirror["problem"] is None


async def mirror_is_older(scene: Scene, seconds: int) -> bool:
    """Whether disbursement takes its mirror of partners for older than that, and too old."""
    (mirror,) = (await scene.get("disbursement", "/v1/mirrors"))["mirrors"]
    return mirror["problem"] == "too_old" and Decimal(mirror["age_seconds"]) > seconds
