"""What is asked during a soak: partners' ways from registration to money, many at once, each with
choices of its own, and somebody who suspends and reinstates beside them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random  # noqa: TID251 - from a printed seed, so that it can be done again
from string import ascii_lowercase
from typing import Any

from soak.client import Client, RefusedError, Request, UnansweredError
from support.registry import CERTIFICATE, GOOD, PROFILE, REASON, SHAPLA

PEOPLE: dict[str, tuple[str, ...]] = {
    "registrar": (),
    "verifier": (),
    "coordinator": (),
    "grant-manager": (),
    "submitter": (),
    "first-approver": ("payment_approver",),
    "second-approver": ("treasury",),
    "treasurer": (),
    "auditor": (),
}
"""Who takes part, with the roles in their tokens."""

WAYS_AT_ONCE = 8
CLUSTERS = {"HEA": "open", "WSH": "moderated"}
GRANTS = 2
AGAIN_ON_A_NEW_VERSION = 4


@dataclass
class Load:
    """Everything that is asked. `partners` are the ones that were verified."""

    client: Client
    seed: int
    today: date
    grants: list[str] = field(default_factory=list)
    clusters: dict[str, str] = field(default_factory=dict)
    commitments: int = 0
    partners: list[str] = field(default_factory=list)

    async def set_up(self) -> None:
        """Grants and clusters, before anything goes wrong."""
        for _ in range(GRANTS):
            await self._new_grant()
        ask = self.client.ask
        crisis = {
            "name": "Floods in Bangladesh",
            "onset_on": str(self.today - timedelta(days=30)),
            "countries": ["BGD"],
        }
        made = await ask("coordinator", "coordination", "/v1/crises", crisis)
        for code, joinability in CLUSTERS.items():
            cluster = {
                "code": code,
                "country": "BGD",
                "crisis_id": made.json["id"],
                "joinability": joinability,
            }
            asked = await ask("coordinator", "coordination", "/v1/clusters", cluster)
            self.clusters[code] = asked.json["id"]
        found = await self.client.read("coordination", "/v1/commitments")
        self.commitments = found.json["in_force"]

    async def run(self) -> None:
        """Ask until the client says that it is over."""
        async with asyncio.TaskGroup() as group:
            for number in range(WAYS_AT_ONCE):
                group.create_task(self._repeat(f"way {number}", self._a_partners_way))
            group.create_task(self._repeat("suspensions", self._a_suspension))

    async def _repeat(self, name: str, way: Callable[[Random], Awaitable[None]]) -> None:
        random = Random(f"{self.seed} {name}")
        while not self.client.over:
            try:
                await way(random)
            except (RefusedError, UnansweredError):
                await asyncio.sleep(0.05)  # this way has ended; the next one begins

    # --- ways -------------------------------------------------------------------------------------

    async def _a_partners_way(self, random: Random) -> None:
        partner = await self._a_verified_partner(random)
        self.partners.append(partner)
        await self._if_allowed(self._a_seat(random, partner))
        agreement = await self._an_agreement(random, partner)
        for tranche in agreement.json["tranches"]:
            await self._if_allowed(self._a_payment(random, agreement.json["id"], tranche))

    async def _a_verified_partner(self, random: Random) -> str:
        words = ("".join(random.choices(ascii_lowercase, k=9)).title() for _ in range(2))
        facts = {**SHAPLA, "legal_name": " ".join(words), "acronym": None}
        made = await self.client.ask("registrar", "registry", "/v1/partners", facts)
        thing = f"/v1/partners/{made.json['id']}"
        certificate = {**CERTIFICATE, "number": f"NAB-{random.getrandbits(48):x}"}
        steps: list[tuple[str, str, Any, str]] = [
            ("registrar", "documents", certificate, "POST"),
            ("registrar", "declaration", {"version": "1"}, "POST"),
            ("registrar", "profile", PROFILE, "PATCH"),
            ("registrar", "submit", None, "POST"),
            ("verifier", "review", None, "POST"),
            ("verifier", "verifications", GOOD, "POST"),
            ("verifier", "decision", {"decision": "activate", **REASON}, "POST"),
        ]
        for person, deed, body, method in steps:
            await self._do(person, "registry", thing, deed, body, method=method)
        return str(made.json["id"])

    async def _a_seat(self, random: Random, partner: str) -> None:
        code = random.choice(sorted(self.clusters))
        wish = {"partner_id": partner, "commitments_version": self.commitments}
        path = f"/v1/clusters/{self.clusters[code]}/requests"
        asked = await self.client.ask("coordinator", "coordination", path, wish)
        seat = f"/v1/memberships/{asked.json['id']}"
        if asked.json["status"] == "requested":
            deed = random.choice(["admit", "admit", "admit", "decline"])
            body: Any = {} if deed == "decline" else None
            await self._do("coordinator", "coordination", seat, deed, body)
        if random.random() < 0.1:
            await self._do("coordinator", "coordination", seat, "leave", {})

    async def _an_agreement(self, random: Random, partner: str) -> Request:
        tranches = random.randint(1, 3)
        each = random.choice([1_000, 1_000, 60_000])  # the dearer ones take two approvals
        terms = {
            "grant_id": random.choice(self.grants),
            "partner_id": partner,
            "type": "standard",
            "amount": f"{tranches * each}.00",
            "currency": "USD",
            "schedule": {"kind": "weighted", "weights": ["1"] * tranches},
            "selection": "direct",
            "justification": "time_critical_response",
            "starts_on": str(self.today - timedelta(days=10)),
            "ends_on": str(self.today + timedelta(days=120)),
        }
        made = await self.client.ask("grant-manager", "disbursement", "/v1/agreements", terms)
        thing = f"/v1/agreements/{made.json['id']}"
        steps: list[tuple[str, Any]] = [
            ("submit", None),
            ("pass-review", None),
            ("sign", {"signed_on": str(self.today)}),
            ("activate", None),
        ]
        for deed, body in steps:
            made = await self._do("grant-manager", "disbursement", thing, deed, body)
        return made

    async def _a_payment(self, random: Random, agreement: str, tranche: Any) -> None:
        terms = {
            "agreement_id": agreement,
            "tranche": tranche["number"],
            "amount": tranche["amount"],
            "currency": "USD",
        }
        made = await self.client.ask("submitter", "disbursement", "/v1/payments", terms)
        if random.random() < 0.1:
            made = await self._rejected(random, made, terms)
        thing = f"/v1/payments/{made.json['id']}"
        if random.random() < 0.1:
            await self._held_and_lifted(thing)
        for person in ("first-approver", "second-approver")[: made.json["approvals_required"]]:
            seen = {"payload_hash": made.json["payload_hash"]}
            await self.client.ask(person, "disbursement", f"{thing}/approve", seen)
        if random.random() < 0.1:
            return  # it waits, and a suspension may still find it
        await self._pay(thing, "release")
        if random.random() < 0.1:
            await self._held_and_lifted(thing)
            await self._pay(thing, "release")
        await self._pay(thing, "send")
        await self._outcome(random, thing)

    async def _pay(self, thing: str, deed: str) -> None:
        await self._do("treasurer", "disbursement", thing, deed)

    async def _rejected(self, random: Random, made: Request, terms: Any) -> Request:
        """It comes back in a second revision, or another payment takes its place."""
        thing = f"/v1/payments/{made.json['id']}"
        no = {"payload_hash": made.json["payload_hash"], "comment": "The account is missing."}
        await self.client.ask("first-approver", "disbursement", f"{thing}/reject", no)
        if random.random() < 0.3:
            await self._do("submitter", "disbursement", thing, "withdraw", {"comment": "Anew."})
            return await self.client.ask("submitter", "disbursement", "/v1/payments", terms)
        account = {"id": made.json["id"], "version": 1}
        await self._do("submitter", "disbursement", thing, "revise", {"account": account})
        return await self._do("submitter", "disbursement", thing, "submit")

    async def _held_and_lifted(self, thing: str) -> None:
        ask = self.client.ask
        await ask("second-approver", "disbursement", f"{thing}/hold", {"reason": "under_review"})
        await ask("second-approver", "disbursement", f"{thing}/lift-hold", {})

    async def _outcome(self, random: Random, thing: str) -> None:
        outcome = random.choice(["settled"] * 8 + ["failed", "unknown"])
        said = {
            "outcome": outcome,
            "kind": "no_answer" if outcome == "unknown" else "bank_confirmation",
            "occurred_on": str(self.today),
            "reference": f"STATEMENT/{random.getrandbits(32):x}",
            **({"reason_code": "AC01"} if outcome == "failed" else {}),
        }
        await self.client.ask("treasurer", "disbursement", f"{thing}/evidence", said)
        if outcome == "failed":
            listed = await self.client.read("disbursement", f"{thing}/evidence")
            evidence = listed.json["items"][0]["id"]
            confirm = f"{thing}/evidence/{evidence}/confirm"
            await self.client.ask("second-approver", "disbursement", confirm)

    async def _a_suspension(self, random: Random) -> None:
        """Somebody is suspended; most are reinstated soon."""
        await asyncio.sleep(random.uniform(0.5, 3.0))
        if not self.partners:
            return
        thing = f"/v1/partners/{random.choice(self.partners[-20:])}"
        await self._do("verifier", "registry", thing, "suspend", REASON)
        await asyncio.sleep(random.uniform(0.0, 3.0))
        if random.random() < 0.6:
            await self._do("verifier", "registry", thing, "reinstate", REASON)

    async def _new_grant(self) -> None:
        received = str(self.today - timedelta(days=17))
        terms = {
            "source": "cerf",
            "cerf_window": "rapid_response",
            "title": "Health through civil society",
            "country": "BGD",
            "amount": "90000000.00",
            "currency": "USD",
            "approved_on": str(self.today - timedelta(days=20)),
            "disbursed_on": received,
        }
        ask = self.client.ask
        grant = (await ask("grant-manager", "disbursement", "/v1/grants", terms)).json["id"]
        receipt = {"amount": terms["amount"], "currency": "USD", "received_on": received}
        await ask("grant-manager", "disbursement", f"/v1/grants/{grant}/receipts", receipt)
        self.grants.append(grant)

    # --- how --------------------------------------------------------------------------------------

    async def _do(
        self,
        person: str,
        service: str,
        thing: str,
        deed: str,
        body: Any = None,
        *,
        method: str = "POST",
    ) -> Request:
        """A deed on a thing as it stands now; done anew when it has changed in between.

        Raises RefusedError, UnansweredError.
        """
        for turn in range(AGAIN_ON_A_NEW_VERSION):
            seen = await self.client.read(service, thing)
            try:
                return await self.client.ask(
                    person, service, f"{thing}/{deed}", body, method=method, match=seen.etag
                )
            except RefusedError as refused:
                if refused.code != "stale_version" or turn == AGAIN_ON_A_NEW_VERSION - 1:
                    raise
        raise AssertionError("unreachable: the last turn returns or raises")

    async def _if_allowed(self, way: Awaitable[None]) -> None:
        """A part of a way; without it the rest goes on."""
        with contextlib.suppress(RefusedError):
            await way
