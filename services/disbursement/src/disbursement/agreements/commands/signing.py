"""Signing an agreement, which commits the grant's money, and everything until it is over."""

from datetime import date
from uuid import UUID

from common.clock import latest_date
from common.money import Money
from common.sequence import Sequence
from common.states import move
from common.uow import UnitOfWork
from disbursement.agreements import events, rules
from disbursement.agreements.commands.store import (
    agreement_for_update,
    move_to,
    parties_of,
    save,
    with_payable_partner,
    with_payable_partner_and_grant,
)
from disbursement.agreements.rules import TRANSITIONS, Agreement, AgreementStatus
from disbursement.errors import NotCoveredError, PaymentsOpenError
from disbursement.grants.commands import grant_for_update
from disbursement.grants.rules import spending_time
from disbursement.ledger.commands import post
from disbursement.ledger.queries import balances_of_owner
from disbursement.ledger.rules import Movement, MovementKind, Purse
from disbursement.policy import Policy

_ON_THEIR_WAY = (Purse.EARMARKED, Purse.RESERVED, Purse.IN_TRANSIT)


async def sign_agreement(
    uow: UnitOfWork, agreement_id: UUID, signed_on: date, *, expected: Sequence | None = None
) -> Agreement:
    """Record the signatures and commit the grant's money to the agreement.

    Raises NotFoundError, ForbiddenError (a machine too), StaleVersionError, IllegalMoveError,
    DatesError, UnknownTermError, PartnerStateError, NotCoveredError when the grant has less
    available.
    """
    policy: Policy = uow.policy
    agreement, grant = await with_payable_partner_and_grant(uow, agreement_id, expected)
    uow.actor.must_be_human("sign an agreement")
    status = rules.sign(agreement, signed_on, latest_date(uow.now))
    rules.must_run_within(  # again: the grant's dates may have become known since the draft
        agreement.type,
        agreement.starts_on,
        agreement.ends_on,
        spending_time(grant, policy.terms),
        policy.terms,
    )
    available = (await balances_of_owner(uow, agreement.grant_id))[Purse.AVAILABLE]
    if available < agreement.amount.amount:
        raise NotCoveredError(
            f"The grant has {Money(available, agreement.amount.currency)} available; "
            f"the agreement takes {agreement.amount}.",
            available=str(available),
        )
    signed = await save(uow, agreement, events.Signed(), status=status, signed_on=signed_on)
    await post(
        uow,
        Movement(MovementKind.SIGNED, agreement.amount, agreement.grant_id, agreement.id),
    )
    return signed


async def activate_agreement(
    uow: UnitOfWork, agreement_id: UUID, *, expected: Sequence | None = None
) -> Agreement:
    """Let payments be made.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, PartnerStateError.
    """
    agreement = await with_payable_partner(uow, agreement_id, expected)
    status = rules.activate(agreement.status)
    return await save(
        uow,
        agreement,
        events.Activated(),
        status=status,
        activated_on=uow.now.date(),
    )


async def suspend_agreement(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """Stop payments under it.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    return await move_to(
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

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, PartnerStateError.
    """
    agreement = await with_payable_partner(uow, agreement_id, expected)
    status = rules.resume(agreement.status)
    return await save(uow, agreement, events.Resumed(), status=status)


async def terminate_agreement(
    uow: UnitOfWork, agreement_id: UUID, comment: str, *, expected: Sequence | None = None
) -> Agreement:
    """End it before its time and give what was not paid back to the grant.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, PaymentsOpenError
    while money of it is on its way.
    """
    _, grant_id = await parties_of(uow, agreement_id)
    await grant_for_update(uow, grant_id)
    agreement = await agreement_for_update(uow, agreement_id, expected)
    status = move(TRANSITIONS, agreement.status, AgreementStatus.TERMINATED, noun="agreement")
    purses = await balances_of_owner(uow, agreement_id)
    if any(purses[purse] for purse in _ON_THEIR_WAY):
        raise PaymentsOpenError(
            "Payments of this agreement are on their way; reject them or wait for their outcome."
        )
    rest = Money(purses[Purse.COMMITTED], agreement.amount.currency)
    ended = await save(
        uow,
        agreement,
        events.Terminated(released_amount=rest.amount),
        private={"comment": comment},
        status=status,
    )
    if rest.amount:
        await post(uow, Movement(MovementKind.TERMINATED, rest, agreement.grant_id, agreement.id))
    return ended
