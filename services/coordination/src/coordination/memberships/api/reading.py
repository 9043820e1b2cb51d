"""Reading memberships over HTTP: one, many, who sits at a table, and who sits at none."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from common.codes import Country
from common.http import Page, PageQuery, Reply, Routes
from common.uow import UnitOfWork
from coordination.clusters.events import ClusterCode
from coordination.clusters.queries import cluster as find_cluster
from coordination.clusters.rules import Cluster
from coordination.memberships import queries
from coordination.memberships.api.views import (
    READ,
    GapView,
    MembershipView,
    RepresentationView,
    SitterView,
    shown,
)
from coordination.memberships.events import MEMBERSHIP
from coordination.memberships.queries import Local
from coordination.memberships.rules import MembershipStatus, Role

routes = Routes(tag="tables", description="Who sits at a table, and who sits at none.")


@routes.query("/memberships", scope=READ, of=MEMBERSHIP)
async def list_memberships(
    uow: UnitOfWork,
    page: PageQuery,
    cluster_id: UUID | None = None,
    partner_id: UUID | None = None,
    status: MembershipStatus | None = None,
    role: Role | None = None,
    country: Country | None = None,
    code: ClusterCode | None = None,
) -> Reply[Page[MembershipView]]:
    """List memberships.

    Oldest first, ended ones too, in the countries that your access covers; access that is bound to
    a partner sees that partner's alone.
    """
    wanted = {
        "cluster_id": cluster_id,
        "partner_id": partner_id,
        "status": status,
        "role": role,
        "country": country,
        "code": code,
    }
    rows = await queries.memberships(uow, page, wanted=wanted)
    return Reply.page(
        Page.of(
            rows, page, key=lambda row: (row.id,), view=lambda row: MembershipView.now(uow, row)
        )
    )


@routes.query("/memberships/{membership_id}", scope=READ)
async def read_membership(uow: UnitOfWork, membership_id: UUID) -> Reply[MembershipView]:
    """Read a membership."""
    return shown(uow, await queries.membership(uow, membership_id))


@routes.query("/clusters/{cluster_id}/members", scope=READ)
async def list_members(
    uow: UnitOfWork,
    cluster_id: UUID,
    page: PageQuery,
    role: Role | None = None,
    status: MembershipStatus | None = None,
) -> Reply[Page[SitterView]]:
    """List who sits at a cluster's table.

    By name, with kind and whether the partner is a local actor here; suspended seats are shown,
    since they are kept for their holders.
    """
    cluster = await find_cluster(uow, cluster_id)
    rows = await queries.sitters(uow, cluster.id, page, role=role, status=status)
    return Reply.page(
        Page.of(
            rows,
            page,
            key=lambda row: (row.name or "", row.membership.id),
            view=lambda row: SitterView.now(uow, row),
        )
    )


@routes.query("/clusters/{cluster_id}/representation", scope=READ)
async def read_representation(uow: UnitOfWork, cluster_id: UUID) -> Reply[RepresentationView]:
    """Read how local actors are represented at a cluster's table."""
    cluster = await find_cluster(uow, cluster_id)
    return Reply.ok(_representation(cluster, await queries.counts(uow, cluster_id)))


@routes.query("/gaps", scope=READ)
async def list_gaps(uow: UnitOfWork, page: PageQuery, country: Country) -> Reply[Page[GapView]]:
    """List the local partners that sit at no table.

    Eligible local actors of the country without a seat in any of its clusters, by name.
    """
    rows = await queries.gaps(uow, country, page)
    return Reply.page(
        Page.of(rows, page, key=lambda row: (row.name, row.partner_id), view=GapView.of)
    )


def _representation(
    cluster: Cluster, counts: Mapping[tuple[str, Local], int]
) -> RepresentationView:
    def members(local: Local) -> int:
        return sum(
            n
            for (role, is_local), n in counts.items()
            if role != Role.OBSERVER and is_local is local
        )

    by_local = {local: members(local) for local in Local}
    total = sum(by_local.values())
    share = None
    if total:
        share = (Decimal(by_local[Local.YES]) / total).quantize(Decimal("0.0001"))
    return RepresentationView(
        cluster_id=cluster.id,
        cluster_code=cluster.code,
        country=cluster.country,
        members=total,
        observers=sum(counts.values()) - total,
        local=by_local[Local.YES],
        not_local=by_local[Local.NO],
        undetermined=by_local[Local.UNDETERMINED],
        local_share=share,
    )
