"""Locking a payment, and saving what a command made of it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from common.aggregate import Change
from common.errors import NotFoundError
from common.sequence import Sequence
from common.uow import UnitOfWork
from disbursement.agreements.rules import AgreementStatus
from disbursement.agreements.tables import agreement_table
from disbursement.locks import Lock
from disbursement.payments import statements
from disbursement.payments.events import PAYMENT, PaymentState
from disbursement.payments.rules.holds import HoldCause
from disbursement.payments.rules.payment import Payment
from disbursement.payments.tables import payment_table


@dataclass(frozen=True)
class Parties:
    """What a payment belongs to; none of it ever changes, so it may be read before any lock."""

    partner_id: UUID
    agreement_id: UUID


async def parties_of(uow: UnitOfWork, payment_id: UUID) -> Parties:
    """Whom and what to lock before the payment itself. Raises NotFoundError."""
    statement = select(payment_table.c.partner_id, payment_table.c.agreement_id).where(
        payment_table.c.id == payment_id
    )
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such payment.")
    return Parties(row.partner_id, row.agreement_id)


async def payment_for_update(
    uow: UnitOfWork, payment_id: UUID, expected: Sequence | None = None
) -> Payment:
    """The payment, locked, for staff. Raises NotFoundError, ForbiddenError, StaleVersionError."""
    uow.actor.must_be_staff("act on payments")
    return await payment_for_anyone(uow, payment_id, expected)


async def payment_for_anyone(
    uow: UnitOfWork, payment_id: UUID, expected: Sequence | None = None
) -> Payment:
    """The same for whoever may speak for its partner. Raises what `payment_for_update` raises."""
    row = await uow.lock(
        Lock.PAYMENT,
        select(payment_table).where(payment_table.c.id == payment_id).with_for_update(),
    )
    if row is None:
        raise NotFoundError("There is no such payment.")
    payment = Payment.of(row._mapping)
    uow.actor.must_act_in(payment.country)
    uow.actor.must_speak_for(payment.partner_id)
    uow.expect(payment.sequence, expected)
    return payment


async def agreement_status(uow: UnitOfWork, agreement_id: UUID) -> AgreementStatus:
    """The status of a payment's agreement, locked: neither it nor what is settled under it changes
    now.
    """
    row = await uow.lock(
        Lock.AGREEMENT,
        select(agreement_table.c.status)
        .where(agreement_table.c.id == agreement_id)
        .with_for_update(),
    )
    assert row is not None, "a payment's agreement is never deleted"
    return AgreementStatus(row.status)


async def open_causes(uow: UnitOfWork, ids: Collection[UUID]) -> Mapping[UUID, list[HoldCause]]:
    """The open causes of locked payments, read after locking them so that they are the newest."""
    causes: dict[UUID, list[HoldCause]] = defaultdict(list)
    for row in await uow.driver.fetch(statements.OPEN_HOLDS, list(ids)):
        causes[row["payment_id"]].append(HoldCause(row["cause"]))
    return causes


async def change(
    uow: UnitOfWork,
    payment: Payment,
    happened: Change,
    *,
    holds: Iterable[HoldCause] = (),
    reason: str | None = None,
    private: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Payment:
    """Save `fields` of the locked payment and record what happened.

    `holds`: its open causes after it.
    """
    sequence = uow.after(payment.sequence)
    changed = replace(payment, sequence=str(sequence), **fields)
    account = fields.pop("account", payment.account)
    await uow.db.execute(
        update(payment_table)
        .where(payment_table.c.id == payment.id)
        .values(
            sequence=str(sequence),
            account_id=account and account.id,
            account_version=account and account.version,
            **fields,
        )
    )
    state = PaymentState.of(changed, holds)
    await uow.record(PAYMENT, payment.id, sequence, happened, state, reason=reason, private=private)
    return changed
