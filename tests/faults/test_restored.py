"""A database comes back from an older dump while Kafka and the other services went on."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from faults.client import Asked
from faults.commands import run
from faults.scene import Scene
from faults.topics import newest_is_last
from journeys.people import IDS
from support.databases import plain_dsn
from support.registry import SHAPLA

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
    pytest.mark.timeout(180),
]

RESTORE = (
    *("journal", "restore", "--yes"),
    *("--reason", "put back from last night's dump", "--operator", "amina"),
)


async def test_an_owner_put_back_halts_until_a_restore_brings_its_truth_to_every_mirror(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(partner, 2)
    left = await scene.pay(agreement, 1)
    waiting = (await scene.approved(agreement, 2)).json["id"]
    await scene.published("registry")
    async with put_back(scene, "registry"):
        await scene.suspend(partner)
        await scene.is_at(waiting, "held")
    # The suspension was lost; disbursement has heard of it.
    await scene.until(lambda: is_halted(scene, "registry"))
    said = scene.stack.processes["registry"].output()
    assert "Kafka holds events of registry" in said
    assert "the database was restored from a backup" in said
    assert "python -m registry journal restore" in said
    await scene.ask(  # only publishing stops
        scene.crew.registrar,
        "registry",
        "/v1/partners",
        {**SHAPLA, "legal_name": "Jamuna Relief Trust", "acronym": None},
    )
    assert await scene.mirrored(partner) == "ineligible"
    await run(scene, "registry", *RESTORE)
    await scene.is_eligible(partner)
    await scene.is_at(waiting, "approved")
    assert await scene.status(left) == "sent"
    assert (await scene.changes("disbursement", left)).count("sent") == 1
    await scene.holds_together()
    await newest_is_last(scene, "registry.partner.v1")


async def test_a_partner_the_restored_registry_never_knew_is_paid_nothing(scene: Scene) -> None:
    suspended = await scene.new_partner()
    async with put_back(scene, "registry"):
        ghost = await scene.new_partner()
        seat = await seat_of(scene, ghost)
        agreement = await scene.new_agreement(ghost, 4)
        left = await scene.pay(agreement, 1)
        released = (await scene.move_on(await scene.approved(agreement, 2), "release")).json["id"]
        approved = (await scene.approved(agreement, 3)).json["id"]
        await scene.suspend(suspended)
        await scene.is_eligible(suspended, "ineligible")
    await scene.until(lambda: is_halted(scene, "registry"))
    assert await scene.mirrored(ghost) == "eligible"
    unknown = await scene.crew.auditor.http.get(f"registry/v1/partners/{ghost}")
    assert unknown.status_code == 404
    await run(scene, "registry", *RESTORE)
    # The owner has said all that it has. Of the ghost it said nothing.
    for payment in (released, approved):
        await scene.is_at(payment, "held")
    terms = {"agreement_id": agreement, "tranche": 4, "amount": "1000.00", "currency": "USD"}
    refused = await scene.crew.submitter.http.post(
        "disbursement/v1/payments", json=terms, headers={"Idempotency-Key": str(IDS.new())}
    )
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "partner_ineligible"), problem
    assert problem["reason"] == "gone"
    # Nor does it sit at the table.
    await scene.until(lambda: is_suspended(scene, seat))
    # What had left is with the bank: that the hold came too late is on record.
    changes = await scene.changes("disbursement", left)
    assert changes == ["submitted", "approved", "released", "sent", "hold_missed"]
    for service in ("disbursement", "coordination"):
        (row,) = await scene.sql(
            service, "SELECT legal_name, gone FROM partner_mirror WHERE id = $1", UUID(ghost)
        )
        assert row["gone"]
        assert row["legal_name"], "its facts stay, for people to see"
    # Everybody else is as the owner says.
    await scene.is_eligible(suspended)
    await scene.pay(await scene.new_agreement(suspended, 1), 1)
    await scene.holds_together()
    await newest_is_last(scene, "registry.partner.v1")


async def test_a_consumer_put_back_hears_the_lost_suspension_again_and_sends_nothing_twice(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    agreement = await scene.new_agreement(scene.partner, 1)
    waiting = (await scene.submit(await scene.new_agreement(partner, 1), 1)).json["id"]
    released = await scene.move_on(await scene.approved(agreement, 1), "release")
    payment = released.json["id"]
    await scene.published("disbursement")
    async with put_back(scene, "disbursement"):
        await scene.move_on(released, "send")
        instruction = await scene.get("disbursement", f"/v1/payments/{payment}/instruction")
        await scene.suspend(partner)
        await scene.is_at(waiting, "held")
        await scene.published("disbursement")
    # Two things were lost: that the partner is suspended, and that a payment has left.
    await scene.is_eligible(partner, "ineligible")
    await scene.is_at(waiting, "held")
    await scene.until(lambda: is_halted(scene, "disbursement"))
    assert await scene.status(payment) == "released"
    assert await refusal(scene, released) == "not_agreed"
    await run(scene, "disbursement", *RESTORE)
    await scene.published("disbursement")
    etag = await scene.etag("disbursement", f"/v1/payments/{payment}")
    assert await refusal(scene, released, etag) == "not_compared"
    await run(scene, "disbursement", "compared", "--yes", "--operator", "amina")
    # Sent again by a person who has compared, it is the very same message.
    thing = f"/v1/payments/{payment}"
    await scene.do(scene.crew.treasurer, "disbursement", thing, "send")
    again = await scene.get("disbursement", f"{thing}/instruction")
    for name in ("message_id", "content_base64"):
        assert again[name] == instruction[name]
    await scene.holds_together()
    await newest_is_last(scene, "disbursement.payment.v1")


async def refusal(scene: Scene, released: Asked, etag: str | None = None) -> str:
    """Why a released payment is not sent."""
    answer = await scene.crew.treasurer.http.post(
        f"disbursement/v1/payments/{released.json['id']}/send",
        headers={"Idempotency-Key": str(IDS.new()), "If-Match": etag or released.etag},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "past_uncertain"), answer.text
    return str(answer.json()["problem"])


async def seat_of(scene: Scene, partner: str) -> str:
    """An active seat of the partner in a cluster of a new crisis; its path."""
    desk = scene.crew.coordinator
    crisis = {
        "name": "Floods in the north",
        "onset_on": str(scene.today - timedelta(days=5)),
        "countries": ["BGD"],
    }
    begun = (await scene.ask(desk, "coordination", "/v1/crises", crisis)).json["id"]
    wanted = {"code": "HEA", "country": "BGD", "crisis_id": begun}
    cluster = (await scene.ask(desk, "coordination", "/v1/clusters", wanted)).json["id"]
    in_force = (await scene.get("coordination", "/v1/commitments"))["in_force"]
    wish = {"partner_id": partner, "commitments_version": in_force}
    asked = await scene.ask(desk, "coordination", f"/v1/clusters/{cluster}/requests", wish)
    seat = f"/v1/memberships/{asked.json['id']}"
    await scene.do(desk, "coordination", seat, "admit")
    return seat


async def is_suspended(scene: Scene, seat: str) -> bool:
    return bool((await scene.get("coordination", seat))["status"] == "suspended")


@asynccontextmanager
async def put_back(scene: Scene, service: str) -> AsyncIterator[None]:
    """Dump the service's database; after the block it stands there again as it was before it."""
    dump = scene.stack.folder / f"{service}.dump"
    await run_tool(scene, "pg_dump", "--format=custom", f"--file={dump}", dsn(scene, service))
    yield
    await asyncio.to_thread(scene.stack.processes[service].stop)
    await scene.postgres.drop_database(service)
    await scene.postgres.create_database(service)
    await run_tool(scene, "pg_restore", "--exit-on-error", f"--dbname={dsn(scene, service)}", dump)
    await scene.stack.start_service(service)


async def is_halted(scene: Scene, service: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{scene.stack.urls[service]}/metrics")
    return "frontline_publisher_halted 1.0" in answer.text


def dsn(scene: Scene, service: str) -> str:
    return plain_dsn(scene.stack.database_urls[service])


async def run_tool(scene: Scene, tool: str, *words: str | Path) -> None:
    """One of PostgreSQL's own programs."""
    program = [scene.postgres.tool(tool), *words]
    done = await asyncio.to_thread(
        subprocess.run, program, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
