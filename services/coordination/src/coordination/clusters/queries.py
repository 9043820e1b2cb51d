"""Reading activated clusters."""

from uuid import UUID

from sqlalchemy import select

from common.actor import EVERYWHERE
from common.errors import NotFoundError
from common.http import PageQuery
from common.uow import UnitOfWork
from coordination.clusters.rules import Cluster, ClusterStatus
from coordination.clusters.tables import cluster_of, cluster_table


async def cluster(uow: UnitOfWork, cluster_id: UUID) -> Cluster:
    """One cluster. Raises NotFoundError, ForbiddenError (a country outside the actor's)."""
    statement = select(cluster_table).where(cluster_table.c.id == cluster_id)
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no cluster {cluster_id}.")
    uow.actor.must_act_in(row.country)
    return cluster_of(row)


async def clusters(
    uow: UnitOfWork,
    page: PageQuery,
    *,
    country: str | None,
    code: str | None,
    status: ClusterStatus | None,
    crisis_id: UUID | None,
) -> list[Cluster]:
    """Clusters that the actor may see, oldest first: those of `page` and one more."""
    table = cluster_table
    statement = page.cut(select(table), table.c.id)
    if EVERYWHERE not in uow.actor.countries:
        statement = statement.where(table.c.country.in_(sorted(uow.actor.countries)))
    wanted = {"country": country, "code": code, "status": status, "crisis_id": crisis_id}
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(table.c[column] == value)
    return [cluster_of(row) for row in await uow.db.execute(statement)]
