"""What people send to the disbursement service over HTTP, for its API's tests."""

from __future__ import annotations

from typing import Any

import httpx

from support.api import Api
from support.disbursement import IDS, World

GRANT: dict[str, Any] = {
    "source": "cerf",
    "code_text": "20-RR-IOM-027",
    "title": "Front-line health and WASH",
    "country": "BGD",
    "emergency": "COVID-19",
    "amount": "3000000.00",
    "currency": "USD",
    "approved_on": "2020-06-12",
    "disbursed_on": "2020-06-19",
}
AGREEMENT: dict[str, Any] = {
    "type": "standard",
    "amount": "500000.00",
    "currency": "USD",
    "schedule": {"kind": "explicit", "tranches": [{"amount": "200000"}, {"amount": "300000.00"}]},
    "selection": "direct",
    "justification": "strengthening_national_civil_society",
    "starts_on": "2020-06-22",
    "ends_on": "2020-12-15",
}


class Clerk:
    """Sends what people send, with a new key each time and the version that it has just read."""

    def __init__(self, api: Api, world: World) -> None:
        self.api = api
        self.world = world

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        headers = {"Idempotency-Key": str(IDS.new()), **headers}
        options = {} if body is None else {"json": body}
        return await self.api.post(path, headers=headers, **options)

    async def done(self, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        answer = await self.post(path, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def on(self, path: str, deed: str, body: Any = None, **headers: str) -> httpx.Response:
        tag = (await self.api.get(path)).headers["etag"]
        return await self.post(f"{path}/{deed}", body, **{"If-Match": tag, **headers})

    def person(self, name: str, *roles: str) -> dict[str, str]:
        return self.api.token(subject=name, roles=roles)

    async def grant(self, **facts: Any) -> dict[str, Any]:
        grant = await self.done("/v1/grants", GRANT | facts)
        receipt = {
            "amount": grant["amount"],
            "currency": grant["currency"],
            "received_on": "2020-06-19",
        }
        return await self.done(f"/v1/grants/{grant['id']}/receipts", receipt)

    async def agreement(self, grant: dict[str, Any], partner: Any, **facts: Any) -> dict[str, Any]:
        body = AGREEMENT | {"grant_id": grant["id"], "partner_id": str(partner)} | facts
        agreement = await self.done("/v1/agreements", body)
        path = f"/v1/agreements/{agreement['id']}"
        for deed, what in (
            ("submit", None),
            ("pass-review", None),
            ("sign", {"signed_on": "2020-06-22"}),
            ("activate", None),
        ):
            answer = await self.on(path, deed, what)
            assert answer.status_code == 200, answer.text
            agreement = answer.json()
        return agreement

    async def payment(self, agreement: dict[str, Any] | None = None) -> dict[str, Any]:
        if agreement is None:
            agreement = await self.agreement(await self.grant(), await self.world.partner())
        return await self.done("/v1/payments", submission(agreement))

    async def approve(self, payment: dict[str, Any], name: str) -> httpx.Response:
        return await self.post(
            f"/v1/payments/{payment['id']}/approve",
            {"payload_hash": payment["payload_hash"]},
            **self.person(name, "payment_approver"),
        )

    async def approved(self) -> dict[str, Any]:
        payment = await self.payment()
        for name in ("boris", "chen"):
            answer = await self.approve(payment, name)
            assert answer.status_code == 200, answer.text
            payment = answer.json()
        return payment

    async def sent(self) -> str:
        """A payment that has left; its path."""
        path = f"/v1/payments/{(await self.approved())['id']}"
        await self.send(path)
        return path

    async def send(self, path: str) -> None:
        """Release the payment at `path` and send it."""
        for deed in ("release", "send"):
            answer = await self.on(path, deed, **self.person("tariq"))
            assert answer.status_code == 200, answer.text


def submission(agreement: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """The first tranche of an agreement."""
    first = agreement["tranches"][0]
    return {
        "agreement_id": agreement["id"],
        "tranche": 1,
        "amount": first["amount"],
        "currency": agreement["currency"],
    } | facts
