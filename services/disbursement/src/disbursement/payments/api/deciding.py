"""Submitting payments and deciding on them."""

from uuid import UUID

from common.errors import IllegalMoveError, NotFoundError
from common.http import Key, Reply, Routes
from common.sequence import Sequence
from common.uow import UnitOfWork
from disbursement.errors import (
    AgreementNotActiveError,
    AlreadyActedError,
    AlreadyHeldError,
    AlreadySentError,
    ApproverRoleError,
    CurrencyMismatchError,
    FourEyesError,
    InexactAmountError,
    NotCoveredError,
    NotHeldError,
    PartnerIneligibleError,
    PartnerUnknownError,
    PayloadChangedError,
    RevisionNeededError,
    StillHeldError,
    TrancheMismatchError,
    TrancheTakenError,
)
from disbursement.payments import commands, queries
from disbursement.payments.api.views import (
    Approval,
    HoldInput,
    LiftInput,
    PaymentSubmission,
    PaymentView,
    Rejection,
    Revision,
    Withdrawal,
)
from disbursement.payments.rules.payment import Payment

SUBMIT = "disbursement.payments.submit"
APPROVE = "disbursement.payments.approve"
HOLD = "disbursement.payments.hold"

routes = Routes(tag="payments", description="One tranche on its way to a partner.")

_PARTNER = (PartnerUnknownError, PartnerIneligibleError)
_DECIDING = (
    IllegalMoveError,
    PayloadChangedError,
    ApproverRoleError,
    FourEyesError,
    AlreadyActedError,
)


@routes.command(
    "POST",
    "/payments",
    scope=SUBMIT,
    key=Key.REQUIRED,
    refuses=(
        NotFoundError,
        InexactAmountError,
        CurrencyMismatchError,
        TrancheMismatchError,
        TrancheTakenError,
        AgreementNotActiveError,
        NotCoveredError,
        *_PARTNER,
    ),
)
async def submit_payment(uow: UnitOfWork, body: PaymentSubmission) -> Reply[PaymentView]:
    """Submit a payment of one tranche.

    The agreement must be active and the partner eligible now. The money is earmarked at once. How
    many people of which roles must approve follows from the amount and is kept with the submission.
    """
    payment = await commands.submit_payment(uow, body.new_payment())
    return Reply.created(
        PaymentView.view(payment), at=f"/v1/payments/{payment.id}", sequence=payment.sequence
    )


@routes.command(
    "POST",
    "/payments/{payment_id}/revise",
    scope=SUBMIT,
    key=Key.REQUIRED,
    match=True,
    refuses=(IllegalMoveError,),
)
async def revise_payment(
    uow: UnitOfWork, payment_id: UUID, body: Revision, expected: Sequence
) -> Reply[PaymentView]:
    """Write a new revision of a payment that is not released, or is held.

    It is a draft again, its money is free again, and every approval so far is void. What holds it
    stays in place: it is submitted again once that is lifted.
    """
    account = None if body.account is None else body.account.reference()
    await commands.revise_payment(uow, payment_id, account, expected=expected)
    return await _with_holds(uow, payment_id)


@routes.command(
    "POST",
    "/payments/{payment_id}/submit",
    scope=SUBMIT,
    key=Key.REQUIRED,
    match=True,
    refuses=(
        IllegalMoveError,
        StillHeldError,
        RevisionNeededError,
        AgreementNotActiveError,
        NotCoveredError,
        *_PARTNER,
    ),
)
async def resubmit_payment(
    uow: UnitOfWork, payment_id: UUID, expected: Sequence
) -> Reply[PaymentView]:
    """Submit a revised payment again."""
    return _reply(await commands.resubmit_payment(uow, payment_id, expected=expected))


@routes.command(
    "POST",
    "/payments/{payment_id}/withdraw",
    scope=SUBMIT,
    key=Key.REQUIRED,
    match=True,
    refuses=(IllegalMoveError,),
)
async def withdraw_payment(
    uow: UnitOfWork, payment_id: UUID, body: Withdrawal, expected: Sequence
) -> Reply[PaymentView]:
    """Give up a draft for good; another payment may take its tranche.

    What was submitted already is revised first, which makes it a draft.
    """
    return _reply(await commands.withdraw_payment(uow, payment_id, body.comment, expected=expected))


@routes.command(
    "POST", "/payments/{payment_id}/approve", scope=APPROVE, key=Key.REQUIRED, refuses=_DECIDING
)
async def approve_payment(uow: UnitOfWork, payment_id: UUID, body: Approval) -> Reply[PaymentView]:
    """Approve a payment as you saw it.

    Only people approve, in one of the roles that the amount asks for, once per revision, and never
    a payment of which they wrote or submitted any revision. The last approval that it takes
    reserves the money.
    """
    return _reply(await commands.approve_payment(uow, payment_id, body.payload_hash))


@routes.command(
    "POST", "/payments/{payment_id}/reject", scope=APPROVE, key=Key.REQUIRED, refuses=_DECIDING
)
async def reject_payment(uow: UnitOfWork, payment_id: UUID, body: Rejection) -> Reply[PaymentView]:
    """Send a submitted or held payment back to draft, with a comment for those who answer for it.

    What holds it stays in place.
    """
    await commands.reject_payment(uow, payment_id, body.payload_hash, body.comment)
    return await _with_holds(uow, payment_id)


@routes.command(
    "POST",
    "/payments/{payment_id}/hold",
    scope=HOLD,
    key=Key.REQUIRED,
    refuses=(IllegalMoveError, AlreadySentError, AlreadyHeldError),
)
async def hold_payment(uow: UnitOfWork, payment_id: UUID, body: HoldInput) -> Reply[PaymentView]:
    """Stop a payment that has not left.

    A released one is taken back and must be released anew. One that was sent cannot be held: ask
    the bank.
    """
    await commands.hold_payment(uow, payment_id, body.reason, body.comment)
    return await _with_holds(uow, payment_id)


@routes.command(
    "POST",
    "/payments/{payment_id}/lift-hold",
    scope=HOLD,
    key=Key.REQUIRED,
    refuses=(NotHeldError,),
)
async def lift_hold(uow: UnitOfWork, payment_id: UUID, body: LiftInput) -> Reply[PaymentView]:
    """Lift the hold that a person placed.

    The payment goes on, at most from approved, when nothing else holds it; a draft stays one. A
    hold for the partner's ineligibility lifts only with its eligibility.
    """
    await commands.lift_hold(uow, payment_id, body.comment)
    return await _with_holds(uow, payment_id)


async def _with_holds(uow: UnitOfWork, payment_id: UUID) -> Reply[PaymentView]:
    shown = await queries.payment_by_id(uow, payment_id)
    return Reply.ok(PaymentView.shown(shown), sequence=shown.payment.sequence)


def _reply(payment: Payment) -> Reply[PaymentView]:
    return Reply.ok(PaymentView.view(payment), sequence=payment.sequence)
