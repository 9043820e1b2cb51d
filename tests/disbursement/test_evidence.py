"""What the bank says: contradictions, what comes late, its dates, and money that comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.errors import ForbiddenError, IllegalMoveError
from disbursement.agreements import commands as agreements
from disbursement.agreements.rules import Agreement
from disbursement.errors import (
    ContradictingEvidenceError,
    DatesError,
    EvidenceError,
    FourEyesError,
    NotWaitingError,
)
from disbursement.payments import commands
from disbursement.payments.commands.outcome import Evidence
from disbursement.payments.rules.evidence import EvidenceKind, Outcome
from disbursement.payments.rules.payment import Payment
from support.disbursement import BORIS, CHEN, DINA, MACHINE, TODAY, TREASURY, World

YESTERDAY = TODAY - timedelta(days=1)

# --- contradictions ---


async def test_evidence_is_not_confirmed_while_other_evidence_says_otherwise(
    world: World,
) -> None:
    payment = await world.evidence(await world.sent(), "unknown", "no_answer")
    await world.evidence(payment, "failed")
    await world.evidence(payment, "settled", actor=CHEN)
    with pytest.raises(ContradictingEvidenceError) as refused:
        await world.confirmed(payment)
    assert refused.value.facts["outcomes"] == ["failed"]
    assert (await world.payment(payment)).status == "unknown"
    assert await _standings(world, payment) == ["effective", "waiting", "waiting"]


async def test_what_contradicts_evidence_that_waits_closes_nothing_at_once(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    still = await world.evidence(payment, "settled", actor=MACHINE)
    assert still.status == "sent"
    assert (await world.balances(payment.grant_id))["in_transit"] == "50000"
    assert await _standings(world, payment) == ["waiting", "waiting"]


async def test_a_contradiction_is_settled_by_dismissing_what_is_wrong(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    await world.evidence(payment, "settled", actor=CHEN)
    await world.dismissed(payment, "failed", BORIS)
    closed = await world.confirmed(payment, DINA)
    assert closed.status == "settled"
    assert await _standings(world, payment) == ["dismissed", "effective"]
    assert (await world.changes(payment.id))[-4:] == [
        "evidence_recorded",
        "evidence_recorded",
        "evidence_dismissed",
        "settled",
    ]
    assert await world.breaches() == []


async def test_nobody_dismisses_the_own_evidence_and_no_machine_any(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    with pytest.raises(FourEyesError):
        await world.dismissed(payment, "failed", TREASURY)
    with pytest.raises(ForbiddenError):
        await world.dismissed(payment, "failed", MACHINE)


async def test_evidence_that_took_effect_waits_for_nobody(world: World) -> None:
    payment = await world.settled()
    with pytest.raises(NotWaitingError):
        await world.confirmed(payment)


async def test_why_evidence_was_dismissed_is_never_published(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    await world.dismissed(payment, "failed")
    (row,) = await world.fetch("SELECT data, private FROM journal WHERE type LIKE '%dismissed%'")
    assert "not ours" not in str(row["data"])
    assert row["private"] is not None


async def test_that_nobody_knows_contradicts_nothing(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    unknown = await world.evidence(payment, "unknown", "no_answer")
    assert unknown.status == "unknown"
    assert (await world.confirmed(payment)).status == "failed"


async def test_what_says_the_same_as_the_outcome_no_longer_waits(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    await world.evidence(payment, "failed", "bank_confirmation")
    await world.confirmed(payment)
    assert await _standings(world, payment) == ["recorded", "effective"]


async def test_a_machine_cannot_contradict_without_saying_where_to_look(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    said = Evidence(Outcome.SETTLED, EvidenceKind.ACCOUNT_STATEMENT, TODAY)
    with pytest.raises(EvidenceError):
        await world.run(lambda uow: commands.record_evidence(uow, payment.id, said), MACHINE)


# --- what comes late ---


@pytest.mark.parametrize("outcome", ["settled", "failed"])
async def test_what_the_bank_says_of_a_settled_payment_is_kept_and_moves_nothing(
    world: World, outcome: str
) -> None:
    payment = await world.settled()
    before = await world.balances(payment.grant_id)
    after = await world.evidence(payment, outcome, actor=MACHINE)
    assert (after.status, after.failure_code) == ("settled", None)
    assert await world.balances(payment.grant_id) == before
    assert (await world.changes(payment.id))[-1] == "late_evidence_recorded"
    assert await _standings(world, payment) == ["effective", "recorded"]
    assert await world.breaches() == []


async def test_a_settlement_after_a_failure_is_kept_and_frees_or_takes_nothing(
    world: World,
) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    await world.confirmed(payment)
    before = await world.balances(payment.grant_id)
    assert (await world.evidence(payment, "settled")).status == "failed"
    assert await world.balances(payment.grant_id) == before
    (row,) = await world.fetch("SELECT data FROM journal WHERE type LIKE '%late_evidence%'")
    assert row["data"]["change"]["outcome"] == "settled"
    assert row["data"]["payment"]["status"] == "failed"


async def test_what_was_only_kept_is_never_confirmed(world: World) -> None:
    payment = await world.settled()
    await world.evidence(payment, "failed")
    with pytest.raises(NotWaitingError):
        await world.confirmed(payment)


async def test_a_payment_that_was_never_sent_has_no_outcome(world: World) -> None:
    for payment in (await world.approved(), await world.withdraw(await world.drafted())):
        with pytest.raises(IllegalMoveError):
            await world.evidence(payment, "settled")


# --- dates ---


async def test_the_banks_date_is_not_long_before_the_payment_was_sent(world: World) -> None:
    payment = await world.sent()
    with pytest.raises(DatesError):
        await world.evidence(payment, "settled", on=YESTERDAY - timedelta(days=1))
    await world.evidence(payment, "settled", on=YESTERDAY)


async def test_money_does_not_come_back_before_it_arrived(world: World) -> None:
    payment = await world.settled()
    with pytest.raises(DatesError):
        await world.evidence(payment, "returned", on=YESTERDAY)


async def test_the_recipient_had_nothing_before_it_was_sent(world: World) -> None:
    payment = await world.sent()
    with pytest.raises(DatesError):
        await world.run(
            lambda uow: commands.confirm_receipt(uow, payment.id, YESTERDAY - timedelta(days=1))
        )


# --- money that comes back to an agreement that is over ---


async def _terminate(world: World, agreement: Agreement) -> None:
    await world.run(lambda uow: agreements.terminate_agreement(uow, agreement.id, "war"))


async def _end(world: World, agreement: Agreement) -> None:
    await world.execute("UPDATE agreement SET status = 'ended' WHERE id = $1", agreement.id)


@pytest.mark.parametrize("over", [_terminate, _end], ids=["terminated", "ended"])
async def test_money_returned_when_the_agreement_is_over_is_available_again(
    world: World, over: object
) -> None:
    agreement = await world.agreement(tranches=1)
    payment = await world.settled(agreement)
    assert callable(over)
    await over(world, agreement)
    await world.evidence(payment, "returned")
    returned = await world.confirmed(payment)
    assert returned.status == "returned"
    assert await world.balances(agreement.grant_id) == {"available": "3000000"}
    kinds = await world.fetch("SELECT kind FROM ledger_transaction ORDER BY id DESC LIMIT 2")
    assert {row["kind"] for row in kinds} == {"returned", "terminated"}
    assert await world.breaches() == []


async def _standings(world: World, payment: Payment) -> list[str]:
    rows = await world.fetch(
        "SELECT standing FROM payment_evidence WHERE payment_id = $1 ORDER BY id", payment.id
    )
    return [row["standing"] for row in rows]
