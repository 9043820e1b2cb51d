"""Records on a topic that are not as they should be, seen from a payment's end.

What a mirror makes of each kind of record stands in tests/common/mirrors; here it decides on money.
"""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer

from common.kafka.producers import partition_of
from faults.scene import Scene
from journeys.people import IDS
from kafka_kit import Record, header, read_events

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
]

PARTNERS = "registry.partner.v1"
UNREADABLE = b'{"partner": {"legal_name": "' + b"x" * 900_000
"""It breaks off, and is as large as a topic takes."""


async def test_on_a_record_that_cannot_be_read_nothing_is_paid_until_the_next_can_be(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(partner, 2)
    waiting = (await scene.submit(agreement, 1)).json["id"]
    version = (await scene.etag("registry", f"/v1/partners/{partner}")).strip('"')
    following = f"{version[:5]}{int(version[5:]) + 1:010d}"
    await write(scene, partner, UNREADABLE, [("ce_sequence", following.encode())])
    await scene.is_at(waiting, "held")
    terms = {"agreement_id": agreement, "tranche": 2, "amount": "1000.00", "currency": "USD"}
    refused = await scene.crew.submitter.http.post(
        "disbursement/v1/payments", json=terms, headers={"Idempotency-Key": str(IDS.new())}
    )
    assert (refused.status_code, refused.json()["reason"]) == (409, "unreadable")
    await scene.suspend(partner)
    await scene.reinstate(partner)
    await scene.is_at(waiting, "submitted")
    await scene.submit(agreement, 2)
    await scene.holds_together()


async def test_an_old_record_replayed_behind_a_suspension_opens_nothing(scene: Scene) -> None:
    partner = await scene.new_partner()
    waiting = (await scene.submit(await scene.new_agreement(partner, 1), 1)).json["id"]
    await scene.suspend(partner)
    await scene.is_at(waiting, "held")
    *_, old, suspended = await records_of(scene, partner)
    assert header(suspended, "ce_type").endswith("suspended.v1")
    offset = await write(scene, partner, old.value, old.headers)
    await scene.until(lambda: scene.has_read(PARTNERS, old.partition, offset))
    assert await scene.mirrored(partner) == "ineligible"
    assert await scene.status(waiting) == "held"
    await scene.reinstate(partner)
    await scene.is_at(waiting, "submitted")
    await scene.holds_together()


async def write(scene: Scene, key: str, value: bytes, headers: list[tuple[str, bytes]]) -> int:
    """Put a record into the partners' topic, as nobody but the registry should; its offset."""
    async with AIOKafkaProducer(bootstrap_servers=scene.stack.bootstrap_servers) as producer:
        place = partition_of(key.encode())
        sent = await producer.send_and_wait(
            PARTNERS, value, key=key.encode(), partition=place, headers=list(headers)
        )
    return int(sent.offset)


async def records_of(scene: Scene, partner: str) -> list[Record]:
    """The partner's records, in their order."""
    await scene.published("registry")
    found = await read_events(scene.stack.bootstrap_servers, PARTNERS)
    return [record for record in found if record.key == partner.encode()]
