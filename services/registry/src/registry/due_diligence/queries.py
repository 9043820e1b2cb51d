"""Reading what a partner has shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from common.errors import NotFoundError
from common.journal.trail import KEY, Secrecy, opened
from common.uow import UnitOfWork
from registry.due_diligence.rules import DocumentKind, Dossier
from registry.due_diligence.tables import DOSSIER, dossier_of
from registry.partners.events import PARTNER, DocumentExcused
from registry.partners.rules.access import must_edit, must_judge
from registry.partners.rules.partner import Partner
from registry.partners.tables import partner_of, partner_table

_ONE = select(partner_table, *DOSSIER).where(partner_table.c.id == bindparam("partner_id"))

_REASONS = """
SELECT DISTINCT ON (kind) data #>> '{change,kind}' AS kind, id, occurred_at, actor, private
FROM journal WHERE stream = $1 AND type = $2 ORDER BY kind, epoch DESC, version DESC
"""


@dataclass(frozen=True)
class Excuse:
    """Why there is no document of `kind`; `reason` is None unless it is open."""

    kind: DocumentKind
    stated_by: str
    stated_at: datetime
    secrecy: Secrecy
    reason: str | None


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


async def read_reasons(uow: UnitOfWork, partner_id: UUID) -> list[Excuse]:
    """The latest written reason for each kind of document, out of the journal.

    Raises NotFoundError, ForbiddenError: reviewers are people of the partner's country.
    """
    row = (await uow.db.execute(_ONE, {"partner_id": partner_id})).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no partner {partner_id}.")
    must_judge(uow.actor, partner_of(row._mapping), "read the reasons of a partner")
    excused = PARTNER.event_type(DocumentExcused)
    rows = await uow.driver.fetch(_REASONS, partner_id, excused)
    wrapped = await uow.driver.fetchval(KEY, partner_id)
    excuses = []
    for each in rows:
        secrecy, private = opened(uow, partner_id, wrapped, each)
        excuses.append(
            Excuse(
                kind=DocumentKind(each["kind"]),
                stated_by=each["actor"],
                stated_at=each["occurred_at"],
                secrecy=secrecy,
                reason=None if private is None else private["reason"],
            )
        )
    return excuses
