"""Approving and rejecting: on exactly the payload that the person saw, and never one's own."""

from uuid import UUID

from common.uow import UnitOfWork
from disbursement.approvals.commands import act
from disbursement.approvals.rules import Action, must_be_the_same
from disbursement.ledger.commands import post
from disbursement.ledger.rules import MovementKind
from disbursement.payments.commands.store import change, open_causes, payment_for_update
from disbursement.payments.events import ApprovalGiven, Approved, Rejected
from disbursement.payments.rules import lifecycle
from disbursement.payments.rules.lifecycle import PaymentStatus
from disbursement.payments.rules.payment import Payment


async def approve_payment(uow: UnitOfWork, payment_id: UUID, payload_hash: str) -> Payment:
    """Give one approval; the last one that it takes approves the payment and reserves its money.

    Raises NotFoundError, ForbiddenError, IllegalMoveError, PayloadChangedError, ApproverRoleError,
    FourEyesError, AlreadyActedError.
    """
    payment = await payment_for_update(uow, payment_id)
    approved = lifecycle.approve(payment.status)
    must_be_the_same(payload_hash, payment.payload_hash)
    await act(uow, payment_id, payment.revision, payload_hash, Action.APPROVED)
    given = payment.approvals_given + 1
    if given < payment.approvals_required:
        return await change(uow, payment, ApprovalGiven(), approvals_given=given)
    changed = await change(uow, payment, Approved(), status=approved, approvals_given=given)
    await post(uow, payment.moves(MovementKind.APPROVED))
    return changed


async def reject_payment(
    uow: UnitOfWork, payment_id: UUID, payload_hash: str, comment: str
) -> Payment:
    """Send it back to draft with a comment (kept private); its money is free again.

    What holds it stays open: the draft is not submitted again before it is let go.

    Raises NotFoundError, ForbiddenError, IllegalMoveError, PayloadChangedError, ApproverRoleError,
    FourEyesError, AlreadyActedError.
    """
    payment = await payment_for_update(uow, payment_id)
    freed = lifecycle.reject(payment.status, payment.held_from)
    must_be_the_same(payload_hash, payment.payload_hash)
    await act(uow, payment_id, payment.revision, payload_hash, Action.REJECTED)
    changed = await change(
        uow,
        payment,
        Rejected(),
        holds=(await open_causes(uow, [payment_id]))[payment_id],
        private={"comment": comment},
        status=PaymentStatus.DRAFT,
        held_from=None,
        approvals_given=0,
    )
    await post(uow, payment.moves(freed))
    return changed
