"""The registry in a test: its API, and short ways to partners in every state.

The organisations are invented.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from common.clock import SetClock
from common.db.driver import transaction
from registry.service import SERVICE
from support.api import NOON, Api, open_api

SHAPLA: dict[str, Any] = {
    "kind": "national_ngo",
    "legal_name": "Shapla Health Society",
    "acronym": "SHS",
    "country": "BGD",
    "countries": ["BGD"],
    "affiliation": "none",
}
"""An independent national organisation at work at home: local, once that is computed."""

PROFILE: dict[str, Any] = {
    "contacts": {"address": "12 Lake Road", "email": "office@shapla.example"},
    "mandate": {"statement": "Clinics in river villages.", "founded_in": 1998},
    "capabilities": {"sectors": ["HEA"], "staff": 42},
    "governance": {"governing_body": "Board", "members": 7, "audited_yearly": True},
    "safeguarding": {
        "code_of_conduct": True,
        "sexual_exploitation_policy": True,
        "reporting_channel": "A telephone line.",
    },
    "funding": {"yearly_budget": "under_500k"},
}

CERTIFICATE: dict[str, Any] = {
    "kind": "registration",
    "number": "NAB-77",
    "issued_on": "2019-03-01",
}

GOOD = {
    "certificate_seen": True,
    "mandate_consistent": True,
    "safeguards_in_place": True,
    "other_risk": False,
    "unacceptable_flag": False,
    "comment": "Seen.",
}

REASON = {"reason": "The statement of May is being clarified."}

REVIEWER = "rahela"
"""Who reviews: nobody does that for a partner that they submitted themselves."""

REVIEWING = frozenset({"review", "verifications", "decision"})


@dataclass
class Registry:
    """The service, and what a test does with it. Every deed is done on the partner as it stands."""

    api: Api
    clock: SetClock

    async def register(self, **facts: Any) -> dict[str, Any]:
        """A draft: Shapla, unless the facts say otherwise."""
        return made(await self.api.post("/v1/partners", json={**SHAPLA, **facts}))

    async def complete(
        self, certificate: dict[str, Any] = CERTIFICATE, **facts: Any
    ) -> dict[str, Any]:
        """A draft that lacks nothing."""
        partner = await self.register(**facts)
        done(await self.do(partner, "documents", certificate))
        done(await self.do(partner, "declaration", {"version": "1"}))
        return done(await self.do(partner, "profile", PROFILE, method="PATCH"))

    async def submitted(self, **facts: Any) -> dict[str, Any]:
        """A partner that waits for its review."""
        return done(await self.do(await self.complete(**facts), "submit"))

    async def reviewed(self, **facts: Any) -> dict[str, Any]:
        """A partner whose review has begun."""
        return done(await self.do(await self.submitted(**facts), "review"))

    async def active(self, **facts: Any) -> dict[str, Any]:
        """A partner whose review ended well."""
        partner = await self.reviewed(**facts)
        done(await self.do(partner, "verifications", GOOD))
        return done(await self.decide(partner, "activate"))

    async def decide(self, partner: dict[str, Any], decision: str) -> httpx.Response:
        """The answer to a decision."""
        return await self.do(partner, "decision", {"decision": decision, **REASON})

    async def do(
        self,
        partner: dict[str, Any],
        deed: str,
        body: Any = None,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a deed on the partner as it stands now."""
        path = f"/v1/partners/{partner['id']}"
        tag = (await self.api.get(path)).headers["etag"]
        person = {"subject": REVIEWER} if deed in REVIEWING else {}
        known = {} if "Authorization" in (headers or {}) else self.api.token(**person)
        content = {} if body is None else {"json": body}
        return await self.api.client.request(
            method,
            f"{path}/{deed}" if deed else path,
            headers={"If-Match": tag, **known, **(headers or {})},
            **content,
        )

    async def now(self, partner: dict[str, Any]) -> dict[str, Any]:
        """The partner as it stands now."""
        return done(await self.api.get(f"/v1/partners/{partner['id']}"))

    async def found(self, **query: Any) -> list[str]:
        """The legal names that a search answers with, in order."""
        answer = done(await self.api.get("/v1/partners", params=query))
        return [each["legal_name"] for each in answer["items"]]

    async def changes(self, partner: dict[str, Any]) -> list[str]:
        """What happened to a partner, by the names of its events, in order."""
        rows = await self.rows(
            "SELECT type FROM journal WHERE stream = $1 ORDER BY epoch, version",
            UUID(partner["id"]),
        )
        return [row["type"].split(".")[-2] for row in rows]

    async def published(self, partner: dict[str, Any]) -> dict[str, Any]:
        """The public state in the partner's latest event."""
        rows = await self.rows(
            "SELECT data FROM journal WHERE stream = $1 ORDER BY epoch DESC, version DESC LIMIT 1",
            UUID(partner["id"]),
        )
        state: dict[str, Any] = rows[0]["data"]["partner"]
        return state

    async def count(self, table: str) -> int:
        """How many rows `table` has."""
        rows = await self.rows(f"SELECT count(*) AS n FROM {table}")
        found: int = rows[0]["n"]
        return found

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        """What `statement` finds."""
        async with transaction(self.api.runtime.engine) as driver:
            found: list[Any] = await driver.fetch(statement, *values)
        return found


@asynccontextmanager
async def open_registry(database_url: str) -> AsyncIterator[Registry]:
    """The service at noon."""
    clock = SetClock(NOON)
    async with open_api(SERVICE, database_url, clock=clock) as api:
        yield Registry(api, clock)


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
