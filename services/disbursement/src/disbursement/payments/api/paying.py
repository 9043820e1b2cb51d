"""Letting money out, and recording what became of it."""

from uuid import UUID

from common.errors import IllegalMoveError
from common.http import Key, Reply, Routes
from common.sequence import Sequence
from common.uow import UnitOfWork
from disbursement.errors import (
    AgreementNotActiveError,
    AlreadyConfirmedError,
    ContradictingEvidenceError,
    DatesError,
    EvidenceError,
    FourEyesError,
    NotCoveredError,
    NotWaitingError,
    PartnerIneligibleError,
    PartnerStateTooOldError,
    PartnerUnknownError,
    PastUncertainError,
    PayloadChangedError,
    TrancheTooEarlyError,
)
from disbursement.payments import commands
from disbursement.payments.api.views import (
    Dismissal,
    EvidenceInput,
    PaymentView,
    ReceiptConfirmation,
)
from disbursement.payments.rules.payment import Payment

RELEASE = "disbursement.payments.release"
EVIDENCE = "disbursement.payments.evidence"
CONFIRM = "disbursement.payments.confirm"

routes = Routes(tag="payments")

_CHECKED = (
    IllegalMoveError,
    FourEyesError,
    PastUncertainError,
    PartnerStateTooOldError,
    PartnerUnknownError,
    PartnerIneligibleError,
    AgreementNotActiveError,
    TrancheTooEarlyError,
    PayloadChangedError,
    NotCoveredError,
)


@routes.command(
    "POST",
    "/payments/{payment_id}/release",
    scope=RELEASE,
    key=Key.REQUIRED,
    match=True,
    refuses=_CHECKED,
)
async def release_payment(
    uow: UnitOfWork, payment_id: UUID, expected: Sequence
) -> Reply[PaymentView]:
    """Release an approved payment: its money is in transit from now on.

    Checked again, under lock: the partner is eligible now, by a state of it that is fresh enough;
    the agreement is active; earlier tranches are settled; what stands there is what was approved.
    On a state that is too old nothing moves, and the same request succeeds once it is fresh.
    Whoever wrote or submitted the payment does not let it out.
    """
    return _reply(await commands.release_payment(uow, payment_id, expected=expected))


@routes.command(
    "POST",
    "/payments/{payment_id}/send",
    scope=RELEASE,
    key=Key.REQUIRED,
    match=True,
    refuses=_CHECKED,
)
async def send_payment(uow: UnitOfWork, payment_id: UUID, expected: Sequence) -> Reply[PaymentView]:
    """Hand over the instruction of a released payment.

    Everything is checked once more. The instruction, its id and its exact bytes are committed
    before anything leaves, and a payment is never sent twice.
    """
    return _reply(await commands.send_payment(uow, payment_id, expected=expected))


@routes.command(
    "POST",
    "/payments/{payment_id}/evidence",
    scope=EVIDENCE,
    key=Key.REQUIRED,
    refuses=(IllegalMoveError, EvidenceError, DatesError),
)
async def record_payment_evidence(
    uow: UnitOfWork, payment_id: UUID, body: EvidenceInput
) -> Reply[PaymentView]:
    """Record what became of a payment.

    A status report proves `settled` with `status_code` ACCC alone: no other says that the money has
    arrived; and `failed` with RJCT alone. `failed` takes the bank's own word and its reason code; a
    statement that lacks the booking proves nothing. Evidence that frees money, closes an unknown
    payment or contradicts evidence that waits, waits for a second person itself, and the money
    stays where it is. What comes when the outcome stands already is kept and moves nothing.
    """
    return _reply(await commands.record_evidence(uow, payment_id, body.evidence()))


@routes.command(
    "POST",
    "/payments/{payment_id}/evidence/{evidence_id}/confirm",
    scope=EVIDENCE,
    key=Key.REQUIRED,
    refuses=(
        IllegalMoveError,
        FourEyesError,
        AlreadyConfirmedError,
        NotWaitingError,
        ContradictingEvidenceError,
    ),
)
async def confirm_payment_evidence(
    uow: UnitOfWork, payment_id: UUID, evidence_id: UUID
) -> Reply[PaymentView]:
    """Let evidence that another person recorded take effect.

    Refused while other evidence that waits names another outcome: one of them is dismissed first.
    """
    return _reply(await commands.confirm_evidence(uow, payment_id, evidence_id))


@routes.command(
    "POST",
    "/payments/{payment_id}/evidence/{evidence_id}/dismiss",
    scope=EVIDENCE,
    key=Key.REQUIRED,
    refuses=(FourEyesError, AlreadyConfirmedError, NotWaitingError),
)
async def dismiss_payment_evidence(
    uow: UnitOfWork, payment_id: UUID, evidence_id: UUID, body: Dismissal
) -> Reply[PaymentView]:
    """Say that evidence which another person recorded, and which waits, is wrong. It stays."""
    return _reply(await commands.dismiss_evidence(uow, payment_id, evidence_id, body.comment))


@routes.command(
    "POST",
    "/payments/{payment_id}/confirm",
    scope=CONFIRM,
    refuses=(IllegalMoveError, AlreadyConfirmedError, DatesError),
)
async def confirm_payment(
    uow: UnitOfWork, payment_id: UUID, body: ReceiptConfirmation
) -> Reply[PaymentView]:
    """Confirm, as the recipient, that the money arrived.

    A word beside the bank's evidence; it moves nothing in the ledger.
    """
    return _reply(await commands.confirm_receipt(uow, payment_id, body.confirmed_on))


def _reply(payment: Payment) -> Reply[PaymentView]:
    return Reply.ok(PaymentView.view(payment), sequence=payment.sequence)
