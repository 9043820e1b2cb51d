"""What became of a payment that was sent: read from the bank's evidence, never assumed.

Whatever would free the money for a second payment takes two people, and so does closing an unknown
one: one records the evidence, another confirms it. The money stays where it is until then.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from common.aggregate import Change
from common.db.faults import constraint_of
from common.errors import NotFoundError
from common.uow import UnitOfWork
from disbursement.errors import AlreadyConfirmedError, FourEyesError
from disbursement.grants.rules import must_not_be_ahead
from disbursement.ledger.commands import post
from disbursement.payments import rules
from disbursement.payments.commands.store import (
    agreement_status,
    change,
    parties_of,
    payment_for_anyone,
    payment_for_update,
)
from disbursement.payments.events import (
    BecameUnknown,
    Confirmed,
    EvidenceRecorded,
    Failed,
    Returned,
    Settled,
)
from disbursement.payments.rules import EvidenceKind, Outcome, Payment, PaymentStatus
from disbursement.payments.tables import payment_evidence

SECOND_PERSON = "payment_evidence_second_person"

_HAPPENED: dict[Outcome, Change] = {
    Outcome.SETTLED: Settled(),
    Outcome.FAILED: Failed(),
    Outcome.UNKNOWN: BecameUnknown(),
    Outcome.RETURNED: Returned(),
}


@dataclass(frozen=True)
class Evidence:
    """What the bank said or did not say.

    `occurred_on` is the bank's date; `reason_code` its own code.
    """

    outcome: Outcome
    kind: EvidenceKind
    occurred_on: date
    reference: str | None = None
    reason_code: str | None = None


async def record_evidence(uow: UnitOfWork, payment_id: UUID, evidence: Evidence) -> Payment:
    """Record evidence; it takes effect at once, unless it takes two people: then it waits.

    Raises NotFoundError, ForbiddenError, IllegalMoveError, EvidenceError, DatesError.
    """
    parties = await parties_of(uow, payment_id)
    await agreement_status(uow, parties.agreement_id)  # what is settled changes under this lock
    payment = await payment_for_update(uow, payment_id)
    rules.outcome(payment.status, evidence.outcome, evidence.kind, evidence.reason_code)
    must_not_be_ahead(evidence.occurred_on, uow.now.date(), pointer="/occurred_on")
    waits = rules.takes_two(payment.status, evidence.outcome)
    if waits:
        uow.actor.must_be_human("record evidence that frees money or closes an unknown payment")
        rules.must_be_found_again(evidence.reference)
    await uow.db.execute(
        insert(payment_evidence).values(
            id=uow.ids.new(),
            payment_id=payment_id,
            outcome=evidence.outcome.value,
            kind=evidence.kind.value,
            reference=evidence.reference,
            reason_code=evidence.reason_code,
            occurred_on=evidence.occurred_on,
            recorded_at=uow.now,
            recorded_by=uow.actor.subject,
        )
    )
    if waits:
        return await change(uow, payment, EvidenceRecorded(outcome=evidence.outcome))
    return await _take_effect(uow, payment, evidence)


async def confirm_evidence(uow: UnitOfWork, payment_id: UUID, evidence_id: UUID) -> Payment:
    """Let evidence that another person recorded take effect.

    Raises NotFoundError, ForbiddenError for a machine, IllegalMoveError, AlreadyConfirmedError,
    FourEyesError for the person who recorded it.
    """
    uow.actor.must_be_human("confirm evidence")
    parties = await parties_of(uow, payment_id)
    await agreement_status(uow, parties.agreement_id)
    payment = await payment_for_update(uow, payment_id)
    row = (
        await uow.db.execute(
            select(payment_evidence).where(
                payment_evidence.c.id == evidence_id, payment_evidence.c.payment_id == payment_id
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError("This payment has no such evidence.")
    if row.confirmed_at is not None:
        raise AlreadyConfirmedError("This evidence has been confirmed already.")
    evidence = Evidence(
        Outcome(row.outcome),
        EvidenceKind(row.kind),
        row.occurred_on,
        row.reference,
        row.reason_code,
    )
    rules.outcome(payment.status, evidence.outcome, evidence.kind, evidence.reason_code)
    await _confirm(uow, evidence_id)
    return await _take_effect(uow, payment, evidence)


async def confirm_receipt(uow: UnitOfWork, payment_id: UUID, confirmed_on: date) -> Payment:
    """Record that the recipient says it arrived. It proves nothing to the ledger; the bank does.

    Raises NotFoundError, ForbiddenError for another partner's token, IllegalMoveError, DatesError,
    AlreadyConfirmedError.
    """
    payment = await payment_for_anyone(uow, payment_id)
    rules.must_await_confirmation(payment.status)
    if payment.confirmed_on is not None:
        raise AlreadyConfirmedError("The recipient has confirmed this payment already.")
    must_not_be_ahead(confirmed_on, uow.now.date(), pointer="/confirmed_on")
    return await change(uow, payment, Confirmed(), confirmed_on=confirmed_on)


async def _take_effect(uow: UnitOfWork, payment: Payment, evidence: Evidence) -> Payment:
    fields: dict[str, Any] = {"status": PaymentStatus(evidence.outcome.value)}
    if evidence.outcome is Outcome.SETTLED:
        fields["settled_on"] = evidence.occurred_on
    elif evidence.outcome is Outcome.RETURNED:
        fields["returned_on"] = evidence.occurred_on
    elif evidence.outcome is Outcome.FAILED:
        fields["failure_code"] = evidence.reason_code
    changed = await change(uow, payment, _HAPPENED[evidence.outcome], **fields)
    moved = rules.SETTLING[evidence.outcome]
    if moved is not None:
        await post(uow, payment.moves(moved))
    return changed


async def _confirm(uow: UnitOfWork, evidence_id: UUID) -> None:
    try:
        await uow.db.execute(
            update(payment_evidence)
            .where(payment_evidence.c.id == evidence_id)
            .values(confirmed_at=uow.now, confirmed_by=uow.actor.subject)
        )
    except IntegrityError as error:
        if constraint_of(error) != SECOND_PERSON:
            raise
        raise FourEyesError("You recorded this evidence; another person confirms it.") from error
