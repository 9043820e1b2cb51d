"""What a partner does with its seat, over HTTP."""

from uuid import UUID

from common.errors import IllegalMoveError
from common.http import Reply, Routes
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters.rules import ClusterNotLiveError
from coordination.memberships.api.views import (
    REQUEST,
    Acceptance,
    Commitment,
    Farewell,
    MembershipRequest,
    MembershipView,
    shown,
)
from coordination.memberships.commands import by_partner as commands
from coordination.memberships.commands.seats import AlreadyMemberError, SecondLeadError
from coordination.memberships.rules import (
    CommitmentsMissingError,
    CommitmentsOutdatedError,
    InviteOnlyError,
    NoSeatError,
    RoleNotAskableError,
)
from coordination.mirrors.partners import PartnerIneligibleError, PartnerUnknownError

routes = Routes(tag="memberships", description="Who sits in which cluster, and as what.")


@routes.command(
    "POST",
    "/clusters/{cluster_id}/requests",
    scope=REQUEST,
    refuses=(
        PartnerUnknownError,
        PartnerIneligibleError,
        ClusterNotLiveError,
        RoleNotAskableError,
        InviteOnlyError,
        CommitmentsOutdatedError,
        CommitmentsMissingError,
        AlreadyMemberError,
    ),
)
async def request_membership(
    uow: UnitOfWork, cluster_id: UUID, body: MembershipRequest
) -> Reply[MembershipView]:
    """Ask to join a cluster.

    An open cluster seats an eligible partner that accepts the commitments at once, a moderated one
    decides, and one that invites takes no requests. A partner that left while the cluster had
    suspended its seat is decided on in an open cluster too. Only a person accepts commitments.
    """
    membership = await commands.request_membership(
        uow,
        cluster_id,
        body.partner_id,
        role=body.role,
        commitments_version=body.commitments_version,
    )
    return Reply.created(
        MembershipView.now(uow, membership),
        at=f"/v1/memberships/{membership.id}",
        sequence=membership.sequence,
    )


@routes.command(
    "POST",
    "/memberships/{membership_id}/accept",
    scope=REQUEST,
    match=True,
    statuses=(200,),
    refuses=(
        IllegalMoveError,
        PartnerUnknownError,
        PartnerIneligibleError,
        ClusterNotLiveError,
        CommitmentsOutdatedError,
        CommitmentsMissingError,
        SecondLeadError,
    ),
)
async def accept_invitation(
    uow: UnitOfWork, membership_id: UUID, body: Acceptance, expected: Sequence
) -> Reply[MembershipView]:
    """Accept an invitation to join.

    Only a person accepts the commitments with it.
    """
    membership = await commands.accept_invitation(
        uow, membership_id, commitments_version=body.commitments_version, expected=expected
    )
    return shown(uow, membership)


@routes.command(
    "POST",
    "/memberships/{membership_id}/decline",
    scope=REQUEST,
    match=True,
    statuses=(200,),
    refuses=(IllegalMoveError,),
)
async def decline_membership(
    uow: UnitOfWork, membership_id: UUID, body: Farewell, expected: Sequence
) -> Reply[MembershipView]:
    """Decline an invitation, or withdraw a request."""
    membership = await commands.decline_membership(
        uow, membership_id, reason=body.reason, expected=expected
    )
    return shown(uow, membership)


@routes.command(
    "POST",
    "/memberships/{membership_id}/leave",
    scope=REQUEST,
    match=True,
    statuses=(200,),
    refuses=(IllegalMoveError,),
)
async def leave_cluster(
    uow: UnitOfWork, membership_id: UUID, body: Farewell, expected: Sequence
) -> Reply[MembershipView]:
    """Leave a cluster."""
    membership = await commands.leave_cluster(
        uow, membership_id, reason=body.reason, expected=expected
    )
    return shown(uow, membership)


@routes.command(
    "POST",
    "/memberships/{membership_id}/accept-commitments",
    scope=REQUEST,
    match=True,
    statuses=(200,),
    refuses=(NoSeatError, CommitmentsOutdatedError),
)
async def accept_commitments(
    uow: UnitOfWork, membership_id: UUID, body: Commitment, expected: Sequence
) -> Reply[MembershipView]:
    """Accept the minimum commitments in force.

    A seat is kept when a new version comes; `commitments_due` shows that it asks again. Only a
    person accepts them.
    """
    membership = await commands.accept_commitments(
        uow, membership_id, version=body.version, expected=expected
    )
    return shown(uow, membership)
