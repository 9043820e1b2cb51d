"""Memberships beside a partner, from our copy of coordination's events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from common.aggregate import PARTITIONS
from common.db.driver import transaction
from common.mirrors.apply import Applier, Batch
from common.mirrors.partitions import begin
from registry.mirrors.memberships import MEMBERSHIPS
from support.api import problem
from support.registry import Registry, done

TOPIC = MEMBERSHIPS.topic
SEAT = UUID(int=0x5EA7)


@dataclass(frozen=True)
class Heard:
    """A record as it comes out of Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Coordination:
    """What coordination says, applied as in production; only that nobody carries it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._applier = Applier(registry.api.runtime.engine, (MEMBERSHIPS,), ())
        self._next = 0

    async def begin(self) -> None:
        """Take the topic up."""
        async with transaction(self._registry.api.runtime.engine) as driver:
            await begin(driver, "a-cluster", {(TOPIC, number): 0 for number in range(PARTITIONS)})

    async def says(
        self, partner: dict[str, Any], sequence: str, *, happened: str = "joined", **facts: Any
    ) -> None:
        """A membership of the partner reached this version."""
        state = {
            "id": str(SEAT),
            "partner_id": partner["id"],
            "cluster_id": str(UUID(int=1)),
            "cluster_code": "HEA",
            "country": "BGD",
            "role": "member",
            "status": "active",
            "suspended_for": [],
            "commitments_version": 1,
            "joined_on": "2020-06-01",
            "left_on": None,
            **facts,
        }
        headers = {
            "ce_specversion": "1.0",
            "ce_id": f"event-{sequence}",
            "ce_source": "/coordination",
            "ce_type": f"int.iom.coordination.membership.{happened}.v1",
            "ce_subject": str(SEAT),
            "ce_time": "2020-06-22T12:00:00Z",
            "ce_sequence": sequence,
            "content-type": "application/json",
        }
        data = {} if happened == "erased" else {"membership": state, "change": {}}
        record = Heard(
            TOPIC,
            0,
            self._next,
            0,
            str(SEAT).encode(),
            json.dumps(data).encode(),
            [(name, value.encode()) for name, value in headers.items()],
        )
        await self._applier.apply("a-cluster", [Batch((TOPIC, 0), self._next, [record])])
        self._next += 1


@pytest.fixture
async def coordination(registry: Registry) -> Coordination:
    """Coordination, which has said nothing yet."""
    coordination = Coordination(registry)
    await coordination.begin()
    return coordination


async def seats(registry: Registry, partner: dict[str, Any]) -> list[tuple[str, str]]:
    """Cluster and status of each membership shown."""
    answer = await registry.api.get(f"/v1/partners/{partner['id']}/memberships")
    return [(each["cluster_code"], each["status"]) for each in done(answer)["items"]]


async def test_a_membership_is_shown_and_leaves_the_partners_version_alone(
    registry: Registry, coordination: Coordination
) -> None:
    partner = await registry.register()
    assert await seats(registry, partner) == []
    await coordination.says(partner, "0001-0000000001")
    assert await seats(registry, partner) == [("HEA", "active")]
    answer = await registry.api.get(f"/v1/partners/{partner['id']}")
    assert answer.headers["etag"] == '"0001-0000000001"'


async def test_what_is_heard_twice_or_late_changes_nothing(
    registry: Registry, coordination: Coordination
) -> None:
    partner = await registry.register()
    for sequence, status in (
        ("0001-0000000002", "suspended"),
        ("0001-0000000002", "suspended"),
        ("0001-0000000001", "active"),
    ):
        await coordination.says(partner, sequence, status=status)
    assert await seats(registry, partner) == [("HEA", "suspended")]


async def test_a_raised_epoch_wins(registry: Registry, coordination: Coordination) -> None:
    partner = await registry.register()
    await coordination.says(partner, "0001-0000000009", status="suspended")
    await coordination.says(partner, "0002-0000000001", status="active")
    assert await seats(registry, partner) == [("HEA", "active")]


async def test_an_erased_membership_is_not_shown_and_does_not_come_back(
    registry: Registry, coordination: Coordination
) -> None:
    partner = await registry.register()
    await coordination.says(partner, "0001-0000000001")
    await coordination.says(partner, "0001-0000000002", happened="erased")
    await coordination.says(partner, "0001-0000000001")
    assert await seats(registry, partner) == []


async def test_a_membership_that_cannot_be_read_is_not_shown(
    registry: Registry, coordination: Coordination
) -> None:
    partner = await registry.register()
    await coordination.says(partner, "0001-0000000001")
    await coordination.says(partner, "0001-0000000002", status=7)
    assert await seats(registry, partner) == []


async def test_the_memberships_of_nobody_are_not_found(registry: Registry) -> None:
    answer = await registry.api.get(f"/v1/partners/{UUID(int=1)}/memberships")
    problem(answer, 404, "not_found")
