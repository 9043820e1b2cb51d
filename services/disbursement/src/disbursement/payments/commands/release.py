"""Letting money out: release, and then send. Everything is checked at both, under lock, by the
state now.

That a payment was fine when it was approved, or released a minute ago, proves nothing.
"""

import json
from uuid import UUID

from sqlalchemy import insert, select, union_all

from common.mirrors.age import Stale, mirror_age
from common.points import Point, reached
from common.sequence import Sequence
from common.states import move
from common.uow import UnitOfWork
from disbursement.agreements.rules import must_be_active
from disbursement.approvals.rules import must_be_the_same
from disbursement.approvals.tables import payment_submission
from disbursement.errors import FourEyesError, PartnerStateTooOldError
from disbursement.ledger.commands import post
from disbursement.ledger.rules import MovementKind
from disbursement.mirrors.partners import PARTNERS, must_be_payable, partner_for_share
from disbursement.payments.commands.past import must_be_certain
from disbursement.payments.commands.store import (
    agreement_status,
    change,
    parties_of,
    payment_for_update,
)
from disbursement.payments.events import Released, Sent
from disbursement.payments.rules.lifecycle import TRANSITIONS, PaymentStatus, must_be_next
from disbursement.payments.rules.payment import Payment, hash_of, message_id, payload_of
from disbursement.payments.tables import payment_instruction, payment_revision, payment_table
from disbursement.policy import NextTranche, Policy

_TOO_OLD = {
    Stale.NEVER_HEARD: "The registry's partners have not all been heard of yet",
    Stale.TOO_OLD: "What we know of partners is {age} s old; money rests on {bound:g} s at most",
    Stale.CLOCK_SKEW: "The registry's clock is ahead of ours; the age of our copy cannot be told",
}


async def release_payment(
    uow: UnitOfWork, payment_id: UUID, *, expected: Sequence | None = None
) -> Payment:
    """Put an approved payment's money in transit.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, PartnerStateError
    (its state too old, unknown, or ineligible), PastUncertainError, AgreementNotActiveError,
    TrancheTooEarlyError, PayloadChangedError, NotCoveredError, FourEyesError for whoever wrote or
    submitted any revision.
    """
    payment = await _ready(uow, payment_id, PaymentStatus.RELEASED, expected)
    changed = await change(
        uow, payment, Released(), status=PaymentStatus.RELEASED, released_at=uow.now
    )
    await post(uow, payment.moves(MovementKind.RELEASED))
    return changed


async def send_payment(
    uow: UnitOfWork, payment_id: UUID, *, expected: Sequence | None = None
) -> Payment:
    """Commit the instruction, its id and its exact bytes, before anything leaves.

    Raises what `release_payment` raises. Once sent, the payment is never sent again.
    """
    payment = await _ready(uow, payment_id, PaymentStatus.SENT, expected)
    facts = {"message_id": message_id(payment_id), **json.loads(payload_of(payment))}
    content = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    await uow.db.execute(
        insert(payment_instruction).values(
            payment_id=payment_id,
            message_id=facts["message_id"],
            payload_hash=payment.payload_hash,
            content=content.encode("ascii"),
            handed_over_at=uow.now,
            handed_over_by=uow.actor.subject,
        )
    )
    reached(Point.INSTRUCTION_STORED)
    return await change(uow, payment, Sent(), status=PaymentStatus.SENT, sent_at=uow.now)


async def _ready(
    uow: UnitOfWork, payment_id: UUID, target: PaymentStatus, expected: Sequence | None
) -> Payment:
    """The payment, locked after its partner and agreement, once all is true that money needs."""
    policy: Policy = uow.policy
    parties = await parties_of(uow, payment_id)
    partner = await partner_for_share(uow, parties.partner_id)
    agreement = await agreement_status(uow, parties.agreement_id)
    payment = await payment_for_update(uow, payment_id, expected)
    move(TRANSITIONS, payment.status, target, noun="payment")
    await _must_be_another(uow, payment_id)
    # Read after the partner is locked: no newer state of it can be applied beside a watermark we
    # count on.
    await _must_be_fresh(uow, policy)
    await must_be_certain(uow)
    must_be_payable(partner, uow.now.date())
    must_be_active(agreement)
    must_be_the_same(hash_of(payload_of(payment)), payment.payload_hash)
    if policy.next_tranche is NextTranche.WHEN_EARLIER_SETTLED and payment.tranche > 1:
        must_be_next(payment.tranche, await _settled_tranches(uow, payment.agreement_id))
    return payment


async def _must_be_another(uow: UnitOfWork, payment_id: UUID) -> None:
    """Raises FourEyesError for whoever wrote or submitted a revision: they do not let it out."""
    wrote = select(payment_revision.c.revision).where(
        payment_revision.c.payment_id == payment_id,
        payment_revision.c.author == uow.actor.subject,
    )
    submitted = select(payment_submission.c.revision).where(
        payment_submission.c.payment_id == payment_id,
        payment_submission.c.submitter == uow.actor.subject,
    )
    if await uow.db.scalar(union_all(wrote, submitted).limit(1)) is not None:
        raise FourEyesError("You wrote or submitted this payment; another person lets it out.")


async def _must_be_fresh(uow: UnitOfWork, policy: Policy) -> None:
    bound = policy.partner_max_age_seconds
    age = await mirror_age(uow, PARTNERS, skew_seconds=policy.clock_skew_seconds)
    problem = age.problem(bound)
    if problem is not None:
        seconds = None if age.seconds is None else format(age.seconds.quantize(1), "f")
        raise PartnerStateTooOldError(
            f"{_TOO_OLD[problem].format(age=seconds, bound=bound)}. "
            "Nothing was moved; try again shortly.",
            problem=problem.value,
            age_seconds=seconds,
            bound_seconds=bound,
        )


async def _settled_tranches(uow: UnitOfWork, agreement_id: UUID) -> frozenset[int]:
    """Stable while the agreement is locked: outcomes are recorded under that lock."""
    statement = select(payment_table.c.tranche).where(
        payment_table.c.agreement_id == agreement_id,
        payment_table.c.status == PaymentStatus.SETTLED.value,
    )
    return frozenset((await uow.db.scalars(statement)).all())
