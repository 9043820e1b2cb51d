"""The cluster catalogue and activated clusters over HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from common.codes import Country
from common.errors import IllegalMoveError
from common.http import Page, PageQuery, Reply, Routes
from common.models import InputModel, PublicModel
from common.sequence import Sequence
from common.text import Line
from common.uow import UnitOfWork
from coordination.clusters import commands, queries
from coordination.clusters.catalogue import CATALOGUE, CatalogueCluster, LeadPart, Setting
from coordination.clusters.events import CLUSTER, ClusterCode, ClusterState
from coordination.clusters.rules import (
    ClusterNotLiveError,
    ClusterStatus,
    CrisisClosedError,
    CrisisElsewhereError,
    Joinability,
)

READ = "coordination.clusters.read"
WRITE = "coordination.clusters.write"

routes = Routes(tag="clusters", description="The catalogue, and what is activated where.")

Agencies = Annotated[tuple[Annotated[str, Line(80)], ...], Field(min_length=1, max_length=5)]


MINE_ACTION: JsonDict = {
    "code": "PRO-MIN",
    "name_en": "Mine Action",
    "name_fr": "Action contre les mines",
    "parent": "PRO",
    "global_leads": [{"agency": "UNMAS", "setting": None, "part": "lead"}],
    "hdx_id": 5406,
    "fts_id": 15,
}


class GlobalLeadView(PublicModel):
    """An agency that leads the cluster globally; `setting` is null where it leads in every one."""

    agency: str
    setting: Setting | None
    part: LeadPart


class CatalogueClusterView(PublicModel):
    """A cluster, or (`parent` is set) an area of responsibility of one.

    `hdx_id` and `fts_id` are the same for the eleven clusters only; never join the two lists by
    number beyond them.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [MINE_ACTION]})

    code: ClusterCode
    name_en: str
    name_fr: str
    parent: ClusterCode | None
    global_leads: tuple[GlobalLeadView, ...]
    hdx_id: int
    fts_id: int

    @classmethod
    def of(cls, entry: CatalogueCluster) -> "CatalogueClusterView":
        """The view of a catalogue entry."""
        return cls(
            code=entry.code,
            name_en=entry.name_en,
            name_fr=entry.name_fr,
            parent=entry.parent,
            global_leads=tuple(
                GlobalLeadView(agency=lead.agency, setting=lead.setting, part=lead.part)
                for lead in entry.leads
            ),
            hdx_id=entry.hdx_id,
            fts_id=entry.fts_id,
        )


class ClusterCatalogueView(PublicModel):
    """Every cluster and area of responsibility there is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [MINE_ACTION]}]})

    items: tuple[CatalogueClusterView, ...]


class ClusterActivation(InputModel):
    """A cluster to be activated; its global leads in the `setting` lead unless others are named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "CCM",
                    "country": "BGD",
                    "setting": "disaster",
                    "joinability": "moderated",
                }
            ]
        }
    )

    code: ClusterCode
    country: Country
    crisis_id: UUID | None = None
    setting: Setting | None = None
    lead_agencies: Agencies | None = None
    joinability: Joinability = Joinability.MODERATED


class ClusterArrangement(InputModel):
    """What changes; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"joinability": "open"}]})

    lead_agencies: Agencies | None = None
    joinability: Joinability | None = None


@routes.query("/cluster-catalogue", scope=READ)
async def read_cluster_catalogue(uow: UnitOfWork) -> Reply[ClusterCatalogueView]:
    """Read the cluster catalogue.

    Eleven clusters and protection's four areas of responsibility, with English and French names.
    """
    items = tuple(CatalogueClusterView.of(entry) for entry in CATALOGUE.values())
    return Reply.ok(ClusterCatalogueView(items=items))


@routes.command(
    "POST",
    "/clusters",
    scope=WRITE,
    refuses=(commands.ClusterAlreadyLiveError, CrisisClosedError, CrisisElsewhereError),
)
async def activate_cluster(uow: UnitOfWork, body: ClusterActivation) -> Reply[ClusterState]:
    """Activate a cluster in a country.

    At most one of a code is live in a country. Camp coordination is IOM's in disasters, UNHCR's in
    conflicts: give the `setting`, or name the lead agencies. An agency that convenes is no lead:
    in a disaster, shelter needs its lead agencies named.
    """
    cluster = await commands.activate_cluster(
        uow,
        code=body.code,
        country=body.country,
        crisis_id=body.crisis_id,
        setting=body.setting,
        lead_agencies=body.lead_agencies or (),
        joinability=body.joinability,
    )
    return Reply.created(
        ClusterState.of(cluster), at=f"/v1/clusters/{cluster.id}", sequence=cluster.sequence
    )


@routes.query("/clusters", scope=READ, of=CLUSTER)
async def list_clusters(
    uow: UnitOfWork,
    page: PageQuery,
    country: Country | None = None,
    code: ClusterCode | None = None,
    status: ClusterStatus | None = None,
    crisis_id: UUID | None = None,
) -> Reply[Page[ClusterState]]:
    """List activated clusters.

    Oldest activation first, deactivated ones too, in the countries that your access covers.
    """
    rows = await queries.clusters(
        uow, page, country=country, code=code, status=status, crisis_id=crisis_id
    )
    return Reply.page(Page.of(rows, page, key=lambda row: (row.id,), view=ClusterState.of))


@routes.query("/clusters/{cluster_id}", scope=READ)
async def read_cluster(uow: UnitOfWork, cluster_id: UUID) -> Reply[ClusterState]:
    """Read an activated cluster."""
    cluster = await queries.cluster(uow, cluster_id)
    return Reply.ok(ClusterState.of(cluster), sequence=cluster.sequence)


@routes.command(
    "PATCH", "/clusters/{cluster_id}", scope=WRITE, match=True, refuses=(ClusterNotLiveError,)
)
async def rearrange_cluster(
    uow: UnitOfWork, cluster_id: UUID, body: ClusterArrangement, expected: Sequence
) -> Reply[ClusterState]:
    """Change who leads a cluster, or how one joins it.

    Seats that are taken stay taken.
    """
    cluster = await commands.rearrange_cluster(
        uow,
        cluster_id,
        lead_agencies=body.lead_agencies,
        joinability=body.joinability,
        expected=expected,
    )
    return Reply.ok(ClusterState.of(cluster), sequence=cluster.sequence)


@routes.command(
    "POST",
    "/clusters/{cluster_id}/begin-transition",
    scope=WRITE,
    match=True,
    refuses=(IllegalMoveError,),
)
async def begin_transition(
    uow: UnitOfWork, cluster_id: UUID, expected: Sequence
) -> Reply[ClusterState]:
    """Begin to hand a cluster over to national structures."""
    cluster = await commands.begin_transition(uow, cluster_id, expected)
    return Reply.ok(ClusterState.of(cluster), sequence=cluster.sequence)


@routes.command(
    "POST", "/clusters/{cluster_id}/resume", scope=WRITE, match=True, refuses=(IllegalMoveError,)
)
async def resume_cluster(
    uow: UnitOfWork, cluster_id: UUID, expected: Sequence
) -> Reply[ClusterState]:
    """Call a hand-over off."""
    cluster = await commands.resume_cluster(uow, cluster_id, expected)
    return Reply.ok(ClusterState.of(cluster), sequence=cluster.sequence)
