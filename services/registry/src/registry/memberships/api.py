"""A partner's memberships, beside the partner: what comes from another service has no part in the
partner's version."""

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import Row

from common.codes import Country
from common.http import Page, PageQuery, Reply, Routes
from common.models import PublicModel
from common.uow import UnitOfWork
from registry.mirrors.memberships import memberships_of
from registry.partners.api import READ
from registry.partners.queries import read_partner

routes = Routes(tag="memberships", description="At which cluster tables a partner sits.")


class MembershipView(PublicModel):
    """A seat of the partner at a cluster's table, as coordination last told us."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c03",
                    "cluster_code": "HEA",
                    "country": "BGD",
                    "role": "member",
                    "status": "active",
                    "joined_on": "2024-06-24",
                    "left_on": None,
                }
            ]
        }
    )

    id: UUID
    cluster_code: str
    country: Country
    role: str | None
    status: str
    joined_on: date | None
    left_on: date | None


@routes.query("/partners/{partner_id}/memberships", scope=READ)
async def list_memberships(
    uow: UnitOfWork, partner_id: UUID, page: PageQuery
) -> Reply[Page[MembershipView]]:
    """At which cluster tables does a partner sit?

    Owned by coordination and shown from our copy of its events; `GET /v1/mirrors` tells how old
    that copy is.
    """
    await read_partner(uow, partner_id)
    rows = await memberships_of(uow, partner_id, page)
    return Reply.page(Page.of(rows, page, key=lambda row: (row.id,), view=_view))


def _view(row: Row[*tuple[Any, ...]]) -> MembershipView:
    return MembershipView(
        id=row.id,
        cluster_code=row.cluster_code,
        country=row.country,
        role=row.role,
        status=row.status,
        joined_on=row.joined_on,
        left_on=row.left_on,
    )
