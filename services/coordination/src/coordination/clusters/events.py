"""The public contract of an activated cluster: `coordination.cluster.v1`."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, WithJsonSchema
from pydantic.config import JsonDict

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from coordination.clusters.catalogue import CATALOGUE, Setting, known_cluster
from coordination.clusters.rules import Cluster, ClusterStatus, Joinability

ClusterCode = Annotated[
    str,
    AfterValidator(known_cluster),
    WithJsonSchema({"type": "string", "enum": list(CATALOGUE), "examples": ["HEA"]}),
]
"""A cluster or area of responsibility, by its code in the catalogue."""

EXAMPLE: JsonDict = {
    "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c02",
    "crisis_id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c01",
    "code": "CCM",
    "country": "BGD",
    "status": "activated",
    "setting": "disaster",
    "lead_agencies": ["IOM"],
    "iom_led": True,
    "joinability": "moderated",
    "activated_on": "2024-06-20",
    "deactivated_on": None,
}


class ClusterState(PublicModel):
    """A cluster in a country, as everyone may know it. `iom_led`: IOM is among its leads."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    crisis_id: UUID | None
    code: ClusterCode
    country: Country
    status: ClusterStatus
    setting: Setting | None
    lead_agencies: tuple[str, ...]
    iom_led: bool
    joinability: Joinability
    activated_on: date
    deactivated_on: date | None

    @classmethod
    def of(cls, cluster: Cluster) -> "ClusterState":
        """The public state of `cluster`."""
        return cls(
            id=cluster.id,
            crisis_id=cluster.crisis_id,
            code=cluster.code,
            country=cluster.country,
            status=cluster.status,
            setting=cluster.setting,
            lead_agencies=cluster.lead_agencies,
            iom_led=cluster.iom_led,
            joinability=cluster.joinability,
            activated_on=cluster.activated_on,
            deactivated_on=cluster.deactivated_on,
        )


class Activated(Change):
    """The cluster was activated in the country."""

    happened = "activated"


class TransitionBegun(Change):
    """Hand-over to national structures has begun."""

    happened = "transition_begun"


class Resumed(Change):
    """Hand-over was called off; the cluster is fully active again."""

    happened = "resumed"


class Deactivated(Change):
    """The cluster has ended; so have all its seats."""

    happened = "deactivated"


class Rearranged(Change):
    """Who leads it, or how one joins it, has changed."""

    happened = "rearranged"


CLUSTER = Aggregate(
    service="coordination",
    name="cluster",
    table="cluster",
    state=ClusterState,
    changes=(Activated, TransitionBegun, Resumed, Deactivated, Rearranged),
)
