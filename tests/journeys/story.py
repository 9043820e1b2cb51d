"""One partner's whole way, told over HTTP: the June 2020 case of CERF money for NGOs through IOM.

Bangladesh: US$ 3,000,000 and its five named NGOs are public; the amount for each is not, so the
amounts here are illustrative, inside the published range of 125,000 to 845,000, and sum exactly.
The days are moved to the present. Which partner is suspended is invented.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from common.dev.stack import Stack
from journeys.people import IDS
from journeys.world import (
    BOUND_SECONDS,
    COUNTRY,
    GRANT,
    Ngo,
    Step,
    World,
    eventually,
    mirror_problem,
    payment_status,
    refusal,
    seat_status,
    settled,
    until,
)


async def tell(world: World) -> AsyncIterator[Step]:
    """Live the story, step by step."""
    for chapter in (
        _partners_are_verified,
        _clusters_are_joined,
        _money_is_promised,
        _payments_are_approved,
        _a_partner_is_suspended,
        _kafka_is_away,
        _the_partner_is_reinstated,
    ):
        async for step in chapter(world):
            yield step


# --- registry -----------------------------------------------------------------------------------


async def _partners_are_verified(world: World) -> AsyncIterator[Step]:
    for ngo in world.ngos:
        partner = await _register(world, ngo)
        ngo.id, ngo.local = partner["id"], partner["local"]
        yield Step(
            "registry",
            f"{ngo.name} registers and is verified",
            f"{partner['status']}, {partner['eligibility']}; local actor: {ngo.local}",
        )


async def _register(world: World, ngo: Ngo) -> Any:
    editor, verifier = world.crew.registrar, world.crew.verifier
    partner = await editor.post(
        "registry",
        "/v1/partners",
        {
            "kind": ngo.kind,
            "legal_name": ngo.name,
            "acronym": ngo.acronym,
            "country": ngo.country,
            "countries": sorted({COUNTRY, ngo.country}),
            "affiliation": ngo.affiliation,
        },
    )
    path = f"/v1/partners/{partner['id']}"
    document = {
        "kind": "registration",
        "number": f"DEMO-{ngo.acronym or ngo.name}",
        "issued_on": str(world.today - timedelta(days=700)),
        "expires_on": str(world.today + timedelta(days=1100)),
    }
    await editor.post("registry", f"{path}/documents", document, seen=path)
    for kind in ("governing", "recommendation"):
        reason = {"reason": "Kept at headquarters; a certified copy is on its way."}
        excuse = f"{path}/documents/{kind}/reason"
        await editor.post("registry", excuse, reason, seen=path, method="PUT")
    await editor.post("registry", f"{path}/profile", _profile(ngo), seen=path, method="PATCH")
    await editor.post("registry", f"{path}/declaration", {"version": "1"}, seen=path)
    await editor.post("registry", f"{path}/submit", seen=path)
    await verifier.post("registry", f"{path}/review", seen=path)
    await verifier.post("registry", f"{path}/verifications", _findings(), seen=path)
    decision = {"decision": "activate", "reason": "Everything was found in order."}
    return await verifier.post("registry", f"{path}/decision", decision, seen=path)


def _profile(ngo: Ngo) -> dict[str, Any]:
    return {
        "contacts": {"address": "Dhaka", "email": "office@example.org"},
        "mandate": {"statement": "Health and safe water for those in need.", "founded_in": 1972},
        "capabilities": {"sectors": list(ngo.seats), "staff": 120},
        "governance": {"governing_body": "Board", "members": 9, "audited_yearly": True},
        "safeguarding": {
            "code_of_conduct": True,
            "sexual_exploitation_policy": True,
            "reporting_channel": "A telephone line and boxes at every site.",
        },
        "funding": {"yearly_budget": "2m_and_over", "main_funders": ["Members"]},
    }


def _findings() -> dict[str, Any]:
    return {
        "certificate_seen": True,
        "mandate_consistent": True,
        "safeguards_in_place": True,
        "other_risk": False,
        "unacceptable_flag": False,
        "comment": "Certificate checked with the register.",
    }


# --- coordination -------------------------------------------------------------------------------


async def _clusters_are_joined(world: World) -> AsyncIterator[Step]:
    desk = world.crew.coordinator
    crisis = await desk.post(
        "coordination",
        "/v1/crises",
        {
            "name": "COVID-19 in Bangladesh",
            "onset_on": str(world.today - timedelta(days=100)),
            "countries": [COUNTRY],
        },
    )
    world.crisis = crisis["id"]
    for code in ("HEA", "WSH"):
        cluster = await desk.post(
            "coordination",
            "/v1/clusters",
            {"code": code, "country": COUNTRY, "crisis_id": world.crisis},
        )
        world.clusters[code] = cluster["id"]
        agencies = ", ".join(cluster["lead_agencies"])
        yield Step("coordination", f"{code} is activated in {COUNTRY}", f"led by {agencies}")
    await settled(world)
    commitments = await desk.get("coordination", "/v1/commitments")
    for ngo in world.ngos:
        seats = [await _join(world, ngo, code, commitments["in_force"]) for code in ngo.seats]
        yield Step(
            "coordination",
            f"{ngo.name} accepts the commitments and sits in {', '.join(ngo.seats)}",
            ", ".join(seat["status"] for seat in seats),
        )


async def _join(world: World, ngo: Ngo, code: str, commitments: int) -> Any:
    desk = world.crew.coordinator
    wish = {"partner_id": ngo.id, "commitments_version": commitments}
    requests = f"/v1/clusters/{world.clusters[code]}/requests"
    path = f"/v1/memberships/{(await desk.post('coordination', requests, wish))['id']}"
    return await desk.post("coordination", f"{path}/admit", seen=path)


# --- disbursement -------------------------------------------------------------------------------


async def _money_is_promised(world: World) -> AsyncIterator[Step]:
    desk = world.crew.grant_manager
    received = world.today - timedelta(days=17)
    grant = await desk.post(
        "disbursement",
        "/v1/grants",
        {
            "source": "cerf",
            "cerf_window": "rapid_response",
            "title": "Health and WASH through civil society (illustrative)",
            "country": COUNTRY,
            "emergency": "COVID-19",
            "amount": str(GRANT),
            "currency": "USD",
            "funders": [
                {"role": "donor", "name": "Donors to CERF"},
                {"role": "fund", "name": "CERF"},
            ],
            "approved_on": str(received - timedelta(days=5)),
            "disbursed_on": str(received),
        },
    )
    world.grant = grant["id"]
    receipt = {"amount": str(GRANT), "currency": "USD", "received_on": str(received)}
    await desk.post("disbursement", f"/v1/grants/{world.grant}/receipts", receipt)
    yield Step("disbursement", f"CERF grants US$ {GRANT:,} for {COUNTRY}", f"received {received}")
    for ngo in world.ngos:
        agreement = await _sign(world, ngo, received)
        ngo.agreement = agreement["id"]
        first = agreement["tranches"][0]["amount"]
        yield Step(
            "disbursement",
            f"{ngo.name} signs for US$ {Decimal(ngo.amount):,} (illustrative)",
            f"{agreement['status']}; first tranche {Decimal(first):,}",
        )


async def _sign(world: World, ngo: Ngo, received: date) -> Any:
    desk = world.crew.grant_manager
    agreement = await desk.post(
        "disbursement",
        "/v1/agreements",
        {
            "grant_id": world.grant,
            "partner_id": ngo.id,
            "type": "standard",
            "amount": ngo.amount,
            "currency": "USD",
            "schedule": {"kind": "weighted", "weights": ["60", "40"]},
            "selection": "direct",
            "justification": "time_critical_response",
            "starts_on": str(received),
            "ends_on": str(received + timedelta(days=170)),
        },
    )
    path = f"/v1/agreements/{agreement['id']}"
    await desk.post("disbursement", f"{path}/submit", seen=path)
    await desk.post("disbursement", f"{path}/pass-review", seen=path)
    signed = {"signed_on": str(world.today - timedelta(days=3))}
    await desk.post("disbursement", f"{path}/sign", signed, seen=path)
    return await desk.post("disbursement", f"{path}/activate", seen=path)


async def _payments_are_approved(world: World) -> AsyncIterator[Step]:
    crew = world.crew
    for ngo in world.ngos:
        agreement = await crew.submitter.get("disbursement", f"/v1/agreements/{ngo.agreement}")
        payment = await crew.submitter.post(
            "disbursement",
            "/v1/payments",
            {
                "agreement_id": ngo.agreement,
                "tranche": 1,
                "amount": agreement["tranches"][0]["amount"],
                "currency": "USD",
            },
        )
        ngo.payment = payment["id"]
        path = f"/v1/payments/{ngo.payment}/approve"
        seen = {"payload_hash": payment["payload_hash"]}
        four_eyes = await refusal(crew.submitter.post("disbursement", path, seen))
        await crew.first_approver.post("disbursement", path, seen)
        payment = await crew.second_approver.post("disbursement", path, seen)
        yield Step(
            "disbursement",
            f"{ngo.name}: first tranche submitted, approved by two others",
            f"{payment['status']}; the submitter's own approval: {four_eyes}",
        )
    for ngo in world.ngos:
        if ngo not in (world.suspended, world.delayed):
            yield Step("disbursement", f"{ngo.name} is paid", await _pay(world, ngo))


async def _pay(world: World, ngo: Ngo, *, patient: bool = False) -> str:
    """Release, send, and record that the bank credited the account."""
    treasurer = world.crew.treasurer
    path = f"/v1/payments/{ngo.payment}"
    key = str(IDS.new())

    async def release() -> Any:
        return await treasurer.post("disbursement", f"{path}/release", seen=path, key=key)

    if patient:
        await eventually(release)
    else:
        await release()
    await treasurer.post("disbursement", f"{path}/send", seen=path)
    evidence = {
        "outcome": "settled",
        "kind": "account_statement",
        "occurred_on": str(world.today),
        "reference": f"STATEMENT/{ngo.payment[-6:]}",
    }
    payment = await treasurer.post("disbursement", f"{path}/evidence", evidence)
    return str(payment["status"])


# --- the bad days -------------------------------------------------------------------------------


async def _a_partner_is_suspended(world: World) -> AsyncIterator[Step]:
    ngo = world.suspended
    path = f"/v1/partners/{ngo.id}"
    reason = {"reason": "A question on the accounts is being cleared up."}
    partner = await world.crew.verifier.post("registry", f"{path}/suspend", reason, seen=path)
    yield Step(
        "registry",
        f"{ngo.name} is suspended between approval and release",
        f"{partner['eligibility']}: {', '.join(partner['eligibility_reasons'])}",
    )
    await until(lambda: payment_status(world, ngo), "held")
    yield Step("disbursement", f"{ngo.name}'s payment is held, by the event alone", "held")
    code = await refusal(
        world.crew.treasurer.post(
            "disbursement",
            f"/v1/payments/{ngo.payment}/release",
            seen=f"/v1/payments/{ngo.payment}",
        )
    )
    yield Step("disbursement", "The treasurer tries to release it", f"refused: {code}")
    await until(lambda: seat_status(world, ngo), "suspended")
    yield Step("coordination", f"{ngo.name}'s seat in HEA is suspended, too", "suspended")


async def _kafka_is_away(world: World) -> AsyncIterator[Step]:
    ngo = world.delayed
    path = f"/v1/payments/{ngo.payment}"
    await asyncio.to_thread(_silence, world.stack)
    yield Step("kafka", "The broker stops", f"a mirror may be {BOUND_SECONDS:g} s old, here")
    treasurer = world.crew.treasurer
    await until(lambda: mirror_problem(world), "too_old")
    code = await refusal(treasurer.post("disbursement", f"{path}/release", seen=path))
    balance = await treasurer.get("disbursement", f"/v1/grants/{world.grant}/balance")
    yield Step(
        "disbursement",
        f"{ngo.name}: the release is refused, nothing moves",
        f"{code}; still reserved: {Decimal(balance['reserved']):,}",
    )
    await asyncio.to_thread(_speak, world.stack)
    yield Step("kafka", "The broker is back", "services go on by themselves")
    paid = await _pay(world, ngo, patient=True)
    yield Step("disbursement", f"{ngo.name}: the same release succeeds once it is fresh", paid)


async def _the_partner_is_reinstated(world: World) -> AsyncIterator[Step]:
    ngo = world.suspended
    path = f"/v1/partners/{ngo.id}"
    reason = {"reason": "The question is cleared up."}
    partner = await world.crew.verifier.post("registry", f"{path}/reinstate", reason, seen=path)
    yield Step("registry", f"{ngo.name} is reinstated", partner["eligibility"])
    await until(lambda: payment_status(world, ngo), "approved")
    yield Step("disbursement", f"{ngo.name}'s payment is lifted, by the event alone", "approved")
    yield Step("disbursement", f"{ngo.name} is paid", await _pay(world, ngo, patient=True))
    await until(lambda: seat_status(world, ngo), "active")
    yield Step("coordination", f"{ngo.name}'s seat in HEA is restored", "active")
    await settled(world)


def _silence(stack: Stack) -> None:
    """Stop the broker; where it is not ours, freeze the registry: no news either way."""
    if stack.kafka is not None:
        stack.kafka.stop()
    else:
        stack.processes["registry"].pause()


def _speak(stack: Stack) -> None:
    if stack.kafka is not None:
        stack.kafka.start()
    else:
        stack.processes["registry"].resume()
