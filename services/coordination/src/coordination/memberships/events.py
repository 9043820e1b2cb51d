"""The public contract of a membership: `coordination.membership.v1`."""

from datetime import date
from uuid import UUID

from pydantic import ConfigDict
from pydantic.config import JsonDict

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from coordination.clusters.events import ClusterCode
from coordination.memberships.rules import Cause, Membership, MembershipStatus, Role

EXAMPLE: JsonDict = {
    "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c03",
    "partner_id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c04",
    "cluster_id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c02",
    "cluster_code": "HEA",
    "country": "BGD",
    "role": "member",
    "status": "active",
    "suspended_for": [],
    "commitments_version": 1,
    "joined_on": "2024-06-24",
    "left_on": None,
}


class MembershipState(PublicModel):
    """A partner's membership of a cluster, as everyone may know it.

    `suspended_for`: the causes while it is suspended; `cluster_decision` stays when the partner
    leaves meanwhile. `commitments_version`: the newest version of the minimum commitments that the
    partner accepted here. `joined_on`: when the seat was taken.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    partner_id: UUID
    cluster_id: UUID
    cluster_code: ClusterCode
    country: Country
    role: Role
    status: MembershipStatus
    suspended_for: tuple[Cause, ...]
    commitments_version: int | None
    joined_on: date | None
    left_on: date | None

    @classmethod
    def of(cls, membership: Membership) -> "MembershipState":
        """The public state of `membership`."""
        return cls(
            id=membership.id,
            partner_id=membership.partner_id,
            cluster_id=membership.cluster_id,
            cluster_code=membership.code,
            country=membership.country,
            role=membership.role,
            status=membership.status,
            suspended_for=tuple(sorted(membership.suspended_for)),
            commitments_version=membership.commitments_version,
            joined_on=membership.joined_on,
            left_on=membership.left_on,
        )


class Requested(Change):
    """The partner asked to join."""

    happened = "requested"


class Invited(Change):
    """The cluster invited the partner."""

    happened = "invited"


class Joined(Change):
    """The seat was taken: a request admitted, an invitation accepted, or an open table joined."""

    happened = "joined"


class Declined(Change):
    """The partner declined the invitation, or withdrew its request."""

    happened = "declined"


class Rejected(Change):
    """The cluster rejected the request, or withdrew its invitation."""

    happened = "rejected"


class FoundDormant(Change):
    """The member has not taken part for some time."""

    happened = "found_dormant"


class Woken(Change):
    """The member takes part again."""

    happened = "woken"


class Suspended(Change):
    """The seat is suspended for `cause`, beside any other."""

    happened = "suspended"

    cause: Cause


class Lifted(Change):
    """`cause` no longer suspends the seat; the status tells whether another still does."""

    happened = "lifted"

    cause: Cause


class Left(Change):
    """The seat was given up, or ended with its cluster."""

    happened = "left"


class Committed(Change):
    """The partner accepted a version of the minimum commitments."""

    happened = "committed"

    version: int


class RoleGiven(Change):
    """The partner has another role at the same table."""

    happened = "role_given"

    role: Role


MEMBERSHIP = Aggregate(
    service="coordination",
    name="membership",
    table="membership",
    state=MembershipState,
    changes=(
        Requested,
        Invited,
        Joined,
        Declined,
        Rejected,
        FoundDormant,
        Woken,
        Suspended,
        Lifted,
        Left,
        Committed,
        RoleGiven,
    ),
)
