"""The life of a cluster in a country, from activation to hand-over and deactivation.

Activation, transition and deactivation are the Inter-Agency Standing Committee's (reference module
for cluster coordination at country level); how one joins is ours.
Deactivated is final: a cluster that is needed again is activated anew, with its own history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from common.errors import ConflictError, InvalidError, Place
from common.states import move
from coordination.clusters.catalogue import Setting, global_leads
from coordination.crises.rules import Crisis, CrisisStatus

IOM = "IOM"


class ClusterStatus(StrEnum):
    """TRANSITIONING: coordination is being handed over to national structures."""

    ACTIVATED = "activated"
    TRANSITIONING = "transitioning"
    DEACTIVATED = "deactivated"


TRANSITIONS: Mapping[ClusterStatus, frozenset[ClusterStatus]] = MappingProxyType(
    {
        ClusterStatus.ACTIVATED: frozenset(
            {ClusterStatus.TRANSITIONING, ClusterStatus.DEACTIVATED}
        ),
        ClusterStatus.TRANSITIONING: frozenset(
            {ClusterStatus.ACTIVATED, ClusterStatus.DEACTIVATED}
        ),
        ClusterStatus.DEACTIVATED: frozenset(),
    }
)

LIVE = frozenset({ClusterStatus.ACTIVATED, ClusterStatus.TRANSITIONING})
"""A cluster in one of these states has a table to sit at."""


class Joinability(StrEnum):
    """OPEN: who asks is in. MODERATED: who asks is admitted or not. INVITE: nobody asks."""

    OPEN = "open"
    MODERATED = "moderated"
    INVITE = "invite"


class CrisisClosedError(ConflictError):
    code = "crisis_closed"
    title = "The crisis is closed"


class CrisisElsewhereError(ConflictError):
    code = "crisis_elsewhere"
    title = "The crisis is not in this country"


class ClusterNotLiveError(ConflictError):
    code = "cluster_deactivated"
    title = "The cluster is deactivated"


@dataclass(frozen=True)
class Cluster:
    """A cluster activated in a country. `sequence`: its version."""

    id: UUID
    sequence: str
    crisis_id: UUID | None
    code: str
    country: str
    status: ClusterStatus
    setting: Setting | None
    lead_agencies: tuple[str, ...]
    joinability: Joinability
    activated_on: date
    deactivated_on: date | None = None

    @property
    def live(self) -> bool:
        """Whether one may sit in it."""
        return self.status in LIVE

    @property
    def iom_led(self) -> bool:
        """Whether IOM leads it here, alone or with others."""
        return IOM in self.lead_agencies


def activate(cluster: Cluster, crisis: Crisis | None) -> Cluster:
    """`cluster`, led by its global leads where no agency is named, answering `crisis`.

    Raises CrisisClosedError, CrisisElsewhereError, InvalidError when nobody is named and its global
    leads do not tell who leads it here.
    """
    if crisis is not None and crisis.status is not CrisisStatus.OPEN:
        raise CrisisClosedError(
            f"{crisis.name} is closed; a cluster is activated for an open crisis.",
            state=crisis.status.value,
        )
    if crisis is not None and cluster.country not in crisis.countries:
        raise CrisisElsewhereError(
            f"{crisis.name} is in {', '.join(crisis.countries)}, not in {cluster.country}.",
            countries=list(crisis.countries),
        )
    if cluster.lead_agencies:
        return cluster
    return replace(cluster, lead_agencies=_global_leads(cluster))


def begin_transition(cluster: Cluster) -> Cluster:
    """Hand-over begins. Raises IllegalMoveError."""
    return replace(cluster, status=_moved(cluster, ClusterStatus.TRANSITIONING))


def resume(cluster: Cluster) -> Cluster:
    """Hand-over is called off. Raises IllegalMoveError."""
    return replace(cluster, status=_moved(cluster, ClusterStatus.ACTIVATED))


def deactivate(cluster: Cluster, *, today: date) -> Cluster:
    """The cluster ends. Raises IllegalMoveError."""
    return replace(cluster, status=_moved(cluster, ClusterStatus.DEACTIVATED), deactivated_on=today)


def must_be_live(cluster: Cluster) -> None:
    """Raises ClusterNotLiveError for a cluster that has ended."""
    if not cluster.live:
        raise ClusterNotLiveError(
            f"The cluster {cluster.code} in {cluster.country} was deactivated on "
            f"{cluster.deactivated_on}.",
            state=cluster.status.value,
        )


def _global_leads(cluster: Cluster) -> tuple[str, ...]:
    leads = global_leads(cluster.code, cluster.setting)
    if leads:
        return leads
    if cluster.setting is None:
        place = Place(
            "/setting", "Who leads it depends on the setting: give it, or name the leads."
        )
    else:
        place = Place(
            "/lead_agencies", "No agency leads it globally in this setting: name who does."
        )
    raise InvalidError(f"Nobody is known to lead {cluster.code} here.", places=[place])


def _moved(cluster: Cluster, target: ClusterStatus) -> ClusterStatus:
    return move(TRANSITIONS, cluster.status, target, noun="cluster")
