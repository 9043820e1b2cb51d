"""What a cluster does with its seats, over HTTP. Access bound to a partner does none of it."""

from uuid import UUID

from common.errors import IllegalMoveError
from common.http import Reply, Routes
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters.api import WRITE as CLUSTERS_WRITE
from coordination.clusters.events import ClusterState
from coordination.clusters.rules import ClusterNotLiveError
from coordination.memberships.api.views import (
    DECIDE,
    Invitation,
    MembershipView,
    RejectionNotice,
    RoleGift,
    SuspensionNotice,
    shown,
)
from coordination.memberships.commands import by_cluster as commands
from coordination.memberships.commands import consequences
from coordination.memberships.commands.seats import AlreadyMemberError, SecondLeadError
from coordination.memberships.rules import (
    CommitmentsMissingError,
    NoSeatError,
    NotSuspendedError,
    OwnSeatError,
)
from coordination.mirrors.partners import PartnerIneligibleError, PartnerUnknownError

routes = Routes(tag="memberships", description="Who sits in which cluster, and as what.")


@routes.command(
    "POST",
    "/clusters/{cluster_id}/invitations",
    scope=DECIDE,
    refuses=(
        OwnSeatError,
        PartnerUnknownError,
        PartnerIneligibleError,
        ClusterNotLiveError,
        AlreadyMemberError,
    ),
)
async def invite_partner(
    uow: UnitOfWork, cluster_id: UUID, body: Invitation
) -> Reply[MembershipView]:
    """Invite a partner to join a cluster."""
    membership = await commands.invite_partner(uow, cluster_id, body.partner_id, role=body.role)
    return Reply.created(
        MembershipView.now(uow, membership),
        at=f"/v1/memberships/{membership.id}",
        sequence=membership.sequence,
    )


@routes.command(
    "POST",
    "/memberships/{membership_id}/admit",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(
        OwnSeatError,
        IllegalMoveError,
        PartnerUnknownError,
        PartnerIneligibleError,
        ClusterNotLiveError,
        CommitmentsMissingError,
    ),
)
async def admit_member(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence
) -> Reply[MembershipView]:
    """Admit a partner that asked to join.

    It must be eligible, and a member (not an observer) must have accepted the commitments in force.
    """
    return shown(uow, await commands.admit_member(uow, membership_id, expected))


@routes.command(
    "POST",
    "/memberships/{membership_id}/reject",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(OwnSeatError, IllegalMoveError),
)
async def reject_membership(
    uow: UnitOfWork, membership_id: UUID, body: RejectionNotice, expected: Sequence
) -> Reply[MembershipView]:
    """Reject a request, or withdraw an invitation.

    The written reason is kept for auditors and never published.
    """
    membership = await commands.reject_membership(
        uow, membership_id, rejection=body.rejection, reason=body.reason, expected=expected
    )
    return shown(uow, membership)


@routes.command(
    "POST",
    "/memberships/{membership_id}/find-dormant",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(OwnSeatError, IllegalMoveError),
)
async def find_member_dormant(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence
) -> Reply[MembershipView]:
    """Find a member dormant: it has not taken part for some time."""
    return shown(uow, await commands.find_member_dormant(uow, membership_id, expected))


@routes.command(
    "POST",
    "/memberships/{membership_id}/wake",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(
        OwnSeatError,
        IllegalMoveError,
        PartnerUnknownError,
        PartnerIneligibleError,
        CommitmentsMissingError,
    ),
)
async def wake_member(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence
) -> Reply[MembershipView]:
    """Wake a dormant member: it takes part again."""
    return shown(uow, await commands.wake_member(uow, membership_id, expected))


@routes.command(
    "POST",
    "/memberships/{membership_id}/suspend",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(OwnSeatError, IllegalMoveError),
)
async def suspend_seat(
    uow: UnitOfWork, membership_id: UUID, body: SuspensionNotice, expected: Sequence
) -> Reply[MembershipView]:
    """Suspend a seat by the cluster's decision.

    It stands beside a suspension by the partner's ineligibility; each is lifted on its own.
    """
    membership = await commands.suspend_seat(
        uow, membership_id, reason=body.reason, expected=expected
    )
    return shown(uow, membership)


@routes.command(
    "POST",
    "/memberships/{membership_id}/lift-suspension",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(OwnSeatError, NotSuspendedError, PartnerUnknownError, PartnerIneligibleError),
)
async def lift_suspension(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence
) -> Reply[MembershipView]:
    """Lift the cluster's own suspension.

    What the partner's ineligibility has suspended is restored by its eligibility alone.
    """
    return shown(uow, await commands.lift_suspension(uow, membership_id, expected))


@routes.command(
    "POST",
    "/memberships/{membership_id}/give-role",
    scope=DECIDE,
    match=True,
    statuses=(200,),
    refuses=(
        OwnSeatError,
        PartnerUnknownError,
        NoSeatError,
        PartnerIneligibleError,
        CommitmentsMissingError,
        SecondLeadError,
    ),
)
async def give_role(
    uow: UnitOfWork, membership_id: UUID, body: RoleGift, expected: Sequence
) -> Reply[MembershipView]:
    """Give whoever has a seat another role.

    A cluster has one lead agency at most; nobody changes their own role. An ineligible partner is
    not made lead agency or co-coordinator.
    """
    membership = await commands.give_role(uow, membership_id, role=body.role, expected=expected)
    return shown(uow, membership)


@routes.command(
    "POST",
    "/clusters/{cluster_id}/deactivate",
    scope=CLUSTERS_WRITE,
    match=True,
    refuses=(IllegalMoveError, consequences.TableTooLargeError),
)
async def deactivate_cluster(
    uow: UnitOfWork, cluster_id: UUID, expected: Sequence
) -> Reply[ClusterState]:
    """Deactivate a cluster, and end every seat in it.

    Open requests and invitations are closed as well. This is final: a cluster that is needed again
    is activated anew.
    """
    cluster = await consequences.deactivate_cluster(uow, cluster_id, expected)
    return Reply.ok(ClusterState.of(cluster), sequence=cluster.sequence)
