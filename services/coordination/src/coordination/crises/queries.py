"""Reading crises."""

from uuid import UUID

from sqlalchemy import select

from common.actor import EVERYWHERE
from common.errors import NotFoundError
from common.http import PageQuery
from common.uow import UnitOfWork
from coordination.crises.rules import Crisis, CrisisStatus
from coordination.crises.tables import crisis_of, crisis_table


async def crisis(uow: UnitOfWork, crisis_id: UUID) -> Crisis:
    """One crisis. Raises NotFoundError, ForbiddenError (all its countries outside the actor's)."""
    statement = select(crisis_table).where(crisis_table.c.id == crisis_id)
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no crisis {crisis_id}.")
    if not any(uow.actor.acts_in(country) for country in row.countries):
        uow.actor.must_act_in(row.countries[0])
    return crisis_of(row)


async def crises(
    uow: UnitOfWork, page: PageQuery, *, status: CrisisStatus | None, country: str | None
) -> list[Crisis]:
    """Crises that the actor may see, oldest first: those of `page` and one more."""
    table = crisis_table
    statement = page.cut(select(table), table.c.id)
    if EVERYWHERE not in uow.actor.countries:
        statement = statement.where(table.c.countries.overlap(sorted(uow.actor.countries)))
    if status is not None:
        statement = statement.where(table.c.status == status.value)
    if country is not None:
        statement = statement.where(table.c.countries.contains([country]))
    return [crisis_of(row) for row in await uow.db.execute(statement)]
