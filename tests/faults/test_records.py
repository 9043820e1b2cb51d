"""Records on a topic that are not as they should be, seen from a payment's end.

What a mirror makes of each kind of record stands in tests/common/mirrors; here it decides on money.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from common.kafka.producers import partition_of
from common.kafka.topics import MAX_MESSAGE_BYTES, RULES
from faults.commands import run
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


Headers = list[tuple[str, bytes]]


def unreadable(newest: Record, following: bytes) -> tuple[bytes | None, Headers]:
    return UNREADABLE, [("ce_sequence", following)]


def nothing(newest: Record, following: bytes) -> tuple[bytes | None, Headers]:
    """A key with nothing behind it, which in Kafka means that it is no more."""
    return None, [("ce_sequence", following)]


def unheard_of(newest: Record, following: bytes) -> tuple[bytes | None, Headers]:
    """A change that only a later registry knows, and by which the partner is not eligible."""
    said = json.loads(newest.value)
    said["partner"]["eligibility"] = "ineligible"
    now = {"ce_sequence": following, "ce_type": b"int.iom.registry.partner.dissolved.v1"}
    headers = dict(newest.headers) | now
    return json.dumps(said).encode(), list(headers.items())


@pytest.mark.parametrize(
    "strange, reason",
    [(unreadable, "unreadable"), (nothing, "gone"), (unheard_of, "ineligible")],
)
async def test_on_a_strange_record_nothing_is_paid_until_the_next_one_that_can_be_read(
    scene: Scene,
    strange: Callable[[Record, bytes], tuple[bytes | None, Headers]],
    reason: str,
) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(partner, 2)
    waiting = (await scene.submit(agreement, 1)).json["id"]
    *_, newest = await records_of(scene, partner)
    await write(scene, partner, *strange(newest, after(newest)))
    await scene.is_at(waiting, "held")
    terms = {"agreement_id": agreement, "tranche": 2, "amount": "1000.00", "currency": "USD"}
    refused = await scene.crew.submitter.http.post(
        "disbursement/v1/payments", json=terms, headers={"Idempotency-Key": str(IDS.new())}
    )
    assert (refused.status_code, refused.json()["reason"]) == (409, reason)
    await scene.suspend(partner)
    await scene.reinstate(partner)
    await scene.is_at(waiting, "submitted")
    await scene.submit(agreement, 2)
    await scene.holds_together()


async def test_a_record_larger_than_any_that_our_topics_take_is_passed_and_closes_its_partner(
    scene: Scene,
) -> None:
    """Somebody let the topic take more than it was made with, and somebody filled it."""
    partner = await scene.new_partner()
    waiting = (await scene.submit(await scene.new_agreement(partner, 1), 1)).json["id"]
    *_, newest = await records_of(scene, partner)
    await takes(scene, 8 * MAX_MESSAGE_BYTES)
    try:
        offset = await write(scene, partner, 3 * UNREADABLE, [("ce_sequence", after(newest))])
    finally:
        await takes(scene, MAX_MESSAGE_BYTES)
    place = partition_of(partner.encode())
    await scene.until(partial(scene.has_read, PARTNERS, place, offset))
    await scene.is_at(waiting, "held")
    await scene.suspend(partner)
    await scene.reinstate(partner)
    await scene.is_at(waiting, "submitted")
    await scene.holds_together()


async def _held(scene: Scene) -> tuple[str, str]:
    """A suspended partner, and its payment that the suspension holds."""
    partner = await scene.new_partner()
    waiting = (await scene.submit(await scene.new_agreement(partner, 1), 1)).json["id"]
    await scene.suspend(partner)
    await scene.is_at(waiting, "held")
    return partner, waiting


async def test_what_the_database_would_not_take_stays_closed_until_a_redrive_heals_it(
    scene: Scene,
) -> None:
    partner, waiting = await _held(scene)
    # Our program does not understand what the registry says of this partner now.
    await scene.execute(
        "disbursement",
        "ALTER TABLE partner_mirror ADD CONSTRAINT too_narrow"
        f" CHECK (id <> '{partner}' OR status <> 'active')",
    )
    await scene.reinstate(partner)
    parked = "SELECT resolution FROM parked WHERE id = $1"
    await scene.until(lambda: scene.sql("disbursement", parked, UUID(partner)))
    assert await scene.mirrored(partner) is None
    said = await run(scene, "disbursement", "redrive")
    assert f"keeps {partner} closed" in said
    assert await scene.status(waiting) == "held"
    # Now it is corrected.
    await scene.execute("disbursement", "ALTER TABLE partner_mirror DROP CONSTRAINT too_narrow")
    assert "1 healed, 0 still unreadable" in await run(scene, "disbursement", "redrive")
    await scene.is_at(waiting, "submitted")
    (row,) = await scene.sql("disbursement", parked, UUID(partner))
    assert row["resolution"] == "redriven"
    await scene.holds_together()


async def test_old_records_repeated_in_any_order_behind_a_suspension_open_nothing(
    scene: Scene,
) -> None:
    partner, waiting = await _held(scene)
    history = await records_of(scene, partner)
    assert header(history[-1], "ce_type").endswith("suspended.v1")
    for old in (*reversed(history), *history[:-1]):
        offset = await write(scene, partner, old.value, old.headers)
        await scene.until(partial(scene.has_read, PARTNERS, old.partition, offset))
        assert await scene.mirrored(partner) == "ineligible"
    assert await scene.status(waiting) == "held"
    await scene.reinstate(partner)
    await scene.is_at(waiting, "submitted")
    assert await scene.changes("disbursement", waiting) == ["submitted", "held", "resumed"]
    await scene.holds_together()


def after(newest: Record) -> bytes:
    """The version that follows."""
    version = header(newest, "ce_sequence")
    return f"{version[:5]}{int(version[5:]) + 1:010d}".encode()


async def takes(scene: Scene, size: int) -> None:
    """Let the partners' topic take records of at most `size` bytes."""
    wanted = {rule.name: rule.value for rule in RULES} | {"max.message.bytes": str(size)}
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.stack.bootstrap_servers)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, PARTNERS, wanted)])
    finally:
        await admin.close()


async def write(scene: Scene, key: str, value: bytes | None, headers: Headers) -> int:
    """Put a record into the partners' topic, as nobody but the registry should; its offset."""
    async with AIOKafkaProducer(
        bootstrap_servers=scene.stack.bootstrap_servers, max_request_size=8 * MAX_MESSAGE_BYTES
    ) as producer:
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
