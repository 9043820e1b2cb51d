"""Submitting a payment of one tranche, revising it, submitting it again, and giving it up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from common.db.faults import constraint_of
from common.errors import NotFoundError
from common.money import Money
from common.sequence import Sequence
from common.uow import UnitOfWork
from disbursement.agreements.rules import AgreementStatus, must_be_active
from disbursement.agreements.tables import agreement_table
from disbursement.amounts import must_be_in
from disbursement.approvals.rules import Requirement, requirement
from disbursement.approvals.tables import payment_submission
from disbursement.errors import RevisionNeededError, TrancheTakenError
from disbursement.ledger.commands import post, post_with
from disbursement.ledger.rules import MovementKind
from disbursement.locks import Lock
from disbursement.mirrors.partners import Partner, must_be_payable, partner_for_share
from disbursement.payments import statements
from disbursement.payments.commands.store import (
    agreement_status,
    change,
    open_causes,
    parties_of,
    payment_for_update,
)
from disbursement.payments.events import PAYMENT, PaymentState, Revised, Submitted, Withdrawn
from disbursement.payments.rules import holds, lifecycle
from disbursement.payments.rules.lifecycle import PaymentStatus
from disbursement.payments.rules.payment import (
    AccountReference,
    Payment,
    hash_of,
    payload,
    payload_of,
)
from disbursement.payments.tables import payment_revision
from disbursement.policy import Policy

ONE_PER_TRANCHE = "payment_one_per_tranche"


@dataclass(frozen=True)
class NewPayment:
    """A payment of one tranche, whole. `account` is a reference only."""

    agreement_id: UUID
    tranche: int
    amount: Money
    account: AccountReference | None = None


async def submit_payment(uow: UnitOfWork, new: NewPayment) -> Payment:
    """Earmark a tranche's money and hand the payment to the approvers.

    Raises NotFoundError, ForbiddenError, PartnerStateError, AgreementNotActiveError,
    CurrencyMismatchError, TrancheMismatchError, TrancheTakenError, NotCoveredError.
    """
    uow.actor.must_be_staff("submit payments")
    uow.locks(Lock.MIRROR)
    uow.locks(Lock.AGREEMENT)
    agreement = await uow.driver.fetchrow(statements.WHAT_TO_PAY, new.agreement_id, new.tranche)
    if agreement is None:
        raise await _nothing_to_pay(uow, new)
    uow.actor.must_act_in(agreement["country"])
    must_be_active(AgreementStatus(agreement["status"]))
    must_be_in(new.amount.currency, agreement["currency"], whose="agreement")
    tranche = Money(agreement["tranche_amount"], agreement["currency"])
    lifecycle.must_be_whole(new.amount, tranche, new.tranche)
    must_be_payable(Partner.of(agreement) if agreement["id"] else None, uow.now.date())

    required = _requirement(uow, new.amount)
    payment = _first_revision(uow, new, agreement, required)
    await _insert(uow, payment, required)
    await uow.record(
        PAYMENT,
        payment.id,
        Sequence.parse(payment.sequence),
        Submitted(),
        PaymentState.of(payment),
    )
    return payment


async def revise_payment(
    uow: UnitOfWork,
    payment_id: UUID,
    account: AccountReference | None,
    *,
    expected: Sequence | None = None,
) -> Payment:
    """Write a new revision, back in draft: every approval so far is void and the money is free
    again. What holds the payment stays open.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    payment = await payment_for_update(uow, payment_id, expected)
    freed = lifecycle.reopen(payment.status, payment.held_from)
    revised = replace(payment, account=account, revision=payment.revision + 1)
    payload_hash = hash_of(payload_of(revised))
    await uow.db.execute(
        insert(payment_revision).values(
            payment_id=payment_id,
            revision=revised.revision,
            author=uow.actor.subject,
            made_at=uow.now,
            payload_hash=payload_hash,
            account_id=account and account.id,
            account_version=account and account.version,
        )
    )
    changed = await change(
        uow,
        payment,
        Revised(),
        holds=(await open_causes(uow, [payment_id]))[payment_id],
        status=PaymentStatus.DRAFT,
        held_from=None,
        account=account,
        revision=revised.revision,
        payload_hash=payload_hash,
        approvals_given=0,
    )
    if freed is not None:
        await post(uow, payment.moves(freed))
    return changed


async def resubmit_payment(
    uow: UnitOfWork, payment_id: UUID, *, expected: Sequence | None = None
) -> Payment:
    """Hand a draft to the approvers again; how many it takes is taken from the policy anew.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, StillHeldError,
    RevisionNeededError, PartnerStateError, AgreementNotActiveError, NotCoveredError.
    """
    parties = await parties_of(uow, payment_id)
    partner = await partner_for_share(uow, parties.partner_id)
    agreement = await agreement_status(uow, parties.agreement_id)
    payment = await payment_for_update(uow, payment_id, expected)
    status = lifecycle.submit(payment.status)
    holds.must_be_free((await open_causes(uow, [payment_id]))[payment_id])
    must_be_active(agreement)
    must_be_payable(partner, uow.now.date())
    required = _requirement(uow, payment.amount)
    await _record_submission(uow, payment, required)
    changed = await change(
        uow,
        payment,
        Submitted(),
        status=status,
        submitted_at=uow.now,
        approvals_required=required.required,
        approvals_given=0,
    )
    await post(uow, payment.moves(MovementKind.SUBMITTED))
    return changed


async def withdraw_payment(
    uow: UnitOfWork, payment_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Payment:
    """Give up a draft, with a comment (kept private): another payment may take its tranche.

    Its money was free already. Raises NotFoundError, ForbiddenError, StaleVersionError,
    IllegalMoveError.
    """
    payment = await payment_for_update(uow, payment_id, expected)
    status = lifecycle.withdraw(payment.status)
    return await change(uow, payment, Withdrawn(), private={"comment": comment}, status=status)


def _requirement(uow: UnitOfWork, amount: Money) -> Requirement:
    policy: Policy = uow.policy
    return requirement(policy.bands, policy.band_currency, amount)


def _first_revision(
    uow: UnitOfWork, new: NewPayment, agreement: Mapping[str, Any], required: Requirement
) -> Payment:
    payload_hash = hash_of(
        payload(
            partner_id=agreement["partner_id"],
            agreement_id=new.agreement_id,
            tranche=new.tranche,
            amount=new.amount,
            account=new.account,
            revision=1,
        )
    )
    return Payment(
        id=uow.ids.new(),
        sequence=str(uow.after(None)),
        agreement_id=new.agreement_id,
        tranche=new.tranche,
        grant_id=agreement["grant_id"],
        partner_id=agreement["partner_id"],
        country=agreement["country"],
        amount=new.amount,
        status=PaymentStatus.SUBMITTED,
        held_from=None,
        revision=1,
        payload_hash=payload_hash,
        account=new.account,
        approvals_required=required.required,
        approvals_given=0,
        submitted_at=uow.now,
    )


async def _insert(uow: UnitOfWork, payment: Payment, required: Requirement) -> None:
    """Write the payment and earmark its money."""
    try:
        await post_with(
            uow,
            payment.moves(MovementKind.SUBMITTED),
            statements.NEW_PAYMENT,
            payment.sequence,
            payment.tranche,
            payment.partner_id,
            payment.country,
            payment.payload_hash,
            payment.account and payment.account.id,
            payment.account and payment.account.version,
            required.required,
            uow.actor.subject,
            list(required.roles),
        )
    except Exception as error:
        if constraint_of(error) != ONE_PER_TRANCHE:
            raise
        raise TrancheTakenError(
            f"Tranche {payment.tranche} has a payment already; another one is possible only after "
            "that failed, was returned or withdrawn.",
            tranche=payment.tranche,
        ) from error


async def _record_submission(uow: UnitOfWork, payment: Payment, required: Requirement) -> None:
    known = select(payment_submission.c.revision).where(
        payment_submission.c.payment_id == payment.id,
        payment_submission.c.revision == payment.revision,
    )
    if await uow.db.scalar(known) is not None:
        raise RevisionNeededError(
            "This revision was rejected; revise the payment before you submit it again."
        )
    await uow.db.execute(
        insert(payment_submission).values(
            payment_id=payment.id,
            revision=payment.revision,
            submitter=uow.actor.subject,
            submitted_at=uow.now,
            approvals_required=required.required,
            approver_roles=list(required.roles),
        )
    )


async def _nothing_to_pay(uow: UnitOfWork, new: NewPayment) -> NotFoundError:
    known = select(agreement_table.c.id).where(agreement_table.c.id == new.agreement_id)
    if await uow.db.scalar(known) is None:
        return NotFoundError("There is no such agreement.")
    return NotFoundError(f"The agreement has no tranche {new.tranche}.", tranche=new.tranche)
