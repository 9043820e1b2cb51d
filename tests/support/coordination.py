"""The coordination service in a test: its API, and a registry that says things about partners.

What the registry says arrives as Kafka records and goes the way of records in production (read,
applied to the mirror, reactions run), only that nobody carries them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from common.actor import Actor
from common.aggregate import PARTITIONS, Aggregate, Change, Erased
from common.clock import SetClock
from common.db.driver import transaction
from common.ids import Uuid7Ids
from common.kafka.cloudevents import CloudEvents, Record
from common.kafka.watermarks import Watermark
from common.mirrors.apply import Applier, Batch
from common.mirrors.mirror import Outcome
from common.mirrors.partitions import begin
from common.mirrors.react import Reactor
from common.models import PublicModel
from common.sequence import Sequence
from coordination.memberships.commands.consequences import follow_eligibility
from coordination.mirrors.partners import PARTNERS
from coordination.service import SERVICE
from support.api import NOON, Api, open_api

IDS = Uuid7Ids()
KAFKA = "a-cluster"

NGO = {
    "legal_name": "Shapla Health Society",
    "acronym": "SHS",
    "kind": "national_ngo",
    "country": "BGD",
    "countries": ["BGD"],
    "local": "yes",
    "status": "active",
    "eligibility": "eligible",
    "eligibility_reasons": [],
    "eligible_until": None,
}
"""What the registry says of an eligible local partner in Bangladesh."""


class _AnyState(PublicModel):
    """The records are written here by hand; nothing reads this."""


class Changed(Change):
    happened = "changed"


PARTNER = Aggregate("registry", "partner", "partner", _AnyState, (Changed,))
EVENTS = CloudEvents("registry", [PARTNER], "https://registry.example.org")


@dataclass(frozen=True)
class _Row:
    """A sealed journal row of the registry."""

    id: UUID
    stream: UUID
    sequence: Sequence
    type: str
    data: str
    occurred_at: datetime = NOON
    stream_type: str = "partner"
    traceparent: str | None = None


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


def partner_record(partner: UUID, version: int = 1, *, epoch: int = 1, **facts: Any) -> Record:
    """What the registry publishes when the partner reaches this version."""
    state = json.dumps({"partner": {"id": str(partner), **NGO, **facts}, "change": {}})
    return _record(partner, Sequence(epoch, version), PARTNER.event_type(Changed), state)


def grave(partner: UUID, version: int) -> Record:
    """What the registry publishes when it erases the partner."""
    return _record(partner, Sequence(1, version), PARTNER.event_type(Erased), "{}")


def _record(partner: UUID, sequence: Sequence, event_type: str, data: str) -> Record:
    return EVENTS.record(_Row(IDS.new(), partner, sequence, event_type, data))


class Registry:
    """Feeds the mirror of partners."""

    def __init__(self, api: Api) -> None:
        self._runtime = api.runtime
        self._applier = Applier(self._runtime.engine, SERVICE.mirrors, SERVICE.reactions)
        self._reactor = Reactor.of(self._runtime)
        self._offsets = dict.fromkeys(range(PARTITIONS), 0)
        self.versions: dict[UUID, int] = {}

    async def begin(self) -> None:
        """Take the topic up."""
        async with transaction(self._runtime.engine) as driver:
            await begin(
                driver, KAFKA, {(PARTNERS.topic, number): 0 for number in range(PARTITIONS)}
            )

    async def hear(self, *records: Record) -> None:
        """Apply `records` in this order, as one batch of one partition."""
        await self._apply({0: list(records)})

    async def says(self, partner: UUID, **facts: Any) -> None:
        """The next version of the partner, heard and reacted to."""
        version = self.versions[partner] = self.versions.get(partner, 0) + 1
        await self.hear(partner_record(partner, version, **facts))
        await self.react()

    async def watermark(self, at: datetime | None = None) -> None:
        """Nothing that the registry recorded before `at` (now) is missing."""
        mark = Watermark(1, 1, "00", at or self._runtime.clock.now())
        await self._apply(
            {n: [mark.record("registry", PARTNERS.topic, n)] for n in range(PARTITIONS)}
        )

    async def react(self) -> None:
        """Run the reactions that are due."""
        while await self._reactor.round():
            pass

    async def due(self) -> int:
        """How many reactions have not drawn their consequences."""
        async with transaction(self._runtime.engine) as driver:
            found: int = await driver.fetchval("SELECT count(*) FROM reaction_due")
        return found

    async def _apply(self, records: dict[int, list[Record]]) -> None:
        batches = []
        for partition, each in records.items():
            expected = self._offsets[partition]
            heard = [self._heard(record, partition, expected + i) for i, record in enumerate(each)]
            batches.append(Batch((PARTNERS.topic, partition), expected, heard))
            self._offsets[partition] += len(each)
        await self._applier.apply(KAFKA, batches)

    def _heard(self, record: Record, partition: int, offset: int) -> Heard:
        return Heard(
            topic=record.topic,
            partition=partition,
            offset=offset,
            timestamp=int(self._runtime.clock.now().timestamp() * 1000),
            key=record.key,
            value=record.value,
            headers=list(record.headers),
        )


@dataclass
class Coordination:
    """The service with its registry, and short ways to what a test starts from."""

    api: Api
    registry: Registry
    clock: SetClock

    async def partner(self, **facts: Any) -> UUID:
        """A partner that the mirror knows: eligible and local unless the facts say otherwise."""
        partner = IDS.new()
        await self.registry.says(partner, **facts)
        return partner

    async def cluster(self, **facts: Any) -> dict[str, Any]:
        """A live cluster: health in Bangladesh, moderated, unless the facts say otherwise."""
        body = {"code": "HEA", "country": "BGD", **facts}
        return made(await self.api.post("/v1/clusters", json=body))

    async def request(self, cluster: dict[str, Any], partner: UUID, **facts: Any) -> dict[str, Any]:
        """A request to join, with the commitments."""
        body = {"partner_id": str(partner), "commitments_version": 1, **facts}
        return made(await self.api.post(f"/v1/clusters/{cluster['id']}/requests", json=body))

    async def invite(self, cluster: dict[str, Any], partner: UUID, **facts: Any) -> dict[str, Any]:
        """An invitation to join."""
        body = {"partner_id": str(partner), **facts}
        return made(await self.api.post(f"/v1/clusters/{cluster['id']}/invitations", json=body))

    async def member(self, cluster: dict[str, Any], partner: UUID, **facts: Any) -> dict[str, Any]:
        """An active member."""
        return done(await self.do(await self.request(cluster, partner, **facts), "admit"))

    async def do(
        self,
        membership: dict[str, Any],
        deed: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a deed on the membership as it stands now."""
        path = f"/v1/memberships/{membership['id']}"
        tag = (await self.api.get(path)).headers["etag"]
        options: dict[str, Any] = {} if body is None else {"json": body}
        return await self.api.post(
            f"{path}/{deed}", headers={"If-Match": tag, **(headers or {})}, **options
        )

    async def now(self, membership: dict[str, Any]) -> dict[str, Any]:
        """The membership as it stands now."""
        return done(await self.api.get(f"/v1/memberships/{membership['id']}"))

    async def follow(self, partner: UUID, *, share: int, fresh: bool = True) -> Outcome:
        """One run of the reaction to the partner's eligibility, over `share` seats at most."""
        outcome: Outcome = await self.api.units.run(
            lambda uow: follow_eligibility(uow, partner, fresh, share=share),
            actor=Actor.system("coordination"),
        )
        return outcome

    async def changes(self, stream: dict[str, Any]) -> list[str]:
        """What happened to an aggregate, by the names of its events, in order."""
        async with transaction(self.api.runtime.engine) as driver:
            rows = await driver.fetch(
                "SELECT type FROM journal WHERE stream = $1 ORDER BY epoch, version",
                UUID(stream["id"]),
            )
        return [row["type"].split(".")[-2] for row in rows]


@asynccontextmanager
async def open_coordination(database_url: str) -> AsyncIterator[Coordination]:
    """The service at noon, its mirror empty."""
    clock = SetClock(NOON)
    async with open_api(SERVICE, database_url, clock=clock) as api:
        registry = Registry(api)
        await registry.begin()
        yield Coordination(api, registry, clock)


def made(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 201."""
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def done(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 200."""
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
