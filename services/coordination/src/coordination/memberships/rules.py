"""A partner's seat in a cluster: how it is taken, kept, suspended and left.

    requested | invited ──► active ⇄ dormant ──► left
            │                  ⇅
            └► declined     suspended ──► left
               rejected

The partner asks, accepts, declines and leaves; the cluster invites, admits, rejects, and finds a
member dormant. A seat is suspended for causes: each is lifted on its own, and when the last one is
gone the seat is what it was before. Somebody who was turned down or left may ask again: that is a
new membership, so that the old one keeps its history. Leaving does not undo what the cluster
decided: whoever left while it had suspended them asks, even where others sit down at once.

Roles, and that members but not observers accept commitments, are the Inter-Agency Standing
Committee's guidance on cluster coordination; the states are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from common.errors import ConflictError, ForbiddenError, IllegalMoveError
from common.states import move
from coordination.clusters.rules import Cluster, Joinability, must_be_live


class MembershipStatus(StrEnum):
    """DORMANT: a member that has not taken part for some time; the seat is kept."""

    REQUESTED = "requested"
    INVITED = "invited"
    ACTIVE = "active"
    DORMANT = "dormant"
    SUSPENDED = "suspended"
    DECLINED = "declined"
    REJECTED = "rejected"
    LEFT = "left"


_S = MembershipStatus

TRANSITIONS: Mapping[MembershipStatus, frozenset[MembershipStatus]] = MappingProxyType(
    {
        _S.REQUESTED: frozenset({_S.ACTIVE, _S.DECLINED, _S.REJECTED}),
        _S.INVITED: frozenset({_S.ACTIVE, _S.DECLINED, _S.REJECTED}),
        _S.ACTIVE: frozenset({_S.DORMANT, _S.SUSPENDED, _S.LEFT}),
        _S.DORMANT: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.LEFT}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.DORMANT, _S.LEFT}),
        _S.DECLINED: frozenset(),
        _S.REJECTED: frozenset(),
        _S.LEFT: frozenset(),
    }
)

PENDING = frozenset({_S.REQUESTED, _S.INVITED})
SITTING = frozenset({_S.ACTIVE, _S.DORMANT})
SEATED = SITTING | {_S.SUSPENDED}
"""A seat is taken; a suspended one is kept for its holder."""
LIVE = PENDING | SEATED


class Role(StrEnum):
    """What the partner is in the cluster. Observers need not accept the commitments."""

    LEAD_AGENCY = "lead_agency"
    CO_COORDINATOR = "co_coordinator"
    MEMBER = "member"
    OBSERVER = "observer"


ASKABLE = frozenset({Role.MEMBER, Role.OBSERVER})
"""The roles that a partner may ask for; the others are given."""


LEADING = frozenset({Role.LEAD_AGENCY, Role.CO_COORDINATOR})
"""The roles that only a partner which may sit is given."""


class Cause(StrEnum):
    """Why a seat is suspended. PARTNER_INELIGIBLE is set and lifted by reaction alone."""

    PARTNER_INELIGIBLE = "partner_ineligible"
    CLUSTER_DECISION = "cluster_decision"


class Rejection(StrEnum):
    """Why the cluster said no, coarsely; the written reason is private."""

    OUTSIDE_MANDATE = "outside_mandate"
    NOT_PRESENT = "not_present"
    DUPLICATE = "duplicate"
    WITHDRAWN = "withdrawn"
    CLUSTER_DEACTIVATED = "cluster_deactivated"
    OTHER = "other"


class InviteOnlyError(ConflictError):
    code = "invite_only"
    title = "This cluster invites its members"


class CommitmentsMissingError(ConflictError):
    code = "commitments_missing"
    title = "The minimum commitments are not accepted"


class CommitmentsOutdatedError(ConflictError):
    code = "commitments_outdated"
    title = "Another version of the commitments is in force"


class NoSeatError(ConflictError):
    code = "no_seat"
    title = "There is no seat to speak of"


class NotSuspendedError(ConflictError):
    code = "not_suspended"
    title = "The cluster has not suspended this seat"


class OwnSeatError(ForbiddenError):
    code = "own_seat"
    title = "Nobody decides on their own seat"


class RoleNotAskableError(ForbiddenError):
    code = "role_not_askable"
    title = "This role is given, not asked for"


@dataclass(frozen=True)
class Membership:
    """A partner's membership of a cluster. `code`, `country`: the cluster's, for reading alone.

    `suspended_for`: why it is suspended; once left, the cluster's decision if that stood then.
    `before`: what the seat was when it was suspended. `commitments_version`: the newest version
    that the partner accepted for this cluster. `sequence`: its version.
    """

    id: UUID
    sequence: str
    partner_id: UUID
    cluster_id: UUID
    code: str
    country: str
    role: Role
    status: MembershipStatus
    suspended_for: frozenset[Cause] = frozenset()
    before: MembershipStatus | None = None
    commitments_version: int | None = None
    joined_on: date | None = None
    left_on: date | None = None

    @property
    def observer(self) -> bool:
        """Whether it sits without a member's duties."""
        return self.role is Role.OBSERVER


def may_ask(membership: Membership, cluster: Cluster) -> None:
    """Whether the partner may ask to join.

    Raises ClusterNotLiveError, InviteOnlyError, RoleNotAskableError.
    """
    must_be_live(cluster)
    if membership.role not in ASKABLE:
        raise RoleNotAskableError(
            f"The role {membership.role.value} is given by the cluster; ask to be a member or an "
            "observer.",
            role=membership.role.value,
        )
    if cluster.joinability is Joinability.INVITE:
        raise InviteOnlyError(
            f"The cluster {cluster.code} in {cluster.country} invites its members; one cannot ask.",
            joinability=cluster.joinability.value,
        )


def accept_commitments(membership: Membership, *, version: int, current: int) -> Membership:
    """The partner accepts `version`.

    Raises NoSeatError when there is no live membership to accept it for, CommitmentsOutdatedError
    unless it is the `current` one.
    """
    if membership.status not in LIVE:
        raise NoSeatError(
            f"This membership is {membership.status.value}; there is nothing to commit to.",
            state=membership.status.value,
        )
    if version != current:
        raise CommitmentsOutdatedError(
            f"Version {version} of the minimum commitments is not the one in force; read and "
            f"accept version {current}.",
            in_force=current,
        )
    return replace(membership, commitments_version=version)


def commitments_due(membership: Membership, current: int) -> bool:
    """Whether the partner still has to accept the commitments in force."""
    return (
        membership.status in LIVE
        and not membership.observer
        and membership.commitments_version != current
    )


def admit(membership: Membership, *, current: int, today: date) -> Membership:
    """The cluster says yes to a request. Raises IllegalMoveError, CommitmentsMissingError."""
    _must_be(membership, _S.REQUESTED, "admitted")
    return _seated(membership, current=current, today=today)


def accept(membership: Membership, *, current: int, today: date) -> Membership:
    """The partner says yes to an invitation. Raises IllegalMoveError, CommitmentsMissingError."""
    _must_be(membership, _S.INVITED, "accepted")
    return _seated(membership, current=current, today=today)


def decline(membership: Membership) -> Membership:
    """The partner says no to an invitation, or withdraws its request. Raises IllegalMoveError."""
    return replace(membership, status=_target(membership, _S.DECLINED))


def reject(membership: Membership) -> Membership:
    """The cluster says no to a request, or withdraws its invitation. Raises IllegalMoveError."""
    return replace(membership, status=_target(membership, _S.REJECTED))


def find_dormant(membership: Membership) -> Membership:
    """The cluster finds that the member no longer takes part. Raises IllegalMoveError."""
    _must_be(membership, _S.ACTIVE, "found dormant")
    return replace(membership, status=_target(membership, _S.DORMANT))


def wake(membership: Membership, *, current: int) -> Membership:
    """The member takes part again. Raises IllegalMoveError, CommitmentsMissingError."""
    _must_be(membership, _S.DORMANT, "woken")
    _must_have_committed(membership, current)
    return replace(membership, status=_target(membership, _S.ACTIVE))


def leave(membership: Membership, *, today: date) -> Membership:
    """The seat is given up; a decision of the cluster stays on it. Raises IllegalMoveError."""
    return replace(
        membership,
        status=_target(membership, _S.LEFT),
        suspended_for=membership.suspended_for & {Cause.CLUSTER_DECISION},
        before=None,
        left_on=today,
    )


def give_role(membership: Membership, role: Role, *, current: int) -> Membership:
    """Another role at the same table. Raises NoSeatError, CommitmentsMissingError."""
    if membership.status not in SEATED:
        raise NoSeatError(
            f"This membership is {membership.status.value}; a role is given to whoever has a seat.",
            state=membership.status.value,
        )
    changed = replace(membership, role=role)
    if membership.observer:
        _must_have_committed(changed, current)
    return changed


def suspend(membership: Membership, cause: Cause) -> Membership:
    """The seat is suspended for `cause`; unchanged when it is already. Raises IllegalMoveError."""
    causes = membership.suspended_for | {cause}
    if membership.status is _S.SUSPENDED:
        return replace(membership, suspended_for=causes)
    return replace(
        membership,
        status=_target(membership, _S.SUSPENDED),
        suspended_for=causes,
        before=membership.status,
    )


def lift(membership: Membership, cause: Cause) -> Membership:
    """`cause` no longer holds: the seat is what it was before, once no cause is left.

    Raises NotSuspendedError when the seat is not suspended for `cause`: nobody lifts what another
    has laid.
    """
    if cause not in membership.suspended_for or membership.before is None:
        raise NotSuspendedError(
            f"This seat is not suspended for {cause.value.replace('_', ' ')}.",
            state=membership.status.value,
            suspended_for=sorted(each.value for each in membership.suspended_for),
        )
    causes = membership.suspended_for - {cause}
    if causes:
        return replace(membership, suspended_for=causes)
    return replace(
        membership,
        status=_target(membership, membership.before),
        suspended_for=causes,
        before=None,
    )


def sits_down_at_once(cluster: Cluster, last_seat: Membership | None) -> bool:
    """Whether whoever asks is seated without a decision; `last_seat`: their newest seat there."""
    return cluster.joinability is Joinability.OPEN and (
        last_seat is None or Cause.CLUSTER_DECISION not in last_seat.suspended_for
    )


def end(membership: Membership, *, today: date) -> Membership:
    """When the cluster is deactivated, a seat is left and an open question closed."""
    return leave(membership, today=today) if membership.status in SEATED else reject(membership)


def _seated(membership: Membership, *, current: int, today: date) -> Membership:
    status = _target(membership, _S.ACTIVE)
    _must_have_committed(membership, current)
    return replace(membership, status=status, joined_on=today)


def _must_have_committed(membership: Membership, current: int) -> None:
    if commitments_due(membership, current):
        raise CommitmentsMissingError(
            f"Accept version {current} of the minimum commitments first; observers need not.",
            in_force=current,
            accepted=membership.commitments_version,
        )


def _target(membership: Membership, target: MembershipStatus) -> MembershipStatus:
    return move(TRANSITIONS, membership.status, target, noun="membership")


def _must_be(membership: Membership, status: MembershipStatus, deed: str) -> None:
    """More than the table of states says: by this deed, the move starts from `status` alone."""
    if membership.status is not status:
        allowed = sorted(state.value for state in TRANSITIONS[membership.status])
        could = f"it can become {', '.join(allowed)}" if allowed else "that state is final"
        raise IllegalMoveError(
            f"A membership that is {membership.status.value} cannot be {deed}, only one that is "
            f"{status.value}; {could}.",
            state=membership.status.value,
            allowed=allowed,
        )
