"""Frontline as three processes that a test hurts: what it starts from, and what must hold after."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID

import asyncpg

from common.audit import audit
from common.clock import SystemClock
from common.db.embedded import EmbeddedPostgres
from common.dev.audit import compare_mirrors
from common.dev.stack import SERVICES, Stack
from common.kafka.embedded import EmbeddedKafka
from common.runtime import open_runtime
from faults.client import PATIENCE_SECONDS, Asked, ask
from journeys.people import Crew, Person
from support.databases import plain_dsn
from support.registry import CERTIFICATE, GOOD, PROFILE, REASON, SHAPLA

ENVIRONMENT = {
    "DISBURSEMENT_NEXT_TRANCHE": "any_time",
    "REGISTRY_WATERMARK_SECONDS": "0.5",
    "COORDINATION_WATERMARK_SECONDS": "0.5",
}
_numbers = itertools.count(1)


@dataclass
class Scene:
    """The stack, its people, and what a test starts from. `partner` is eligible, `grant` large."""

    stack: Stack
    crew: Crew
    today: date
    partner: str = ""
    grant: str = ""
    asked: list[Asked] = field(default_factory=list)
    _drivers: dict[str, Any] = field(default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    # --- asking -----------------------------------------------------------------------------------

    async def ask(
        self, person: Person, service: str, path: str, body: Any = None, **options: Any
    ) -> Asked:
        """Send until there is an answer that is not to pass. It must be a success."""
        asked = await ask(person, f"{service}{path}", body, **options)
        assert asked.answer.is_success, f"{asked.answer.text} after {asked.met}"
        self.asked.append(asked)
        return asked

    async def do(
        self, person: Person, service: str, thing: str, deed: str, body: Any = None, **options: Any
    ) -> Asked:
        """A deed on a thing as it stands now."""
        path = f"{thing}/{deed}" if deed else thing
        return await self.ask(
            person, service, path, body, match=await self.etag(service, thing), **options
        )

    async def etag(self, service: str, thing: str) -> str:
        """The version in which `thing` (a path) stands now."""
        answer = await self.crew.auditor.http.get(f"{service}{thing}")
        assert answer.is_success, answer.text
        return str(answer.headers["etag"])

    async def get(self, service: str, path: str, **query: Any) -> Any:
        return await self.crew.auditor.get(service, path, **query)

    # --- what a test starts from ------------------------------------------------------------------

    async def new_partner(self) -> str:
        """A verified partner that disbursement has heard of; its id."""
        editor, verifier = self.crew.registrar, self.crew.verifier
        number = next(_numbers)
        facts = {**SHAPLA, "legal_name": f"Shapla {_word(number)} Society", "acronym": None}
        partner = (await self.ask(editor, "registry", "/v1/partners", facts)).json["id"]
        thing = f"/v1/partners/{partner}"
        certificate = {**CERTIFICATE, "number": f"NAB-{number}"}
        asked = await self.do(editor, "registry", thing, "documents", certificate)
        steps: list[tuple[Person, str, Any, str]] = [
            (editor, "declaration", {"version": "1"}, "POST"),
            (editor, "profile", PROFILE, "PATCH"),
            (editor, "submit", None, "POST"),
            (verifier, "review", None, "POST"),
            (verifier, "verifications", GOOD, "POST"),
            (verifier, "decision", {"decision": "activate", **REASON}, "POST"),
        ]
        for person, deed, body, method in steps:
            match = asked.answer.headers.get("etag") or await self.etag("registry", thing)
            asked = await self.ask(
                person, "registry", f"{thing}/{deed}", body, match=match, method=method
            )
        await self.is_eligible(partner)
        return str(partner)

    async def mirrored(self, partner: str) -> str | None:
        """What disbursement takes the partner's eligibility for."""
        found = await self.sql(
            "disbursement",
            "SELECT eligibility FROM partner_mirror WHERE id = $1 AND readable AND NOT gone",
            UUID(partner),
        )
        return found[0]["eligibility"] if found else None

    async def is_eligible(self, partner: str, eligibility: str = "eligible") -> None:
        """Wait until disbursement takes the partner for that."""

        async def heard() -> bool:
            return await self.mirrored(partner) == eligibility

        await self.until(heard)

    async def has_read(self, topic: str, partition: int, offset: int) -> bool:
        """Whether disbursement has taken in that record."""
        (row,) = await self.sql(
            "disbursement",
            "SELECT next_offset FROM mirror_partition WHERE topic = $1 AND partition = $2",
            topic,
            partition,
        )
        return bool(row["next_offset"] > offset)

    async def suspend(self, partner: str, **options: Any) -> Asked:
        thing = f"/v1/partners/{partner}"
        return await self.do(self.crew.verifier, "registry", thing, "suspend", REASON, **options)

    async def reinstate(self, partner: str, **options: Any) -> Asked:
        thing = f"/v1/partners/{partner}"
        return await self.do(self.crew.verifier, "registry", thing, "reinstate", REASON, **options)

    async def new_grant(self, amount: str = "3000000.00") -> str:
        """A received grant; its id."""
        manager, received = self.crew.grant_manager, str(self.today - timedelta(days=17))
        terms = {
            "source": "cerf",
            "cerf_window": "rapid_response",
            "title": "Health through civil society",
            "country": "BGD",
            "amount": amount,
            "currency": "USD",
            "approved_on": str(self.today - timedelta(days=20)),
            "disbursed_on": received,
        }
        grant = (await self.ask(manager, "disbursement", "/v1/grants", terms)).json["id"]
        receipt = {"amount": amount, "currency": "USD", "received_on": received}
        await self.ask(manager, "disbursement", f"/v1/grants/{grant}/receipts", receipt)
        return str(grant)

    async def new_agreement(self, partner: str, tranches: int, grant: str | None = None) -> str:
        """An active agreement with tranches of US$ 1,000; its id."""
        manager = self.crew.grant_manager
        terms = {
            "grant_id": grant or self.grant,
            "partner_id": partner,
            "type": "standard",
            "amount": f"{tranches * 1000}.00",
            "currency": "USD",
            "schedule": {"kind": "weighted", "weights": ["1"] * tranches},
            "selection": "direct",
            "justification": "time_critical_response",
            "starts_on": str(self.today - timedelta(days=17)),
            "ends_on": str(self.today + timedelta(days=120)),
        }
        asked = await self.ask(manager, "disbursement", "/v1/agreements", terms)
        thing = f"/v1/agreements/{asked.json['id']}"
        signed = {"signed_on": str(self.today)}
        for deed, body in (
            ("submit", None),
            ("pass-review", None),
            ("sign", signed),
            ("activate", None),
        ):
            asked = await self.ask(
                manager, "disbursement", f"{thing}/{deed}", body, match=asked.etag
            )
        return str(asked.json["id"])

    # --- a payment's way --------------------------------------------------------------------------

    async def submit(self, agreement: str, tranche: int) -> Asked:
        terms = {
            "agreement_id": agreement,
            "tranche": tranche,
            "amount": "1000.00",
            "currency": "USD",
        }
        return await self.ask(self.crew.submitter, "disbursement", "/v1/payments", terms)

    async def approve(self, payment: Mapping[str, Any]) -> Asked:
        return await self.ask(
            self.crew.first_approver,
            "disbursement",
            f"/v1/payments/{payment['id']}/approve",
            {"payload_hash": payment["payload_hash"]},
        )

    async def approved(self, agreement: str, tranche: int) -> Asked:
        return await self.approve((await self.submit(agreement, tranche)).json)

    async def move_on(self, before: Asked, deed: str) -> Asked:
        """`release` or `send`, on the version that the answer before told."""
        thing = f"/v1/payments/{before.json['id']}"
        return await self.ask(
            self.crew.treasurer, "disbursement", f"{thing}/{deed}", match=before.etag
        )

    async def pay(self, agreement: str, tranche: int) -> str:
        """Submit, approve, release and send one tranche; the payment's id."""
        released = await self.move_on(await self.approved(agreement, tranche), "release")
        return str((await self.move_on(released, "send")).json["id"])

    async def status(self, payment: str) -> str:
        (row,) = await self.sql(
            "disbursement", "SELECT status FROM payment WHERE id = $1", UUID(payment)
        )
        return str(row["status"])

    async def is_at(self, payment: str, status: str) -> None:
        """Wait until the payment is there."""

        async def there() -> bool:
            return await self.status(payment) == status

        await self.until(there)

    async def changes(self, service: str, stream: str) -> list[str]:
        """What happened to an aggregate, by the names of its events, in order."""
        rows = await self.sql(
            service,
            "SELECT type FROM journal WHERE stream = $1 ORDER BY epoch, version",
            UUID(stream),
        )
        return [row["type"].split(".")[-2] for row in rows]

    async def position(self, service: str) -> str:
        """Where the service's feed ends now."""
        (row,) = await self.sql(
            service, "SELECT epoch, head.position FROM journal_epoch, journal_head AS head"
        )
        return f"{row['epoch']}-{row['position']}"

    async def balance(self, grant: str) -> dict[str, Decimal]:
        """The purses of a grant that are not empty."""
        found = await self.get("disbursement", f"/v1/grants/{grant}/balance")
        return {
            purse: Decimal(found[purse])
            for purse in ("available", "committed", "earmarked", "reserved", "in_transit", "paid")
            if Decimal(found[purse])
        }

    # --- what must hold ---------------------------------------------------------------------------

    async def holds_together(self) -> None:
        """Everything has arrived, every mirror equals its owner, every invariant holds."""
        for service in SERVICES:
            await self.published(service)
        await self.until(self.mirrors_equal)
        for service in SERVICES:
            await self.until(partial(self._nothing_due, service))
            assert await self.breaches(service) == [], service

    async def mirrors_equal(self) -> bool:
        rows = await compare_mirrors(self.crew.auditor.http, {name: name for name in SERVICES})
        return all(equal for *_, equal in rows)

    async def published(self, service: str) -> None:
        """Wait until everything that is recorded has been sealed and sent."""

        async def drained() -> bool:
            (row,) = await self.sql(
                service,
                "SELECT (SELECT position FROM journal_head) AS head,"
                " (SELECT position FROM reader WHERE name = 'kafka') AS sent,"
                " (SELECT count(*) FROM journal_unsealed) AS unsealed",
            )
            return bool(row["sent"] == row["head"] and row["unsealed"] == 0)

        await self.until(drained)

    async def breaches(self, service: str) -> list[str]:
        """What the service's own audit finds."""
        definition = import_module(f"{service}.service").SERVICE
        settings = definition.settings(
            profile="development",
            database_url=self.stack.database_urls[service],
            KAFKA_BOOTSTRAP_SERVERS=self.stack.bootstrap_servers,
        )
        async with open_runtime(definition, settings) as runtime:
            return [breach for found in await audit(runtime) for breach in found.breaches]

    async def _nothing_due(self, service: str) -> bool:
        return not await self.sql(service, "SELECT 1 FROM reaction_due LIMIT 1")

    # --- the parts --------------------------------------------------------------------------------

    @property
    def kafka(self) -> EmbeddedKafka:
        assert self.stack.kafka is not None, "these tests hurt the broker: they need their own"
        return self.stack.kafka

    @property
    def postgres(self) -> EmbeddedPostgres:
        assert self.stack.postgres is not None, "these tests hurt the server: they need their own"
        return self.stack.postgres

    async def sql(self, service: str, statement: str, *values: Any) -> list[Any]:
        """The rows of one statement on a service's database, as a superuser."""
        async with self._one_at_a_time:
            try:
                return list(await (await self._driver(service)).fetch(statement, *values))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._drivers.pop(service).terminate()  # the server was killed since, or put back
                return list(await (await self._driver(service)).fetch(statement, *values))

    async def _driver(self, service: str) -> Any:
        if service not in self._drivers:
            url = plain_dsn(self.stack.database_urls[service])
            self._drivers[service] = await asyncpg.connect(url)
        return self._drivers[service]

    async def execute(self, service: str, statements: str) -> None:
        """Statements on a service's database, as a superuser."""
        async with self._one_at_a_time:
            await (await self._driver(service)).execute(statements)

    async def restart(self, service: str, **environment: str) -> None:
        """Stop the service in good order and start it with these settings over its own."""
        prefix = service.upper()
        named = {f"{prefix}_{name}": value for name, value in environment.items()}
        await self.stack.start_service(service, named)

    async def mend(self) -> None:
        """Start what is down, wake what is frozen."""
        self.asked.clear()
        self.kafka.resume()
        if not self.kafka.alive:
            await asyncio.to_thread(self.kafka.start)
        for service, child in self.stack.processes.items():
            child.resume()
            if not child.alive:
                await self.stack.start_service(service)

    async def close(self) -> None:
        """Leave the databases."""
        for driver in self._drivers.values():
            await driver.close(timeout=5)

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> None:
        """Wait until `holds()` is true. A bound, not a timing."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await holds():
                await asyncio.sleep(0.1)


@asynccontextmanager
async def scene_on(stack: Stack) -> AsyncIterator[Scene]:
    """People for the stack, a partner and a grant."""
    async with Crew(stack) as crew:
        scene = Scene(stack, crew, SystemClock().now().date())
        scene.grant = await scene.new_grant()
        scene.partner = await scene.new_partner()
        try:
            yield scene
        finally:
            await scene.close()


def _word(number: int) -> str:
    """A name that is like no other: the register refuses names that are nearly the same."""
    return "".join("abcdefghij"[int(digit)] * 3 for digit in f"{number:03d}").title()
