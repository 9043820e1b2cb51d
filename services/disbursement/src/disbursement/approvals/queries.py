"""Reading who decided what."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from common.uow import UnitOfWork
from disbursement.approvals.tables import payment_approval

MOST = 500
"""Actions shown of one payment: far more than revisions times people."""


async def actions_on(uow: UnitOfWork, payment_id: UUID) -> Sequence[Row[Any]]:
    """Every decision on a payment, revision by revision, oldest first."""
    statement = (
        select(payment_approval)
        .where(payment_approval.c.payment_id == payment_id)
        .order_by(payment_approval.c.revision, payment_approval.c.acted_at)
        .limit(MOST)
    )
    return (await uow.db.execute(statement)).all()
