"""Drafting an agreement and bringing it to signature, or giving it up. No money moves yet."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import insert, select

from common.money import Money
from common.sequence import Sequence
from common.uow import UnitOfWork
from disbursement.agreements import events, rules
from disbursement.agreements.commands.store import (
    move_to,
    moved,
    row_of,
    with_payable_partner,
)
from disbursement.agreements.events import AGREEMENT, AgreementState
from disbursement.agreements.rules import (
    Agreement,
    AgreementStatus,
    AgreementType,
    Explicit,
    Justification,
    Selection,
    Weighted,
)
from disbursement.agreements.tables import agreement_table, agreement_tranche
from disbursement.amounts import must_be_in
from disbursement.grants.commands import permitted
from disbursement.grants.rules import spending_time
from disbursement.grants.tables import funding_grant
from disbursement.ledger.commands import open_accounts
from disbursement.ledger.rules import AGREEMENT_PURSES
from disbursement.locks import Lock
from disbursement.policy import Policy


@dataclass(frozen=True)
class NewAgreement:
    """What is agreed with a partner under a grant."""

    grant_id: UUID
    partner_id: UUID
    type: AgreementType
    amount: Money
    schedule: Explicit | Weighted
    selection: Selection
    justification: Justification | None
    starts_on: date
    ends_on: date


async def draft_agreement(uow: UnitOfWork, new: NewAgreement) -> Agreement:
    """Write an agreement down. The partner may still be unknown or ineligible; review asks.

    Raises NotFoundError for the grant, ForbiddenError, CurrencyMismatchError, ScheduleError,
    SelectionError, DatesError, UnknownTermError.
    """
    policy: Policy = uow.policy
    row = await uow.lock(
        Lock.GRANT,
        select(funding_grant).where(funding_grant.c.id == new.grant_id).with_for_update(read=True),
    )
    grant = permitted(uow, row)
    must_be_in(new.amount.currency, grant.amount.currency, whose="grant")
    rules.must_be_justified(new.selection, new.justification)
    rules.must_run_within(
        new.type, new.starts_on, new.ends_on, spending_time(grant, policy.terms), policy.terms
    )
    sequence = uow.after(None)
    agreement = Agreement(
        id=uow.ids.new(),
        sequence=str(sequence),
        grant_id=grant.id,
        partner_id=new.partner_id,
        country=grant.country,
        type=new.type,
        status=AgreementStatus.DRAFT,
        amount=new.amount,
        tranches=rules.tranches(new.amount, new.schedule),
        selection=new.selection,
        justification=new.justification,
        starts_on=new.starts_on,
        ends_on=new.ends_on,
        signed_on=None,
        activated_on=None,
    )
    await uow.db.execute(insert(agreement_table).values(**row_of(agreement), drafted_at=uow.now))
    await uow.db.execute(
        insert(agreement_tranche).values(
            [
                {
                    "agreement_id": agreement.id,
                    "number": each.number,
                    "amount": each.amount.amount,
                    "planned_on": each.planned_on,
                }
                for each in agreement.tranches
            ]
        )
    )
    await open_accounts(
        uow,
        agreement.id,
        AGREEMENT_PURSES,
        grant_id=grant.id,
        currency=agreement.amount.currency,
    )
    await uow.record(
        AGREEMENT, agreement.id, sequence, events.Drafted(), AgreementState.of(agreement)
    )
    return agreement


async def submit_agreement_for_review(
    uow: UnitOfWork, agreement_id: UUID, *, expected: Sequence | None = None
) -> Agreement:
    """Hand a draft to the reviewers.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, PartnerStateError.
    """
    agreement = await with_payable_partner(uow, agreement_id, expected)
    return await moved(uow, agreement, AgreementStatus.REVIEW, events.SubmittedForReview())


async def pass_agreement_review(
    uow: UnitOfWork, agreement_id: UUID, *, expected: Sequence | None = None
) -> Agreement:
    """Let it be signed.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, PartnerStateError.
    """
    agreement = await with_payable_partner(uow, agreement_id, expected)
    return await moved(uow, agreement, AgreementStatus.SIGNATURE, events.Reviewed())


async def return_agreement_to_draft(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """Send it back. Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError."""
    return await move_to(
        uow,
        agreement_id,
        AgreementStatus.DRAFT,
        events.ReturnedToDraft(),
        expected,
        private={"comment": comment},
    )


async def cancel_agreement(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """Give it up before it is signed.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    return await move_to(
        uow,
        agreement_id,
        AgreementStatus.CANCELLED,
        events.Cancelled(),
        expected,
        private={"comment": comment},
    )
