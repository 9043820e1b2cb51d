"""Reading what a partner has shown."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from common.errors import NotFoundError
from common.uow import UnitOfWork
from registry.due_diligence.rules import Dossier
from registry.due_diligence.tables import DOSSIER, dossier_of
from registry.partners.rules.access import must_edit
from registry.partners.rules.partner import Partner
from registry.partners.tables import partner_of, partner_table

_ONE = select(partner_table, *DOSSIER).where(partner_table.c.id == bindparam("partner_id"))


@dataclass(frozen=True)
class Shown:
    """A partner, its dossier, and the profile and verifications as they are kept."""

    partner: Partner
    dossier: Dossier
    profile: dict[str, Any]
    declarations: list[dict[str, Any]]
    verifications: list[dict[str, Any]]


async def read_dossier(uow: UnitOfWork, partner_id: UUID) -> Shown:
    """One snapshot of everything shown. Raises NotFoundError, ForbiddenError: due diligence is for
    the partner itself and for staff of its country."""
    row = (await uow.db.execute(_ONE, {"partner_id": partner_id})).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no partner {partner_id}.")
    partner = partner_of(row._mapping)
    must_edit(uow.actor, partner)
    return Shown(
        partner,
        dossier_of(row),
        profile=row.sections or {},
        declarations=row.declarations or [],
        verifications=row.verifications or [],
    )
