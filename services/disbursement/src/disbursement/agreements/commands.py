"""Drafting, signing and ending agreements. Signing commits the grant's money; terminating frees it.

Whoever signs, activates or resumes needs the partner to be eligible at that moment, so those lock
the mirror before everything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from common.aggregate import Change
from common.errors import NotFoundError
from common.money import Money
from common.sequence import Sequence
from common.states import move
from common.uow import UnitOfWork
from disbursement.agreements import events, rules
from disbursement.agreements.events import AGREEMENT, AgreementState
from disbursement.agreements.rules import (
    TRANSITIONS,
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
from disbursement.errors import NotCoveredError, PaymentsOpenError
from disbursement.grants.commands import grant_for_update, permitted
from disbursement.grants.rules import Grant
from disbursement.grants.tables import funding_grant
from disbursement.ledger.commands import open_accounts, post
from disbursement.ledger.queries import balances_of_owner
from disbursement.ledger.rules import AGREEMENT_PURSES, Movement, MovementKind, Purse
from disbursement.locks import Lock
from disbursement.mirrors.partners import must_be_payable, partner_for_share
from disbursement.policy import Policy

_ON_THEIR_WAY = (Purse.EARMARKED, Purse.RESERVED, Purse.IN_TRANSIT)


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
    """Write an agreement down. The partner may still be unknown or ineligible; signing asks.

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
    rules.must_run_within(new.type, new.starts_on, new.ends_on, grant.ends_on, policy.terms)
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
    await uow.db.execute(insert(agreement_table).values(**_row(agreement), drafted_at=uow.now))
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
    """Hand a draft to the reviewers. Raises NotFoundError, StaleVersionError, IllegalMoveError."""
    return await _move(
        uow, agreement_id, AgreementStatus.REVIEW, events.SubmittedForReview(), expected
    )


async def pass_agreement_review(
    uow: UnitOfWork, agreement_id: UUID, *, expected: Sequence | None = None
) -> Agreement:
    """Let it be signed. Raises NotFoundError, StaleVersionError, IllegalMoveError."""
    return await _move(uow, agreement_id, AgreementStatus.SIGNATURE, events.Reviewed(), expected)


async def return_agreement_to_draft(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """Send it back. Raises NotFoundError, StaleVersionError, IllegalMoveError."""
    return await _move(
        uow,
        agreement_id,
        AgreementStatus.DRAFT,
        events.ReturnedToDraft(),
        expected,
        private={"comment": comment},
    )


async def sign_agreement(
    uow: UnitOfWork, agreement_id: UUID, signed_on: date, *, expected: Sequence | None = None
) -> Agreement:
    """Record the signatures and commit the grant's money to the agreement.

    Raises NotFoundError, StaleVersionError, IllegalMoveError, DatesError, PartnerStateError,
    NotCoveredError when the grant has less available.
    """
    policy: Policy = uow.policy
    agreement, grant = await _with_payable_partner_and_grant(uow, agreement_id, expected)
    uow.actor.must_be_human("sign an agreement")
    status = rules.sign(agreement, signed_on, uow.now.date())
    rules.must_run_within(  # again: the grant's deadline may have become known since the draft
        agreement.type, agreement.starts_on, agreement.ends_on, grant.ends_on, policy.terms
    )
    available = (await balances_of_owner(uow, agreement.grant_id))[Purse.AVAILABLE]
    if available < agreement.amount.amount:
        raise NotCoveredError(
            f"The grant has {Money(available, agreement.amount.currency)} available; "
            f"the agreement takes {agreement.amount}.",
            available=str(available),
        )
    signed = await _change(uow, agreement, events.Signed(), status=status, signed_on=signed_on)
    await post(
        uow,
        Movement(MovementKind.SIGNED, agreement.amount, agreement.grant_id, agreement.id),
    )
    return signed


async def activate_agreement(
    uow: UnitOfWork, agreement_id: UUID, *, expected: Sequence | None = None
) -> Agreement:
    """Let payments be made.

    Raises NotFoundError, StaleVersionError, IllegalMoveError, PartnerStateError.
    """
    agreement = await _with_payable_partner(uow, agreement_id, expected)
    status = rules.activate(agreement.status)
    return await _change(
        uow,
        agreement,
        events.Activated(),
        status=status,
        activated_on=uow.now.date(),
    )


async def suspend_agreement(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """Stop payments under it. Raises NotFoundError, StaleVersionError, IllegalMoveError."""
    return await _move(
        uow,
        agreement_id,
        AgreementStatus.SUSPENDED,
        events.Suspended(),
        expected,
        private={"comment": comment},
    )


async def resume_agreement(
    uow: UnitOfWork, agreement_id: UUID, *, expected: Sequence | None = None
) -> Agreement:
    """Let payments go on.

    Raises NotFoundError, StaleVersionError, IllegalMoveError, PartnerStateError.
    """
    agreement = await _with_payable_partner(uow, agreement_id, expected)
    status = rules.resume(agreement.status)
    return await _change(uow, agreement, events.Resumed(), status=status)


async def terminate_agreement(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """End it before its time and give what was not paid back to the grant.

    Raises NotFoundError, StaleVersionError, IllegalMoveError, PaymentsOpenError while money of it
    is on its way.
    """
    await grant_for_update(uow, await _grant_of(uow, agreement_id))
    agreement = await agreement_for_update(uow, agreement_id, expected)
    status = move(TRANSITIONS, agreement.status, AgreementStatus.TERMINATED, noun="agreement")
    purses = await balances_of_owner(uow, agreement_id)
    if any(purses[purse] for purse in _ON_THEIR_WAY):
        raise PaymentsOpenError(
            "Payments of this agreement are on their way; reject them or wait for their outcome."
        )
    rest = Money(purses[Purse.COMMITTED], agreement.amount.currency)
    ended = await _change(
        uow,
        agreement,
        events.Terminated(released_amount=rest.amount),
        private={"comment": comment},
        status=status,
    )
    if rest.amount:
        await post(uow, Movement(MovementKind.TERMINATED, rest, agreement.grant_id, agreement.id))
    return ended


async def cancel_agreement(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """Give it up before it is signed. Raises NotFoundError, StaleVersionError, IllegalMoveError."""
    return await _move(
        uow,
        agreement_id,
        AgreementStatus.CANCELLED,
        events.Cancelled(),
        expected,
        private={"comment": comment},
    )


async def agreement_for_update(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence | None = None
) -> Agreement:
    """The agreement, locked, for staff. Raises NotFoundError, ForbiddenError, StaleVersionError."""
    uow.actor.must_be_staff("act on agreements")
    row = await uow.lock(
        Lock.AGREEMENT,
        select(agreement_table).where(agreement_table.c.id == agreement_id).with_for_update(),
    )
    if row is None:
        raise NotFoundError("There is no such agreement.")
    uow.actor.must_act_in(row.country)
    uow.expect(row.sequence, expected)
    parts = await uow.db.execute(
        select(agreement_tranche).where(agreement_tranche.c.agreement_id == agreement_id)
    )
    return Agreement.of(row, parts.all())


async def _with_payable_partner(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence | None
) -> Agreement:
    """The agreement, locked after its partner, who must be eligible now."""
    partner_id, _ = await _parties(uow, agreement_id)
    partner = await partner_for_share(uow, partner_id)
    agreement = await agreement_for_update(uow, agreement_id, expected)
    must_be_payable(partner, uow.now.date())
    return agreement


async def _with_payable_partner_and_grant(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence | None
) -> tuple[Agreement, Grant]:
    """The agreement and its grant, locked after the partner, who must be eligible now."""
    partner_id, grant_id = await _parties(uow, agreement_id)
    partner = await partner_for_share(uow, partner_id)
    grant = await grant_for_update(uow, grant_id)
    agreement = await agreement_for_update(uow, agreement_id, expected)
    must_be_payable(partner, uow.now.date())
    return agreement, grant


async def _parties(uow: UnitOfWork, agreement_id: UUID) -> tuple[UUID, UUID]:
    """Whom and what to lock first; neither ever changes, so they may be read before any lock."""
    found = await uow.db.execute(
        select(agreement_table.c.partner_id, agreement_table.c.grant_id).where(
            agreement_table.c.id == agreement_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFoundError("There is no such agreement.")
    return row.partner_id, row.grant_id


async def _grant_of(uow: UnitOfWork, agreement_id: UUID) -> UUID:
    statement = select(agreement_table.c.grant_id).where(agreement_table.c.id == agreement_id)
    grant_id: UUID | None = await uow.db.scalar(statement)
    if grant_id is None:
        raise NotFoundError("There is no such agreement.")
    return grant_id


async def _move(
    uow: UnitOfWork,
    agreement_id: UUID,
    target: AgreementStatus,
    change: Change,
    expected: Sequence | None,
    *,
    private: Mapping[str, Any] | None = None,
) -> Agreement:
    agreement = await agreement_for_update(uow, agreement_id, expected)
    status = move(TRANSITIONS, agreement.status, target, noun="agreement")
    return await _change(uow, agreement, change, private=private, status=status)


async def _change(
    uow: UnitOfWork,
    agreement: Agreement,
    change: Change,
    *,
    private: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Agreement:
    """Save `fields` of the locked agreement and record `change`."""
    sequence = uow.after(agreement.sequence)
    changed = replace(agreement, sequence=str(sequence), **fields)
    await uow.db.execute(
        update(agreement_table)
        .where(agreement_table.c.id == agreement.id)
        .values(sequence=str(sequence), **fields)
    )
    await uow.record(
        AGREEMENT, agreement.id, sequence, change, AgreementState.of(changed), private=private
    )
    return changed


def _row(agreement: Agreement) -> dict[str, object]:
    return {
        "id": agreement.id,
        "sequence": agreement.sequence,
        "grant_id": agreement.grant_id,
        "partner_id": agreement.partner_id,
        "country": agreement.country,
        "type": agreement.type.value,
        "status": agreement.status.value,
        "amount": agreement.amount.amount,
        "currency": agreement.amount.currency,
        "selection": agreement.selection.value,
        "justification": agreement.justification and agreement.justification.value,
        "starts_on": agreement.starts_on,
        "ends_on": agreement.ends_on,
        "signed_on": agreement.signed_on,
        "activated_on": agreement.activated_on,
    }
