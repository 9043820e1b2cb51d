"""Reading one partner."""

from uuid import UUID

from sqlalchemy import bindparam, select

from common.db.compiled import Compiled
from common.errors import NotFoundError
from common.uow import UnitOfWork
from registry.partners.rules.access import must_see
from registry.partners.rules.partner import Partner
from registry.partners.tables import partner_of, partner_table

_ONE = Compiled(select(partner_table).where(partner_table.c.id == bindparam("partner_id")))


async def read_partner(uow: UnitOfWork, partner_id: UUID) -> Partner:
    """The partner. Raises NotFoundError, ForbiddenError (another's, or of another country)."""
    row = await _ONE.row(uow.driver, partner_id=partner_id)
    if row is None:
        raise NotFoundError(f"There is no partner {partner_id}.")
    partner = partner_of(row)
    must_see(uow.actor, partner)
    return partner
