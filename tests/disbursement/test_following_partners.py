"""A partner's change comes as a record from Kafka and ends as a held payment, by the real
machinery.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from common.db.driver import transaction
from common.mirrors.apply import Applier, Batch
from common.mirrors.partitions import begin
from common.mirrors.react import Reactor
from disbursement.mirrors.partners import PARTNERS
from disbursement.service import SERVICE
from support.disbursement import World

CLUSTER = "a-cluster"


@dataclass(frozen=True)
class Heard:
    """A record as it comes out of Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Following:
    """Applies records to the mirror and runs what is due."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._applier = Applier(world.runtime.engine, SERVICE.mirrors, SERVICE.reactions)
        self._reactor = Reactor.of(world.runtime)
        self._offset = 0

    async def begin(self) -> None:
        async with transaction(self.world.runtime.engine) as driver:
            await driver.execute("DELETE FROM mirror_partition")
            await begin(driver, CLUSTER, {(PARTNERS.topic, number): 0 for number in range(6)})

    async def hear(self, partner: UUID, *said: tuple[str, str]) -> None:
        """Records `(sequence, eligibility)` of one partner, in this order; then the reactions."""
        records = [self._record(partner, self._offset + n, *each) for n, each in enumerate(said)]
        await self._applier.apply(CLUSTER, [Batch((PARTNERS.topic, 0), self._offset, records)])
        self._offset += len(records)
        await self.world.watermark()
        while await self._reactor.round():
            pass

    def _record(self, partner: UUID, offset: int, sequence: str, eligibility: str) -> Heard:
        state: dict[str, Any] = {"id": str(partner), "eligibility": eligibility, "more": [1]}
        return Heard(
            topic=PARTNERS.topic,
            partition=0,
            offset=offset,
            timestamp=int(self.world.now.timestamp() * 1000),
            key=str(partner).encode(),
            value=b"{" if eligibility == "?" else json.dumps({"partner": state}).encode(),
            headers=[
                ("ce_specversion", b"1.0"),
                ("ce_id", f"{offset}".encode()),
                ("ce_source", b"/registry"),
                ("ce_type", b"int.iom.registry.partner.changed.v1"),
                ("ce_subject", str(partner).encode()),
                ("ce_time", self.world.now.isoformat().encode()),
                ("ce_sequence", sequence.encode()),
                ("content-type", b"application/json"),
            ],
        )


@pytest.fixture
async def following(world: World) -> Following:
    following = Following(world)
    await following.begin()
    return following


ONE, TWO, THREE = "0001-0000000901", "0001-0000000902", "0001-0000000903"
LATER_EPOCH = "0002-0000000001"


@pytest.mark.parametrize(
    "said, status",
    [
        ([(ONE, "ineligible")], "held"),
        ([(ONE, "ineligible"), (ONE, "ineligible")], "held"),
        ([(TWO, "ineligible"), (ONE, "eligible")], "held"),
        ([(ONE, "ineligible"), (TWO, "eligible")], "approved"),
        ([(THREE, "eligible"), (LATER_EPOCH, "ineligible")], "held"),
        ([(ONE, "?")], "held"),
        ([(ONE, "?"), (TWO, "eligible")], "approved"),
    ],
    ids=[
        "once",
        "twice",
        "out of order",
        "and back",
        "raised epoch",
        "unreadable",
        "readable again",
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
async def test_however_records_arrive_the_payment_ends_as_the_last_state_says(
    world: World,
    following: Following,
    said: list[tuple[str, str]],
    status: str,
    *,
    together: bool,
) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    if together:
        await following.hear(partner, *said)
    else:
        for each in said:
            await following.hear(partner, each)
    assert (await world.payment(payment)).status == status
    await following.hear(partner, *said)
    assert (await world.payment(payment)).status == status
    assert await world.breaches() == []
