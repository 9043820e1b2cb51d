"""Reading payments and what stands behind them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from common.errors import NotFoundError
from common.http import PageQuery
from common.uow import UnitOfWork
from disbursement.payments.rules.holds import SHOWING_HOLDS, HoldCause
from disbursement.payments.rules.lifecycle import PaymentStatus
from disbursement.payments.rules.payment import Payment
from disbursement.payments.tables import (
    payment_evidence,
    payment_hold,
    payment_instruction,
    payment_table,
)
from disbursement.reach import within_reach

MOST = 500
"""Holds or pieces of evidence shown of one payment."""


@dataclass(frozen=True)
class Shown:
    """A payment with the causes that hold it."""

    payment: Payment
    holds: tuple[HoldCause, ...]


async def payment_by_id(uow: UnitOfWork, payment_id: UUID) -> Shown:
    """The payment. Raises NotFoundError, ForbiddenError for another country's or partner's."""
    statement = select(payment_table).where(payment_table.c.id == payment_id)
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such payment.")
    payment = Payment.of(row._mapping)
    uow.actor.must_act_in(payment.country)
    uow.actor.must_speak_for(payment.partner_id)
    (shown,) = await with_holds(uow, [payment])
    return shown


async def payments(
    uow: UnitOfWork,
    page: PageQuery,
    *,
    grant_id: UUID | None = None,
    agreement_id: UUID | None = None,
    partner_id: UUID | None = None,
    status: PaymentStatus | None = None,
    country: str | None = None,
) -> Sequence[Shown]:
    """The payments in the reader's reach, oldest first: those of `page` and one more."""
    payment = payment_table.c
    statement = within_reach(select(payment_table), payment_table, uow.actor)
    statement = page.cut(statement, payment.id)
    if grant_id is not None:
        statement = statement.where(payment.grant_id == grant_id)
    if agreement_id is not None:
        statement = statement.where(payment.agreement_id == agreement_id)
    if partner_id is not None:
        statement = statement.where(payment.partner_id == partner_id)
    if status is not None:
        statement = statement.where(payment.status == status.value)
    if country is not None:
        statement = statement.where(payment.country == country)
    rows = (await uow.db.execute(statement)).all()
    return await with_holds(uow, [Payment.of(row._mapping) for row in rows])


async def with_holds(uow: UnitOfWork, payments_: Sequence[Payment]) -> list[Shown]:
    """Each payment with its open causes; those that came too late are not among them."""
    held = [payment.id for payment in payments_ if payment.status in SHOWING_HOLDS]
    causes: dict[UUID, list[HoldCause]] = defaultdict(list)
    if held:
        hold = payment_hold.c
        for row in await uow.db.execute(
            select(hold.payment_id, hold.cause)
            .where(hold.payment_id.in_(held), hold.lifted_at.is_(None), hold.took_effect)
            .order_by(hold.cause)
        ):
            causes[row.payment_id].append(HoldCause(row.cause))
    return [Shown(payment, tuple(causes[payment.id])) for payment in payments_]


async def holds_of(uow: UnitOfWork, payment_id: UUID) -> Sequence[Row[Any]]:
    """Every hold of a payment, open and lifted, oldest first."""
    statement = (
        select(payment_hold)
        .where(payment_hold.c.payment_id == payment_id)
        .order_by(payment_hold.c.id)
        .limit(MOST)
    )
    return (await uow.db.execute(statement)).all()


async def evidence_of(uow: UnitOfWork, payment_id: UUID) -> Sequence[Row[Any]]:
    """Everything that was recorded of a payment's outcome, oldest first."""
    statement = (
        select(payment_evidence)
        .where(payment_evidence.c.payment_id == payment_id)
        .order_by(payment_evidence.c.id)
        .limit(MOST)
    )
    return (await uow.db.execute(statement)).all()


async def instruction_of(uow: UnitOfWork, payment_id: UUID) -> Row[Any]:
    """What was handed over for a payment. Raises NotFoundError before it was sent."""
    statement = select(payment_instruction).where(payment_instruction.c.payment_id == payment_id)
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError("This payment has not been sent.")
    return row
