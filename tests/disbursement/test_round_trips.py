"""What a payment costs the database: asserted as statements sent, BEGIN and COMMIT included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from support.api import Api
from support.disbursement import IDS, World, usd
from support.statements import counted


async def test_a_submit_over_http_takes_seven_round_trips(world: World, api: Api) -> None:
    agreement = await world.agreement(tranches=5)

    async def submit(tranche: int) -> None:
        answer = await api.post(
            "/v1/payments",
            json={
                "agreement_id": str(agreement.id),
                "tranche": tranche,
                "amount": "20000.00",
                "currency": "USD",
            },
            headers={"Idempotency-Key": str(IDS.new())},
        )
        assert answer.status_code == 201, answer.text

    await submit(1)
    async with counted(world.runtime.engine) as statements:
        await submit(2)
    assert len(statements) == 7, str(statements)


async def test_a_submit_and_a_release_cost_what_they_are_written_to_cost(world: World) -> None:
    agreement = await world.agreement(tranches=5)
    await world.released(agreement)
    async with counted(world.runtime.engine) as statements:
        payment = await world.submitted(agreement, 2)
    assert len(statements) == 5, str(statements)
    other = await world.approved(await world.agreement())
    async with counted(world.runtime.engine) as statements:
        await world.release(other)
    assert len(statements) == 12, str(statements)
    assert payment.status == "submitted"


async def test_holding_many_payments_costs_no_more_statements_than_holding_one(
    world: World,
) -> None:
    grant = await world.grant()
    counts = []
    for tranches in (1, 1, 20):  # the first teaches the connection the types
        partner = await world.partner()
        agreement = await world.agreement(grant, partner, usd(20_000), tranches=tranches)
        for tranche in range(1, tranches + 1):
            await world.submitted(agreement, tranche)
        await world.says(partner, eligibility="ineligible")
        async with counted(world.runtime.engine) as statements:
            await world.react(partner)
        counts.append(len(statements))
    assert counts[1] == counts[2]


async def test_the_hot_statement_stores_what_the_tables_read(world: World) -> None:
    """A payment written on the driver's connection reads back the same through the tables."""
    payment = await world.submitted()
    assert await world.payment(payment) == payment
    (row,) = await world.fetch("SELECT * FROM payment_submission")
    known: dict[str, Any] = dict(row)
    assert (known["submitter"], known["approvals_required"]) == ("amina", 1)
    assert known["approver_roles"] == ["payment_approver", "treasury"]
    (revision,) = await world.fetch("SELECT author, payload_hash FROM payment_revision")
    assert tuple(revision) == ("amina", payment.payload_hash)
    (stored,) = await world.fetch("SELECT amount FROM payment")
    assert stored["amount"] == Decimal("50000.0000")
