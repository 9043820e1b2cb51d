"""Locking an agreement with what it rests on, and saving what a command made of it.

From review on, every step forward needs the partner to be eligible at that moment, so those lock
the mirror before everything else.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from common.aggregate import Change
from common.errors import NotFoundError
from common.sequence import Sequence
from common.states import move
from common.uow import UnitOfWork
from disbursement.agreements.events import AGREEMENT, AgreementState
from disbursement.agreements.rules import TRANSITIONS, Agreement, AgreementStatus
from disbursement.agreements.tables import agreement_table, agreement_tranche
from disbursement.grants.commands import grant_for_update
from disbursement.grants.rules import Grant
from disbursement.locks import Lock
from disbursement.mirrors.partners import must_be_payable, partner_for_share


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


async def with_payable_partner(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence | None
) -> Agreement:
    """The agreement, locked after its partner, who must be eligible now.

    Raises what `agreement_for_update` raises, PartnerUnknownError, PartnerIneligibleError.
    """
    partner_id, _ = await parties_of(uow, agreement_id)
    partner = await partner_for_share(uow, partner_id)
    agreement = await agreement_for_update(uow, agreement_id, expected)
    must_be_payable(partner, uow.now.date())
    return agreement


async def with_payable_partner_and_grant(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence | None
) -> tuple[Agreement, Grant]:
    """The agreement and its grant, locked after the partner, who must be eligible now.

    Raises what `with_payable_partner` raises.
    """
    partner_id, grant_id = await parties_of(uow, agreement_id)
    partner = await partner_for_share(uow, partner_id)
    grant = await grant_for_update(uow, grant_id)
    agreement = await agreement_for_update(uow, agreement_id, expected)
    must_be_payable(partner, uow.now.date())
    return agreement, grant


async def parties_of(uow: UnitOfWork, agreement_id: UUID) -> tuple[UUID, UUID]:
    """Whom and what to lock first: the partner's and the grant's id. Neither ever changes, so they
    may be read before any lock. Raises NotFoundError.
    """
    found = await uow.db.execute(
        select(agreement_table.c.partner_id, agreement_table.c.grant_id).where(
            agreement_table.c.id == agreement_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFoundError("There is no such agreement.")
    return row.partner_id, row.grant_id


async def move_to(
    uow: UnitOfWork,
    agreement_id: UUID,
    target: AgreementStatus,
    change: Change,
    expected: Sequence | None,
    *,
    private: Mapping[str, Any] | None = None,
) -> Agreement:
    """Lock the agreement and move it to `target`.

    Raises what `agreement_for_update` raises, and IllegalMoveError.
    """
    agreement = await agreement_for_update(uow, agreement_id, expected)
    return await moved(uow, agreement, target, change, private=private)


async def moved(
    uow: UnitOfWork,
    agreement: Agreement,
    target: AgreementStatus,
    change: Change,
    *,
    private: Mapping[str, Any] | None = None,
) -> Agreement:
    """Move the locked agreement to `target`. Raises IllegalMoveError."""
    status = move(TRANSITIONS, agreement.status, target, noun="agreement")
    return await save(uow, agreement, change, private=private, status=status)


async def save(
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


def row_of(agreement: Agreement) -> dict[str, object]:
    """The columns of a new agreement; its tranches are rows of their own."""
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
