"""A payment's whole way, and where its money lies at each step."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from common.actor import Actor
from common.errors import ForbiddenError, IllegalMoveError, NotFoundError, StaleVersionError
from common.money import Money
from common.sequence import Sequence
from disbursement.agreements import commands as agreements
from disbursement.errors import (
    AgreementNotActiveError,
    AlreadyActedError,
    AlreadyConfirmedError,
    ApproverRoleError,
    CurrencyMismatchError,
    FourEyesError,
    PartnerIneligibleError,
    PartnerUnknownError,
    PayloadChangedError,
    RevisionNeededError,
    TrancheMismatchError,
    TrancheTakenError,
)
from disbursement.payments import commands
from disbursement.payments.commands import NewPayment
from disbursement.payments.rules.payment import AccountReference, Payment
from support.disbursement import (
    BORIS,
    CHEN,
    IDS,
    MACHINE,
    SUBMITTER,
    TODAY,
    TREASURY,
    World,
    in_country,
    usd,
)


async def test_a_payment_moves_its_money_step_by_step(world: World) -> None:
    agreement = await world.agreement()
    grant = agreement.grant_id
    rest = {"available": "2900000", "committed": "50000"}
    assert await world.balances(grant) == {**rest, "committed": "100000"}
    payment = await world.submitted(agreement)
    assert await world.balances(grant) == {**rest, "earmarked": "50000"}
    payment = await world.approve(payment, BORIS)
    assert await world.balances(grant) == {**rest, "reserved": "50000"}
    payment = await world.release(payment)
    assert await world.balances(grant) == {**rest, "in_transit": "50000"}
    payment = await world.send(payment)
    assert await world.balances(grant) == {**rest, "in_transit": "50000"}
    await world.evidence(payment, "settled")
    assert await world.balances(grant) == {**rest, "paid": "50000"}
    assert await world.breaches() == []


async def test_each_step_is_an_event_with_the_state_after_it(world: World) -> None:
    payment = await world.settled()
    rows = await world.fetch(
        "SELECT type, data FROM journal WHERE stream = $1 ORDER BY version", payment.id
    )
    assert [row["type"].split(".")[-2] for row in rows] == [
        "submitted",
        "approved",
        "released",
        "sent",
        "settled",
    ]
    assert rows[-1]["data"]["payment"]["status"] == "settled"


async def test_a_payment_that_fails_frees_its_money_and_its_tranche(world: World) -> None:
    agreement = await world.agreement()
    payment = await world.sent(agreement)
    waiting = await world.evidence(payment, "failed", reason_code="AC04")
    assert waiting.status == "sent"  # what would free the money takes two people
    failed = await world.confirmed(payment)
    assert failed.failure_code == "AC04"
    assert (await world.balances(agreement.grant_id))["committed"] == "100000"
    again = await world.submitted(agreement)
    assert again.tranche == payment.tranche
    assert await world.breaches() == []


async def test_a_payment_that_is_returned_frees_its_money_and_its_tranche(world: World) -> None:
    agreement = await world.agreement()
    payment = await world.settled(agreement)
    await world.evidence(payment, "returned", on=TODAY)
    assert (await world.balances(agreement.grant_id))["paid"] == "50000"
    await world.confirmed(payment)
    assert (await world.balances(agreement.grant_id))["committed"] == "100000"
    await world.submitted(agreement)
    assert await world.breaches() == []


# --- submitting ---


async def test_a_payment_of_an_unknown_agreement_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        await _submit(world, IDS.new(), 1, usd(1))


async def test_a_payment_of_a_tranche_that_is_not_there_is_not_found(world: World) -> None:
    agreement = await world.agreement()
    with pytest.raises(NotFoundError, match="no tranche 3"):
        await _submit(world, agreement.id, 3, usd(1))


async def test_a_payment_of_another_amount_than_the_tranche_is_refused(world: World) -> None:
    agreement = await world.agreement()
    with pytest.raises(TrancheMismatchError):
        await _submit(world, agreement.id, 1, usd("49999.99"))


async def test_a_payment_in_another_currency_is_refused(world: World) -> None:
    agreement = await world.agreement()
    with pytest.raises(CurrencyMismatchError):
        await _submit(world, agreement.id, 1, Money(Decimal(50000), "CHF"))


async def test_a_tranche_has_one_live_payment(world: World) -> None:
    agreement = await world.agreement()
    await world.submitted(agreement)
    with pytest.raises(TrancheTakenError):
        await world.submitted(agreement)
    assert (await world.balances(agreement.grant_id))["earmarked"] == "50000"


async def test_an_agreement_that_is_only_signed_is_not_paid(world: World) -> None:
    agreement = await world.agreement(active=False)
    with pytest.raises(AgreementNotActiveError):
        await world.submitted(agreement)


async def test_an_ineligible_partner_is_not_paid(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    await world.says(partner, eligibility="ineligible")
    with pytest.raises(PartnerIneligibleError):
        await world.submitted(agreement)


async def test_a_partner_that_the_mirror_lost_is_not_paid(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    await world.execute("DELETE FROM partner_mirror WHERE id = $1", partner)
    with pytest.raises(PartnerUnknownError):
        await world.submitted(agreement)


async def test_a_person_of_another_country_submits_nothing(world: World) -> None:
    agreement = await world.agreement()
    with pytest.raises(ForbiddenError):
        await world.run(
            lambda uow: commands.submit_payment(uow, _new(agreement.id, 1, usd(50000))),
            in_country(SUBMITTER, "HTI"),
        )


async def test_a_refused_payment_leaves_nothing_behind(world: World) -> None:
    agreement = await world.agreement()
    before = await world.fetch("SELECT count(*) FROM journal")
    with pytest.raises(TrancheMismatchError):
        await _submit(world, agreement.id, 1, usd(1))
    assert await world.fetch("SELECT count(*) FROM journal") == before
    assert await world.fetch("SELECT 1 FROM payment") == []


# --- deciding ---


async def test_a_large_amount_takes_two_people(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    assert payment.approvals_required == 2
    once = await world.approve(payment, BORIS)
    assert (once.status, once.approvals_given) == ("submitted", 1)
    twice = await world.approve(payment, TREASURY)
    assert (twice.status, twice.approvals_given) == ("approved", 2)
    assert await world.changes(payment.id) == ["submitted", "approval_given", "approved"]


async def test_whoever_submitted_it_does_not_approve_it(world: World) -> None:
    payment = await world.submitted()
    boss = _with_every_role(SUBMITTER)
    with pytest.raises(FourEyesError):
        await world.approve(payment, boss)


async def test_whoever_wrote_an_earlier_revision_does_not_approve_a_later_one(
    world: World,
) -> None:
    payment = await world.submitted()
    await world.run(lambda uow: commands.revise_payment(uow, payment.id, None), CHEN)
    again = await world.run(lambda uow: commands.resubmit_payment(uow, payment.id), BORIS)
    for author in (_with_every_role(SUBMITTER), CHEN, BORIS):
        with pytest.raises(FourEyesError):
            await world.approve(again, author)


async def test_nobody_approves_twice(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    await world.approve(payment, BORIS)
    with pytest.raises(AlreadyActedError):
        await world.approve(payment, BORIS)


async def test_a_machine_approves_nothing(world: World) -> None:
    payment = await world.submitted()
    with pytest.raises(ForbiddenError):
        await world.approve(payment, MACHINE)


async def test_a_person_without_the_role_approves_nothing(world: World) -> None:
    payment = await world.submitted()
    stranger = Actor(subject="zoe", human=True, roles=frozenset({"auditor"}))
    with pytest.raises(ApproverRoleError):
        await world.approve(payment, stranger)


async def test_an_approval_of_what_was_revised_meanwhile_is_refused(world: World) -> None:
    payment = await world.submitted()
    account = AccountReference(IDS.new(), 1)
    await world.run(lambda uow: commands.revise_payment(uow, payment.id, account))
    await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))
    with pytest.raises(PayloadChangedError):
        await world.approve(payment, BORIS)


async def test_a_revision_voids_every_approval(world: World) -> None:
    agreement = await world.agreement(amount=usd(200_000))
    payment = await world.approved(agreement)
    revised = await world.run(lambda uow: commands.revise_payment(uow, payment.id, None))
    assert (revised.status, revised.revision, revised.approvals_given) == ("draft", 2, 0)
    assert (await world.balances(agreement.grant_id))["committed"] == "200000"
    again = await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))
    assert (await world.approve(again, BORIS)).status == "submitted"
    assert await world.breaches() == []


async def test_a_rejected_payment_is_a_draft_and_its_money_is_free(world: World) -> None:
    agreement = await world.agreement()
    rejected = await _reject(world, await world.submitted(agreement))
    assert rejected.status == "draft"
    assert (await world.balances(agreement.grant_id))["committed"] == "100000"
    assert await world.breaches() == []


async def test_the_comment_of_a_rejection_is_encrypted_and_never_published(world: World) -> None:
    payment = await _reject(world, await world.submitted(), "the account looks forged")
    (row,) = await world.fetch(
        "SELECT data, reason, private FROM journal WHERE stream = $1 AND type LIKE '%rejected%'",
        payment.id,
    )
    assert "forged" not in str(row["data"])
    assert row["private"] is not None
    assert b"forged" not in row["private"]


async def test_what_was_rejected_is_revised_before_it_is_submitted_again(world: World) -> None:
    payment = await _reject(world, await world.submitted())
    with pytest.raises(RevisionNeededError):
        await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))
    await world.run(lambda uow: commands.revise_payment(uow, payment.id, None))
    again = await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))
    assert (again.status, again.revision) == ("submitted", 2)
    assert await world.breaches() == []


async def test_a_released_payment_is_not_revised(world: World) -> None:
    payment = await world.released()
    with pytest.raises(IllegalMoveError):
        await world.run(lambda uow: commands.revise_payment(uow, payment.id, None))


async def test_a_change_on_an_older_version_is_refused(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    seen = Sequence.parse(payment.sequence)
    await world.approve(payment, BORIS)
    with pytest.raises(StaleVersionError):
        await world.run(lambda uow: commands.revise_payment(uow, payment.id, None, expected=seen))


async def test_resubmitting_checks_partner_and_agreement_again(world: World) -> None:
    partner = await world.partner()
    agreement = await world.agreement(partner=partner)
    payment = await world.submitted(agreement)
    await world.run(lambda uow: commands.revise_payment(uow, payment.id, None))
    await world.says(partner, eligibility="ineligible")
    with pytest.raises(PartnerIneligibleError):
        await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))
    await world.says(partner, eligibility="eligible")
    await world.run(lambda uow: agreements.suspend_agreement(uow, agreement.id, "audit"))
    with pytest.raises(AgreementNotActiveError):
        await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))


# --- outcomes ---


async def test_an_unknown_payment_stays_in_transit_until_two_people_close_it(
    world: World,
) -> None:
    agreement = await world.agreement()
    payment = await world.evidence(await world.sent(agreement), "unknown", "no_answer")
    waiting = await world.evidence(payment, "settled", "account_statement")
    assert waiting.status == "unknown"
    assert (await world.balances(agreement.grant_id))["in_transit"] == "50000"
    with pytest.raises(FourEyesError):
        await world.confirmed(payment, TREASURY)
    closed = await world.confirmed(payment, BORIS)
    assert closed.status == "settled"
    assert (await world.balances(agreement.grant_id))["paid"] == "50000"
    assert await world.breaches() == []


async def test_a_machine_closes_no_unknown_payment(world: World) -> None:
    payment = await world.evidence(await world.sent(), "unknown", "no_answer")
    with pytest.raises(ForbiddenError):
        await world.evidence(payment, "settled", actor=MACHINE)
    await world.evidence(payment, "settled")
    with pytest.raises(ForbiddenError):
        await world.confirmed(payment, MACHINE)


async def test_evidence_is_confirmed_once(world: World) -> None:
    payment = await world.evidence(await world.sent(), "unknown", "no_answer")
    await world.evidence(payment, "failed", "bank_confirmation")
    await world.confirmed(payment, BORIS)
    with pytest.raises(AlreadyConfirmedError):
        await world.confirmed(payment, CHEN)


async def test_a_payment_is_sent_once_and_its_bytes_are_kept(world: World) -> None:
    payment = await world.sent()
    (row,) = await world.fetch("SELECT * FROM payment_instruction")
    assert row["message_id"] == f"FL{payment.id.hex}"
    assert row["message_id"].encode() in row["content"]
    with pytest.raises(IllegalMoveError):
        await world.send(payment)


async def test_the_recipient_confirms_once_and_moves_nothing(world: World) -> None:
    agreement = await world.agreement()
    payment = await world.settled(agreement)
    before = await world.balances(agreement.grant_id)
    confirmed = await world.run(lambda uow: commands.confirm_receipt(uow, payment.id, TODAY))
    assert (confirmed.status, confirmed.confirmed_on) == ("settled", TODAY)
    assert await world.balances(agreement.grant_id) == before
    with pytest.raises(AlreadyConfirmedError):
        await world.run(lambda uow: commands.confirm_receipt(uow, payment.id, TODAY))


async def test_another_partners_token_confirms_nothing(world: World) -> None:
    payment = await world.settled()
    other = Actor(subject="other", human=True, partner=IDS.new())
    with pytest.raises(ForbiddenError):
        await world.run(lambda uow: commands.confirm_receipt(uow, payment.id, TODAY), other)


def _new(agreement_id: UUID, tranche: int, amount: Money) -> NewPayment:
    return NewPayment(agreement_id, tranche, amount)


async def _submit(world: World, agreement_id: UUID, tranche: int, amount: Money) -> Payment:
    new = _new(agreement_id, tranche, amount)
    return await world.run(lambda uow: commands.submit_payment(uow, new))


async def _reject(world: World, payment: Payment, comment: str = "not yet") -> Payment:
    return await world.run(
        lambda uow: commands.reject_payment(uow, payment.id, payment.payload_hash, comment),
        CHEN,
    )


def _with_every_role(actor: Actor) -> Actor:
    return replace(actor, roles=frozenset({"payment_approver", "treasury", "operator"}))
