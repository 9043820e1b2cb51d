"""What the partner does with its seat: ask, accept, decline, commit, leave."""

from uuid import UUID

from common.aggregate import Change
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters.commands import hold_cluster
from coordination.clusters.rules import must_be_live
from coordination.commitments.queries import version_in_force
from coordination.memberships import rules
from coordination.memberships.commands import seats
from coordination.memberships.events import Committed, Declined, Joined, Left, Requested
from coordination.memberships.rules import Membership, MembershipStatus, Role
from coordination.mirrors.partners import hold_partner, must_be_able_to_sit, must_be_known


async def request_membership(
    uow: UnitOfWork,
    cluster_id: UUID,
    partner_id: UUID,
    *,
    role: Role = Role.MEMBER,
    commitments_version: int | None = None,
) -> Membership:
    """Ask for a seat; in an open cluster, take it at once.

    Whoever left an open cluster while it had suspended them waits for its decision.

    Raises ForbiddenError, NotFoundError (no such cluster), PartnerUnknownError,
    ClusterNotLiveError, RoleNotAskableError, InviteOnlyError, CommitmentsOutdatedError,
    AlreadyMemberError; in an open cluster PartnerIneligibleError and CommitmentsMissingError too.
    """
    uow.actor.must_speak_for(partner_id)
    partner = must_be_known(await hold_partner(uow, partner_id), partner_id)
    cluster = await hold_cluster(uow, cluster_id)
    uow.actor.must_act_in(cluster.country)
    membership = Membership(
        id=uow.ids.new(),
        sequence=str(uow.after(None)),
        partner_id=partner_id,
        cluster_id=cluster_id,
        code=cluster.code,
        country=cluster.country,
        role=role,
        status=MembershipStatus.REQUESTED,
    )
    rules.may_ask(membership, cluster)
    current = version_in_force(uow)
    membership = _committed(uow, membership, commitments_version)
    change: Change = Requested()
    if rules.sits_down_at_once(cluster, await seats.hold_last(uow, partner_id, cluster_id)):
        must_be_able_to_sit(partner, uow.now)
        membership = rules.admit(membership, current=current, today=uow.now.date())
        change = Joined()
    return await seats.add(uow, membership, change)


async def accept_invitation(
    uow: UnitOfWork,
    membership_id: UUID,
    *,
    commitments_version: int | None = None,
    expected: Sequence | None = None,
) -> Membership:
    """Take the seat that was offered.

    Raises NotFoundError, ForbiddenError, StaleVersionError, PartnerUnknownError,
    ClusterNotLiveError, IllegalMoveError, PartnerIneligibleError, CommitmentsOutdatedError,
    CommitmentsMissingError, SecondLeadError.
    """
    seen = await seats.find(uow, membership_id)
    seats.must_speak(uow, seen.partner_id, seen.country)
    partner, cluster, membership = await seats.lock_at_table(uow, seen, expected)
    current = version_in_force(uow)
    must_be_live(cluster)
    if membership.status is MembershipStatus.INVITED:
        must_be_able_to_sit(partner, uow.now)
        membership = _committed(uow, membership, commitments_version)
    joined = rules.accept(membership, current=current, today=uow.now.date())
    return await seats.save(uow, joined, Joined())


async def decline_membership(
    uow: UnitOfWork,
    membership_id: UUID,
    *,
    reason: str | None = None,
    expected: Sequence | None = None,
) -> Membership:
    """Turn the invitation down, or withdraw the request. `reason` stays private.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    membership = await _lock(uow, membership_id, expected)
    return await seats.save(uow, rules.decline(membership), Declined(), private=_private(reason))


async def leave_cluster(
    uow: UnitOfWork,
    membership_id: UUID,
    *,
    reason: str | None = None,
    expected: Sequence | None = None,
) -> Membership:
    """Give the seat up. `reason` stays private.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    membership = await _lock(uow, membership_id, expected)
    left = rules.leave(membership, today=uow.now.date())
    return await seats.save(uow, left, Left(), private=_private(reason))


async def accept_commitments(
    uow: UnitOfWork,
    membership_id: UUID,
    *,
    version: int,
    expected: Sequence | None = None,
) -> Membership:
    """Accept `version` of the minimum commitments for this cluster; once more changes nothing.

    Raises NotFoundError, ForbiddenError, StaleVersionError, NoSeatError, CommitmentsOutdatedError.
    """
    membership = await _lock(uow, membership_id, expected)
    committed = _committed(uow, membership, version)
    if committed == membership:
        return membership
    return await seats.save(uow, committed, Committed(version=version))


async def _lock(uow: UnitOfWork, membership_id: UUID, expected: Sequence | None) -> Membership:
    seen = await seats.find(uow, membership_id)
    seats.must_speak(uow, seen.partner_id, seen.country)
    return await seats.lock(uow, membership_id, expected)


def _committed(uow: UnitOfWork, membership: Membership, version: int | None) -> Membership:
    """A person commits, for the partner or on its behalf: the journal keeps who it was."""
    if version is None:
        return membership
    uow.actor.must_be_human("accept the minimum commitments")
    current = version_in_force(uow)
    return rules.accept_commitments(membership, version=version, current=current)


def _private(reason: str | None) -> dict[str, str] | None:
    return None if reason is None else {"reason": reason}
