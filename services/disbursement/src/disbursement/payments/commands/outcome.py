"""What became of a payment that was sent: read from the bank's evidence, never assumed.

Whatever would free the money for a second payment takes two people, and so does closing an unknown
one or deciding between contradicting words of the bank: one records the evidence, another confirms
it. The money stays where it is until then. Whatever comes later is kept and moves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from common.aggregate import Change
from common.clock import latest_date
from common.db.faults import constraint_of
from common.errors import NotFoundError
from common.states import move
from common.uow import UnitOfWork
from disbursement.agreements.rules import OVER, AgreementStatus
from disbursement.errors import AlreadyConfirmedError, FourEyesError, NotWaitingError
from disbursement.grants.rules import must_not_be_ahead
from disbursement.ledger.commands import post
from disbursement.ledger.rules import Movement, MovementKind
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
    EvidenceDismissed,
    EvidenceRecorded,
    Failed,
    LateEvidenceRecorded,
    Returned,
    Settled,
)
from disbursement.payments.rules import evidence as rules
from disbursement.payments.rules.evidence import EvidenceKind, Outcome, Standing
from disbursement.payments.rules.lifecycle import TRANSITIONS, PaymentStatus
from disbursement.payments.rules.payment import Payment
from disbursement.payments.tables import payment_evidence

SECOND_PERSON = "payment_evidence_second_person"
DISMISSED_BY_ANOTHER = "payment_evidence_dismissed_by_another"

_HAPPENED: dict[Outcome, Change] = {
    Outcome.SETTLED: Settled(),
    Outcome.FAILED: Failed(),
    Outcome.UNKNOWN: BecameUnknown(),
    Outcome.RETURNED: Returned(),
}


@dataclass(frozen=True)
class Evidence:
    """What the bank said or did not say.

    `occurred_on` is the bank's date; `reason_code` and `status_code` are its own codes.
    """

    outcome: Outcome
    kind: EvidenceKind
    occurred_on: date
    reference: str | None = None
    reason_code: str | None = None
    status_code: str | None = None

    @classmethod
    def of(cls, row: Row[Any]) -> "Evidence":
        """From a row of the table."""
        return cls(
            Outcome(row.outcome),
            EvidenceKind(row.kind),
            row.occurred_on,
            row.reference,
            row.reason_code,
            row.status_code,
        )


async def record_evidence(uow: UnitOfWork, payment_id: UUID, evidence: Evidence) -> Payment:
    """Record evidence; it takes effect at once, waits for a second person, or is only kept.

    Raises NotFoundError, ForbiddenError, IllegalMoveError, EvidenceError, DatesError.
    """
    parties = await parties_of(uow, payment_id)
    # what is settled changes under this lock
    agreement = await agreement_status(uow, parties.agreement_id)
    payment = await payment_for_update(uow, payment_id)
    waiting = await _waiting(uow, payment_id)
    standing = rules.standing(payment.status, evidence.outcome, list(waiting.values()))
    rules.must_prove(
        evidence.outcome,
        evidence.kind,
        reason_code=evidence.reason_code,
        status_code=evidence.status_code,
    )
    _must_be_dated_well(uow, payment, evidence)
    if standing is Standing.WAITING:
        if rules.takes_two(payment.status, evidence.outcome):
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
            status_code=evidence.status_code,
            occurred_on=evidence.occurred_on,
            recorded_at=uow.now,
            recorded_by=uow.actor.subject,
            standing=standing.value,
        )
    )
    if standing is Standing.RECORDED:
        return await change(uow, payment, LateEvidenceRecorded(outcome=evidence.outcome))
    if standing is Standing.WAITING:
        return await change(uow, payment, EvidenceRecorded(outcome=evidence.outcome))
    return await _take_effect(uow, payment, evidence, agreement)


async def confirm_evidence(uow: UnitOfWork, payment_id: UUID, evidence_id: UUID) -> Payment:
    """Let evidence that another person recorded take effect.

    Raises NotFoundError, ForbiddenError for a machine, IllegalMoveError, AlreadyConfirmedError,
    NotWaitingError, ContradictingEvidenceError while other evidence that waits says otherwise,
    FourEyesError for the person who recorded it.
    """
    uow.actor.must_be_human("confirm evidence")
    parties = await parties_of(uow, payment_id)
    agreement = await agreement_status(uow, parties.agreement_id)
    payment = await payment_for_update(uow, payment_id)
    evidence = await _one_that_waits(uow, payment_id, evidence_id)
    rules.must_be_undisputed(
        evidence.outcome, list((await _waiting(uow, payment_id, but=evidence_id)).values())
    )
    move(TRANSITIONS, payment.status, PaymentStatus(evidence.outcome.value), noun="payment")
    await _decide(
        uow,
        evidence_id,
        standing=Standing.EFFECTIVE.value,
        confirmed_at=uow.now,
        confirmed_by=uow.actor.subject,
    )
    return await _take_effect(uow, payment, evidence, agreement)


async def dismiss_evidence(
    uow: UnitOfWork, payment_id: UUID, evidence_id: UUID, comment: str
) -> Payment:
    """Say that evidence which waits is wrong; `comment` is kept private, the evidence stays.

    Raises NotFoundError, ForbiddenError for a machine, AlreadyConfirmedError, NotWaitingError,
    FourEyesError for the person who recorded it.
    """
    uow.actor.must_be_human("dismiss evidence")
    payment = await payment_for_update(uow, payment_id)
    evidence = await _one_that_waits(uow, payment_id, evidence_id)
    await _decide(
        uow,
        evidence_id,
        standing=Standing.DISMISSED.value,
        dismissed_at=uow.now,
        dismissed_by=uow.actor.subject,
    )
    happened = EvidenceDismissed(outcome=evidence.outcome)
    return await change(uow, payment, happened, private={"comment": comment})


async def confirm_receipt(uow: UnitOfWork, payment_id: UUID, confirmed_on: date) -> Payment:
    """Record that the recipient says it arrived. It proves nothing to the ledger; the bank does.

    Raises NotFoundError, ForbiddenError for another partner's token, IllegalMoveError, DatesError,
    AlreadyConfirmedError.
    """
    payment = await payment_for_anyone(uow, payment_id)
    rules.must_await_confirmation(payment.status)
    if payment.confirmed_on is not None:
        raise AlreadyConfirmedError("The recipient has confirmed this payment already.")
    must_not_be_ahead(confirmed_on, latest_date(uow.now), pointer="/confirmed_on")
    rules.must_follow_sending(confirmed_on, payment.sent_at, pointer="/confirmed_on")
    return await change(uow, payment, Confirmed(), confirmed_on=confirmed_on)


def _must_be_dated_well(uow: UnitOfWork, payment: Payment, evidence: Evidence) -> None:
    """Raises DatesError for a day that is still to come, or on which it cannot have happened."""
    day, pointer = evidence.occurred_on, "/occurred_on"
    must_not_be_ahead(day, latest_date(uow.now), pointer=pointer)
    rules.must_follow_sending(day, payment.sent_at, pointer=pointer)
    if evidence.outcome is Outcome.RETURNED:
        rules.must_follow_settlement(day, payment.settled_on, pointer=pointer)


async def _take_effect(
    uow: UnitOfWork, payment: Payment, evidence: Evidence, agreement: AgreementStatus
) -> Payment:
    fields: dict[str, Any] = {"status": PaymentStatus(evidence.outcome.value)}
    if evidence.outcome is Outcome.SETTLED:
        fields["settled_on"] = evidence.occurred_on
    elif evidence.outcome is Outcome.RETURNED:
        fields["returned_on"] = evidence.occurred_on
    elif evidence.outcome is Outcome.FAILED:
        fields["failure_code"] = evidence.reason_code
    if evidence.outcome is not Outcome.UNKNOWN:
        await _nothing_waits_any_more(uow, payment.id)
    changed = await change(uow, payment, _HAPPENED[evidence.outcome], **fields)
    await post(uow, *_moved(payment, evidence.outcome, agreement))
    return changed


def _moved(payment: Payment, outcome: Outcome, agreement: AgreementStatus) -> list[Movement]:
    """What an outcome does to the money. What comes back to an agreement that is over goes on to
    the grant: nothing could ever be paid from it there.
    """
    kind = rules.SETTLING[outcome]
    if kind is None:
        return []
    moved = [payment.moves(kind)]
    if outcome in rules.FREEING and agreement in OVER:
        freed = Movement(
            MovementKind.TERMINATED, payment.amount, payment.grant_id, payment.agreement_id
        )
        moved.append(freed)
    return moved


async def _waiting(
    uow: UnitOfWork, payment_id: UUID, *, but: UUID | None = None
) -> Mapping[UUID, Outcome]:
    """The outcomes that evidence which waits names, by its id, `but` left out."""
    statement = select(payment_evidence.c.id, payment_evidence.c.outcome).where(
        payment_evidence.c.payment_id == payment_id,
        payment_evidence.c.standing == Standing.WAITING.value,
    )
    rows = await uow.db.execute(statement)
    return {row.id: Outcome(row.outcome) for row in rows if row.id != but}


async def _one_that_waits(uow: UnitOfWork, payment_id: UUID, evidence_id: UUID) -> Evidence:
    """The evidence. Raises NotFoundError, AlreadyConfirmedError, NotWaitingError."""
    statement = select(payment_evidence).where(
        payment_evidence.c.id == evidence_id, payment_evidence.c.payment_id == payment_id
    )
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError("This payment has no such evidence.")
    if row.confirmed_at is not None:
        raise AlreadyConfirmedError("This evidence has been confirmed already.")
    if row.standing != Standing.WAITING:
        raise NotWaitingError(f"This evidence is {row.standing}; it waits for nobody.")
    return Evidence.of(row)


async def _decide(uow: UnitOfWork, evidence_id: UUID, **decision: Any) -> None:
    try:
        await uow.db.execute(
            update(payment_evidence).where(payment_evidence.c.id == evidence_id).values(**decision)
        )
    except IntegrityError as error:
        if constraint_of(error) not in (SECOND_PERSON, DISMISSED_BY_ANOTHER):
            raise
        raise FourEyesError(
            "You recorded this evidence; another person decides whether it is right."
        ) from error


async def _nothing_waits_any_more(uow: UnitOfWork, payment_id: UUID) -> None:
    """What waits still says the same as the outcome that now stands: it is kept beside it."""
    await uow.db.execute(
        update(payment_evidence)
        .where(
            payment_evidence.c.payment_id == payment_id,
            payment_evidence.c.standing == Standing.WAITING.value,
        )
        .values(standing=Standing.RECORDED.value)
    )
