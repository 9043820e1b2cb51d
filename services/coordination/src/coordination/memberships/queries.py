"""Reading memberships: one, many, who sits at a table, and who sits at none.

A partner counts as a local actor at a table only in its own country. Elsewhere it is a cross-border
actor, for whom there is no agreed answer: `undetermined`, like a partner that we cannot read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from common.actor import EVERYWHERE
from common.errors import ForbiddenError
from common.http import PageQuery
from common.uow import UnitOfWork
from coordination.memberships.commands.seats import find
from coordination.memberships.rules import SEATED, SITTING, Membership, MembershipStatus, Role
from coordination.memberships.tables import membership_of, membership_table
from coordination.mirrors.partners import MAY_SIT, partner_mirror_table

_m = membership_table.c
_p = partner_mirror_table.c


class Local(StrEnum):
    """Whether a partner is a local or national actor at this table."""

    YES = "yes"
    NO = "no"
    UNDETERMINED = "undetermined"


_local_here: ColumnElement[str] = case(
    (or_(_p.readable.is_not(True), _p.gone.is_not(False)), Local.UNDETERMINED.value),
    (and_(_p.local == Local.YES.value, _p.country == _m.country), Local.YES.value),
    (_p.local == Local.NO.value, Local.NO.value),
    else_=Local.UNDETERMINED.value,
)
_name: ColumnElement[str] = func.coalesce(_p.legal_name, "")


@dataclass(frozen=True)
class Sitter:
    """Who has a seat: the membership, and what the mirror says of the partner."""

    membership: Membership
    name: str | None
    acronym: str | None
    kind: str | None
    local: Local


@dataclass(frozen=True)
class Gap:
    """An eligible local partner that sits in no cluster of its country."""

    partner_id: UUID
    name: str
    acronym: str | None
    kind: str
    requests: int
    invitations: int


async def membership(uow: UnitOfWork, membership_id: UUID) -> Membership:
    """One membership. Raises NotFoundError, ForbiddenError."""
    found = await find(uow, membership_id)
    uow.actor.must_speak_for(found.partner_id)
    uow.actor.must_act_in(found.country)
    return found


async def memberships(
    uow: UnitOfWork, page: PageQuery, *, wanted: Mapping[str, object | None]
) -> list[Membership]:
    """Memberships that the actor may see, oldest first: those of `page` and one more.

    `wanted`: values by column; None leaves a column open.
    """
    statement = page.cut(select(membership_table), _m.id)
    if EVERYWHERE not in uow.actor.countries:
        statement = statement.where(_m.country.in_(sorted(uow.actor.countries)))
    if uow.actor.partner is not None:
        statement = statement.where(_m.partner_id == uow.actor.partner)
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(membership_table.c[column] == value)
    return [membership_of(row) for row in await uow.db.execute(statement)]


async def sitters(
    uow: UnitOfWork,
    cluster_id: UUID,
    page: PageQuery,
    *,
    role: Role | None,
    status: MembershipStatus | None,
) -> list[Sitter]:
    """Who has a seat in the cluster, by name and id: those of `page` and one more.

    Raises ForbiddenError for access bound to one partner.
    """
    must_see_others(uow)
    statement = (
        select(membership_table, _p.legal_name, _p.acronym, _p.kind, _local_here.label("local"))
        .select_from(_with_partner())
        .where(_m.cluster_id == cluster_id, _m.status.in_(sorted(SEATED)))
    )
    if role is not None:
        statement = statement.where(_m.role == role.value)
    if status is not None:
        statement = statement.where(_m.status == status.value)
    return [
        Sitter(
            membership=membership_of(row),
            name=row.legal_name,
            acronym=row.acronym,
            kind=row.kind,
            local=Local(row.local),
        )
        for row in await uow.db.execute(page.cut(statement, _name, _m.id))
    ]


async def counts(uow: UnitOfWork, cluster_id: UUID) -> Mapping[tuple[str, Local], int]:
    """How many sit in the cluster now (active or dormant), by role and by being local."""
    local = _local_here.label("local")
    statement: Select[Any] = (
        select(_m.role, local, func.count())
        .select_from(_with_partner())
        .where(_m.cluster_id == cluster_id, _m.status.in_(sorted(SITTING)))
        .group_by(_m.role, local)
    )
    return {(role, Local(is_local)): n for role, is_local, n in await uow.db.execute(statement)}


async def gaps(uow: UnitOfWork, country: str, page: PageQuery) -> list[Gap]:
    """Eligible local partners of `country` without a seat in any of its clusters, by name and id:
    those of `page` and one more.

    Requests and invitations are shown: an unanswered one is no seat. Raises ForbiddenError.
    """
    uow.actor.must_act_in(country)
    must_see_others(uow)
    seated = select(_m.id).where(
        _m.partner_id == _p.id, _m.country == country, _m.status.in_(sorted(SEATED))
    )
    statement = select(
        partner_mirror_table,
        _pending(country, MembershipStatus.REQUESTED).label("requests"),
        _pending(country, MembershipStatus.INVITED).label("invitations"),
    ).where(
        _p.readable,
        ~_p.gone,
        _p.local == Local.YES.value,
        _p.country == country,
        _p.eligibility.in_(sorted(MAY_SIT)),
        or_(_p.eligible_until.is_(None), _p.eligible_until >= uow.now.date()),
        ~seated.exists(),
    )
    return [
        Gap(
            partner_id=row.id,
            name=row.legal_name,
            acronym=row.acronym,
            kind=row.kind,
            requests=row.requests,
            invitations=row.invitations,
        )
        for row in await uow.db.execute(page.cut(statement, _name, _p.id))
    ]


def must_see_others(uow: UnitOfWork) -> None:
    """Raises ForbiddenError for access that is bound to one partner: it sees only that one."""
    if uow.actor.partner is not None:
        raise ForbiddenError("Access that is bound to a partner sees that partner alone.")


def _with_partner() -> Any:
    return membership_table.outerjoin(partner_mirror_table, _p.id == _m.partner_id)


def _pending(country: str, status: MembershipStatus) -> Any:
    return (
        select(func.count())
        .select_from(membership_table)
        .where(_m.partner_id == _p.id, _m.country == country, _m.status == status.value)
        .correlate(partner_mirror_table)
        .scalar_subquery()
    )
