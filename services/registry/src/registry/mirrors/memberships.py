"""Our copy of coordination's memberships: at which tables a partner sits.

Only shown, never decided on: coordination owns seats. It is a resource of its own beside the
partner, so that a seat taken does not change the partner's version.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, Row, Text, Uuid, select

from common.http import PageQuery
from common.mirrors.mirror import Mirror, mirror_table
from common.models import ReadingModel
from common.uow import UnitOfWork
from registry.metadata import metadata


class MembershipSeen(ReadingModel):
    """The fields of `coordination.membership.v1` that we show."""

    partner_id: UUID
    cluster_code: str
    country: str
    role: str | None = None
    status: str
    joined_on: date | None = None
    left_on: date | None = None


membership_mirror = mirror_table(
    "membership_mirror",
    metadata,
    Column("partner_id", Uuid),
    Column("cluster_code", Text),
    Column("country", Text),
    Column("role", Text),
    Column("status", Text),
    Column("joined_on", Date),
    Column("left_on", Date),
)

MEMBERSHIPS = Mirror(
    name="memberships",
    topic="coordination.membership.v1",
    aggregate="membership",
    table=membership_mirror,
    model=MembershipSeen,
    relevant=(),
)


async def memberships_of(
    uow: UnitOfWork, partner_id: UUID, page: PageQuery
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The partner's memberships that can be read and still exist, oldest first, one more than the
    page."""
    columns = membership_mirror.c
    statement = select(membership_mirror).where(
        columns.partner_id == partner_id, columns.readable, ~columns.gone
    )
    return (await uow.db.execute(page.cut(statement, columns.id))).all()
