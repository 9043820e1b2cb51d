"""Reading agreements."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from common.errors import NotFoundError
from common.http import PageQuery
from common.uow import UnitOfWork
from disbursement.agreements.rules import Agreement, AgreementStatus
from disbursement.agreements.tables import agreement_table, agreement_tranche
from disbursement.reach import within_reach


async def agreement_by_id(uow: UnitOfWork, agreement_id: UUID) -> Agreement:
    """The agreement. Raises NotFoundError, ForbiddenError for another country's or partner's."""
    statement = select(agreement_table).where(agreement_table.c.id == agreement_id)
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such agreement.")
    uow.actor.must_act_in(row.country)
    uow.actor.must_speak_for(row.partner_id)
    (agreement,) = await _with_tranches(uow, [row])
    return agreement


async def agreements(
    uow: UnitOfWork,
    page: PageQuery,
    *,
    grant_id: UUID | None = None,
    partner_id: UUID | None = None,
    status: AgreementStatus | None = None,
    country: str | None = None,
) -> Sequence[Agreement]:
    """The agreements in the reader's reach, oldest first: those of `page` and one more."""
    agreement = agreement_table.c
    statement = within_reach(select(agreement_table), agreement_table, uow.actor)
    statement = page.cut(statement, agreement.id)
    if grant_id is not None:
        statement = statement.where(agreement.grant_id == grant_id)
    if partner_id is not None:
        statement = statement.where(agreement.partner_id == partner_id)
    if status is not None:
        statement = statement.where(agreement.status == status.value)
    if country is not None:
        statement = statement.where(agreement.country == country)
    return await _with_tranches(uow, (await uow.db.execute(statement)).all())


async def _with_tranches(uow: UnitOfWork, rows: Sequence[Any]) -> list[Agreement]:
    ids = [row.id for row in rows]
    parts: dict[UUID, list[Any]] = defaultdict(list)
    for part in await uow.db.execute(
        select(agreement_tranche).where(agreement_tranche.c.agreement_id.in_(ids))
    ):
        parts[part.agreement_id].append(part)
    return [Agreement.of(row, parts[row.id]) for row in rows]
