"""Activating a cluster in a country, arranging it, handing it over.

Deactivation is not here: it ends every seat too, so it stands with the seats.
"""

from dataclasses import asdict, replace
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from common.aggregate import Change
from common.db.faults import constraint_of
from common.errors import ConflictError, NotFoundError
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters import rules
from coordination.clusters.catalogue import Setting
from coordination.clusters.events import (
    CLUSTER,
    Activated,
    ClusterState,
    Rearranged,
    Resumed,
    TransitionBegun,
)
from coordination.clusters.rules import Cluster, ClusterStatus, Joinability
from coordination.clusters.tables import cluster_of, cluster_table
from coordination.crises.commands import hold_crisis
from coordination.locks import Lock


class ClusterAlreadyLiveError(ConflictError):
    code = "cluster_already_live"
    title = "This cluster is active in the country already"


async def activate_cluster(
    uow: UnitOfWork,
    *,
    code: str,
    country: str,
    crisis_id: UUID | None = None,
    setting: Setting | None = None,
    lead_agencies: tuple[str, ...] = (),
    joinability: Joinability = Joinability.MODERATED,
) -> Cluster:
    """Activate the cluster `code` in `country`, led by its global leads unless agencies are named.

    Raises ForbiddenError, NotFoundError (no such crisis), CrisisClosedError, CrisisElsewhereError,
    InvalidError (nobody leads it everywhere, and nobody is named), ClusterAlreadyLiveError.
    """
    uow.actor.must_be_staff("activate clusters")
    uow.actor.must_act_in(country)
    crisis = None if crisis_id is None else await hold_crisis(uow, crisis_id)
    sequence = uow.after(None)
    cluster = rules.activate(
        Cluster(
            id=uow.ids.new(),
            sequence=str(sequence),
            crisis_id=crisis_id,
            code=code,
            country=country,
            status=ClusterStatus.ACTIVATED,
            setting=setting,
            lead_agencies=lead_agencies,
            joinability=joinability,
            activated_on=uow.now.date(),
        ),
        crisis,
    )
    try:
        await uow.db.execute(insert(cluster_table).values(**_columns(cluster)))
    except IntegrityError as error:
        if constraint_of(error) == "cluster_live_once":
            raise ClusterAlreadyLiveError(
                f"The cluster {code} is active in {country} already.", code=code, country=country
            ) from error
        raise
    await uow.record(CLUSTER, cluster.id, sequence, Activated(), ClusterState.of(cluster))
    return cluster


async def begin_transition(
    uow: UnitOfWork, cluster_id: UUID, expected: Sequence | None = None
) -> Cluster:
    """Begin to hand over.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    cluster = await lock_cluster(uow, cluster_id, expected)
    return await save_cluster(uow, rules.begin_transition(cluster), TransitionBegun())


async def resume_cluster(
    uow: UnitOfWork, cluster_id: UUID, expected: Sequence | None = None
) -> Cluster:
    """Call the hand-over off.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    cluster = await lock_cluster(uow, cluster_id, expected)
    return await save_cluster(uow, rules.resume(cluster), Resumed())


async def rearrange_cluster(
    uow: UnitOfWork,
    cluster_id: UUID,
    *,
    lead_agencies: tuple[str, ...] | None = None,
    joinability: Joinability | None = None,
    expected: Sequence | None = None,
) -> Cluster:
    """Change who leads it or how one joins it; what is None stays. Seats taken stay taken.

    Raises NotFoundError, ForbiddenError, StaleVersionError, ClusterNotLiveError.
    """
    cluster = await lock_cluster(uow, cluster_id, expected)
    rules.must_be_live(cluster)
    arranged = replace(
        cluster,
        lead_agencies=lead_agencies or cluster.lead_agencies,
        joinability=joinability or cluster.joinability,
    )
    return cluster if arranged == cluster else await save_cluster(uow, arranged, Rearranged())


async def hold_cluster(uow: UnitOfWork, cluster_id: UUID) -> Cluster:
    """The cluster, kept from changing until this transaction ends. Raises NotFoundError."""
    statement = select(cluster_table).where(cluster_table.c.id == cluster_id)
    row = await uow.lock(Lock.CLUSTER, statement.with_for_update(read=True))
    if row is None:
        raise NotFoundError(f"There is no cluster {cluster_id}.")
    return cluster_of(row)


async def lock_cluster(uow: UnitOfWork, cluster_id: UUID, expected: Sequence | None) -> Cluster:
    """The cluster, to be changed. Raises NotFoundError, ForbiddenError, StaleVersionError."""
    statement = select(cluster_table).where(cluster_table.c.id == cluster_id)
    row = await uow.lock(Lock.CLUSTER, statement.with_for_update())
    if row is None:
        raise NotFoundError(f"There is no cluster {cluster_id}.")
    cluster = cluster_of(row)
    uow.actor.must_be_staff("run clusters")
    uow.actor.must_act_in(cluster.country)
    uow.expect(cluster.sequence, expected)
    return cluster


async def save_cluster(uow: UnitOfWork, cluster: Cluster, change: Change) -> Cluster:
    """Write the locked `cluster` as its next version, with the event of `change`."""
    sequence = uow.after(cluster.sequence)
    saved = replace(cluster, sequence=str(sequence))
    await uow.db.execute(
        update(cluster_table).where(cluster_table.c.id == saved.id).values(**_columns(saved))
    )
    await uow.record(CLUSTER, saved.id, sequence, change, ClusterState.of(saved))
    return saved


def _columns(cluster: Cluster) -> dict[str, object]:
    return {**asdict(cluster), "lead_agencies": list(cluster.lead_agencies)}
