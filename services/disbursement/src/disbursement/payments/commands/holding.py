"""Holding payments and letting them go on.

A hold is a row, one per payment and cause, and lifts only what it caused. A payment that was
released is taken back: its money leaves transit at once, and after the hold it must be released
anew. One that was made a draft meanwhile stays one when its hold is lifted. What has been sent
cannot be held: a person is told so, and a reaction records that its cause came too late.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import insert, update

from common.aggregate import Change
from common.db.faults import constraint_of
from common.uow import Recorded, UnitOfWork
from disbursement.errors import AlreadyHeldError, NotHeldError
from disbursement.ledger.commands import post
from disbursement.ledger.rules import MovementKind
from disbursement.locks import Lock
from disbursement.payments import statements
from disbursement.payments.commands.store import change, open_causes, payment_for_update
from disbursement.payments.events import (
    PAYMENT,
    Held,
    HoldLifted,
    HoldMissed,
    PaymentState,
    Resumed,
)
from disbursement.payments.rules import holds
from disbursement.payments.rules.holds import HoldCause, HoldReason
from disbursement.payments.rules.lifecycle import PaymentStatus
from disbursement.payments.rules.payment import Payment
from disbursement.payments.tables import payment_hold

SHARE = 500
"""Payments that one transaction holds or lets go, by one set of statements: a partner with more of
them is done in turns, so that none takes too long.
"""

ONE_OPEN = "payment_hold_open"


async def hold_payment(
    uow: UnitOfWork, payment_id: UUID, reason: HoldReason, comment: str | None = None
) -> Payment:
    """Stop a payment. `comment` is kept private. A released one is taken back from transit.

    Raises NotFoundError, ForbiddenError for a machine, AlreadySentError, IllegalMoveError,
    AlreadyHeldError.
    """
    uow.actor.must_be_human("hold a payment")
    payment = await payment_for_update(uow, payment_id)
    recalled = holds.hold(payment.status)
    await _place(uow, payment_id)
    causes = await open_causes(uow, [payment_id])
    changed = await change(
        uow,
        payment,
        Held(cause=HoldCause.PERSON),
        holds=causes[payment_id],
        reason=reason.value,
        private={"comment": comment} if comment else None,
        status=PaymentStatus.HELD,
        held_from=payment.held_from or payment.status,
        released_at=payment.released_at if recalled is None else None,
    )
    if recalled is not None:
        await post(uow, payment.moves(recalled))
    return changed


async def lift_hold(uow: UnitOfWork, payment_id: UUID, comment: str | None = None) -> Payment:
    """Lift the hold that a person placed. The payment goes on when it stands held and nothing else
    holds it; a draft stays a draft.

    Raises NotFoundError, ForbiddenError for a machine, NotHeldError when no person holds it.
    """
    uow.actor.must_be_human("lift a hold")
    payment = await payment_for_update(uow, payment_id)
    lifted = await uow.db.execute(
        update(payment_hold)
        .where(
            payment_hold.c.payment_id == payment_id,
            payment_hold.c.cause == HoldCause.PERSON.value,
            payment_hold.c.lifted_at.is_(None),
        )
        .values(lifted_at=uow.now, lifted_by=uow.actor.subject)
    )
    if lifted.rowcount == 0:
        raise NotHeldError("No person holds this payment.")
    left = (await open_causes(uow, [payment_id]))[payment_id]
    private = {"comment": comment} if comment else None
    if left or payment.status is not PaymentStatus.HELD:
        happened: Change = HoldLifted(cause=HoldCause.PERSON)
        return await change(uow, payment, happened, holds=left, private=private)
    return await change(
        uow,
        payment,
        Resumed(cause=HoldCause.PERSON),
        private=private,
        status=holds.resumed(payment.held_from),
        held_from=None,
    )


async def hold_payments_of_partner(
    uow: UnitOfWork, partner_id: UUID, *, share: int = SHARE
) -> bool:
    """Hold what has not left of a partner that is not eligible, at most `share` payments.

    Level-triggered: what is held for this cause already is left alone. Whether there may be more.
    The caller has locked the partner. What is not held yet is not let out either: release and send
    ask for its eligibility.
    """
    batch = await _lock_batch(uow, statements.LOCK_TO_HOLD, partner_id, share)
    if batch:
        await _hold_batch(uow, batch)
    recalled = [payment for payment in batch if payment.status is PaymentStatus.RELEASED]
    await post(uow, *(payment.moves(MovementKind.RECALLED) for payment in recalled))
    return len(batch) == share


async def lift_ineligibility(uow: UnitOfWork, partner_id: UUID, *, share: int = SHARE) -> bool:
    """Lift the holds for ineligibility of a partner that is eligible again, and only those, of at
    most `share` payments.

    What nothing else holds goes on, at most from approved. Whether there may be more.
    """
    batch = await _lock_batch(uow, statements.LOCK_TO_LIFT, partner_id, share)
    if batch:
        await _lift_batch(uow, batch)
    return len(batch) == share


@dataclass(frozen=True)
class _Step:
    """A payment after the reaction, and what happened to it."""

    payment: Payment
    happened: Change
    holds: Sequence[HoldCause] = ()


async def _hold_batch(uow: UnitOfWork, batch: Sequence[Payment]) -> None:
    cause = HoldCause.PARTNER_INELIGIBLE
    causes = await open_causes(uow, [payment.id for payment in batch])
    left = [payment.status in holds.LEFT for payment in batch]
    await uow.driver.execute(
        statements.PLACE_HOLDS,
        [uow.ids.new() for _ in batch],
        [payment.id for payment in batch],
        [not gone for gone in left],
        cause.value,
        uow.now,
        uow.actor.subject,
    )
    steps = []
    for payment, gone in zip(batch, left, strict=True):
        if gone:
            steps.append(_Step(payment, HoldMissed(cause=cause)))
            continue
        held = replace(
            payment,
            status=PaymentStatus.HELD,
            held_from=payment.held_from or payment.status,
            released_at=None,
        )
        steps.append(_Step(held, Held(cause=cause), [*causes[payment.id], cause]))
    await _save(uow, steps)


async def _lift_batch(uow: UnitOfWork, batch: Sequence[Payment]) -> None:
    cause = HoldCause.PARTNER_INELIGIBLE
    ids = [payment.id for payment in batch]
    await uow.driver.execute(statements.LIFT_HOLDS, ids, cause.value, uow.now, uow.actor.subject)
    causes = await open_causes(uow, ids)
    steps = []
    for payment in batch:
        if payment.status is not PaymentStatus.HELD or causes[payment.id]:
            steps.append(_Step(payment, HoldLifted(cause=cause), causes[payment.id]))
            continue
        status = holds.resumed(payment.held_from)
        steps.append(_Step(replace(payment, status=status, held_from=None), Resumed(cause=cause)))
    await _save(uow, steps)


async def _save(uow: UnitOfWork, steps: Sequence[_Step]) -> None:
    """Save the statuses of many payments and record what happened, two statements in all."""
    sequences = [uow.after(step.payment.sequence) for step in steps]
    await uow.driver.execute(
        statements.SAVE_STATUSES,
        [step.payment.id for step in steps],
        [step.payment.status.value for step in steps],
        [step.payment.held_from and step.payment.held_from.value for step in steps],
        [str(sequence) for sequence in sequences],
        [step.payment.released_at for step in steps],
    )
    await uow.record_many(
        PAYMENT,
        [
            Recorded(
                step.payment.id, sequence, step.happened, PaymentState.of(step.payment, step.holds)
            )
            for step, sequence in zip(steps, sequences, strict=True)
        ],
    )


async def _lock_batch(
    uow: UnitOfWork, statement: str, partner_id: UUID, share: int
) -> list[Payment]:
    uow.locks(Lock.PAYMENT)
    cause = HoldCause.PARTNER_INELIGIBLE.value
    return [Payment.of(row) for row in await uow.driver.fetch(statement, partner_id, cause, share)]


async def _place(uow: UnitOfWork, payment_id: UUID) -> None:
    try:
        await uow.db.execute(
            insert(payment_hold).values(
                id=uow.ids.new(),
                payment_id=payment_id,
                cause=HoldCause.PERSON.value,
                took_effect=True,
                placed_at=uow.now,
                placed_by=uow.actor.subject,
            )
        )
    except Exception as error:
        if constraint_of(error) != ONE_OPEN:
            raise
        raise AlreadyHeldError("A person holds this payment already.") from error
