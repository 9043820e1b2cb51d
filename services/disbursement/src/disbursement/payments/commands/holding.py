"""Holding payments and letting them go on.

A hold is a row, one per payment and cause, and lifts only what it caused. A payment that was
released is taken back: its money leaves transit at once, and after the hold it must be released
anew. What has been sent cannot be held: a person is told so, and a reaction records that its cause
came too late.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
from disbursement.payments import rules, statements
from disbursement.payments.commands.store import change, payment_for_update
from disbursement.payments.events import (
    PAYMENT,
    Held,
    HoldLifted,
    HoldMissed,
    PaymentState,
    Resumed,
)
from disbursement.payments.rules import HoldCause, HoldReason, Payment, PaymentStatus
from disbursement.payments.tables import payment_hold

BATCH = 500
"""Payments held or resumed by one set of statements."""

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
    recalled = rules.hold(payment.status)
    await _place(uow, payment_id)
    causes = await _open_causes(uow, [payment_id])
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
    """Lift the hold that a person placed. The payment goes on when nothing else holds it.

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
    left = (await _open_causes(uow, [payment_id]))[payment_id]
    private = {"comment": comment} if comment else None
    if left:
        happened: Change = HoldLifted(cause=HoldCause.PERSON)
        return await change(uow, payment, happened, holds=left, private=private)
    return await change(
        uow,
        payment,
        Resumed(cause=HoldCause.PERSON),
        private=private,
        status=rules.resumed(payment.held_from),
        held_from=None,
    )


async def hold_payments_of_partner(uow: UnitOfWork, partner_id: UUID) -> int:
    """Hold whatever has not left of a partner that is not eligible, all in this transaction.

    Level-triggered: what is held for this cause already is left alone. Returns how many it touched.
    The caller has locked the partner.
    """
    touched = 0
    recalled: list[Payment] = []
    while batch := await _lock_batch(uow, statements.LOCK_TO_HOLD, partner_id):
        recalled += [payment for payment in batch if payment.status is PaymentStatus.RELEASED]
        await _hold_batch(uow, batch)
        touched += len(batch)
    await post(uow, *(payment.moves(MovementKind.RECALLED) for payment in recalled))
    return touched


async def lift_ineligibility(uow: UnitOfWork, partner_id: UUID) -> int:
    """Lift the holds for ineligibility of a partner that is eligible again, and only those.

    What nothing else holds goes on, at most from approved. Returns how many it touched.
    """
    touched = 0
    while batch := await _lock_batch(uow, statements.LOCK_TO_LIFT, partner_id):
        await _lift_batch(uow, batch)
        touched += len(batch)
    return touched


@dataclass(frozen=True)
class _Step:
    """A payment after the reaction, and what happened to it."""

    payment: Payment
    happened: Change
    holds: Sequence[HoldCause] = ()


async def _hold_batch(uow: UnitOfWork, batch: Sequence[Payment]) -> None:
    cause = HoldCause.PARTNER_INELIGIBLE
    causes = await _open_causes(uow, [payment.id for payment in batch])
    left = [payment.status in rules.LEFT for payment in batch]
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
    causes = await _open_causes(uow, ids)
    steps = []
    for payment in batch:
        if payment.status is not PaymentStatus.HELD or causes[payment.id]:
            steps.append(_Step(payment, HoldLifted(cause=cause), causes[payment.id]))
            continue
        status = rules.resumed(payment.held_from)
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


async def _lock_batch(uow: UnitOfWork, statement: str, partner_id: UUID) -> list[Payment]:
    uow.locks(Lock.PAYMENT)
    cause = HoldCause.PARTNER_INELIGIBLE.value
    return [Payment.of(row) for row in await uow.driver.fetch(statement, partner_id, cause, BATCH)]


async def _open_causes(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, list[HoldCause]]:
    """The open causes of locked payments, read after locking them so that they are the newest."""
    causes: dict[UUID, list[HoldCause]] = defaultdict(list)
    for row in await uow.driver.fetch(statements.OPEN_HOLDS, list(ids)):
        causes[row["payment_id"]].append(HoldCause(row["cause"]))
    return causes


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
