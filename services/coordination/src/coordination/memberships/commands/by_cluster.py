"""What the cluster does with a seat: invite, admit, reject, find dormant, suspend, give a role."""

from uuid import UUID

from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters.commands import hold_cluster
from coordination.clusters.rules import must_be_live
from coordination.commitments.queries import version_in_force
from coordination.memberships import rules
from coordination.memberships.commands import seats
from coordination.memberships.events import (
    FoundDormant,
    Invited,
    Joined,
    Lifted,
    Rejected,
    RoleGiven,
    Suspended,
    Woken,
)
from coordination.memberships.rules import (
    LEADING,
    SITTING,
    Cause,
    Membership,
    MembershipStatus,
    Rejection,
    Role,
)
from coordination.mirrors.partners import hold_partner, must_be_able_to_sit, must_be_known


async def invite_partner(
    uow: UnitOfWork, cluster_id: UUID, partner_id: UUID, *, role: Role = Role.MEMBER
) -> Membership:
    """Offer the partner a seat in `role`.

    Raises ForbiddenError, NotFoundError (no such cluster), PartnerUnknownError,
    ClusterNotLiveError, PartnerIneligibleError, AlreadyMemberError.
    """
    partner = must_be_known(await hold_partner(uow, partner_id), partner_id)
    cluster = await hold_cluster(uow, cluster_id)
    seats.must_decide(uow, partner_id, cluster.country)
    must_be_live(cluster)
    must_be_able_to_sit(partner, uow.now)
    membership = Membership(
        id=uow.ids.new(),
        sequence=str(uow.after(None)),
        partner_id=partner_id,
        cluster_id=cluster_id,
        code=cluster.code,
        country=cluster.country,
        role=role,
        status=MembershipStatus.INVITED,
    )
    return await seats.add(uow, membership, Invited())


async def admit_member(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence | None = None
) -> Membership:
    """Say yes to a request.

    Raises NotFoundError, OwnSeatError, ForbiddenError, StaleVersionError, PartnerUnknownError,
    ClusterNotLiveError, IllegalMoveError, PartnerIneligibleError, CommitmentsMissingError.
    """
    seen = await seats.find(uow, membership_id)
    seats.must_decide(uow, seen.partner_id, seen.country)
    partner, cluster, membership = await seats.lock_at_table(uow, seen, expected)
    must_be_live(cluster)
    current = version_in_force(uow)
    joined = rules.admit(membership, current=current, today=uow.now.date())
    must_be_able_to_sit(partner, uow.now)
    return await seats.save(uow, joined, Joined())


async def reject_membership(
    uow: UnitOfWork,
    membership_id: UUID,
    *,
    rejection: Rejection,
    reason: str,
    expected: Sequence | None = None,
) -> Membership:
    """Say no to a request, or withdraw an invitation. The written `reason` stays private.

    Raises NotFoundError, OwnSeatError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    membership = await _lock(uow, membership_id, expected)
    return await seats.save(
        uow,
        rules.reject(membership),
        Rejected(),
        reason=rejection.value,
        private={"reason": reason},
    )


async def find_member_dormant(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence | None = None
) -> Membership:
    """The member no longer takes part; its seat is kept.

    Raises NotFoundError, OwnSeatError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    membership = await _lock(uow, membership_id, expected)
    return await seats.save(uow, rules.find_dormant(membership), FoundDormant())


async def wake_member(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence | None = None
) -> Membership:
    """The dormant member takes part again. Raises what `admit_member` raises."""
    seen = await seats.find(uow, membership_id)
    seats.must_decide(uow, seen.partner_id, seen.country)
    partner, _, membership = await seats.lock_at_table(uow, seen, expected)
    woken = rules.wake(membership, current=version_in_force(uow))
    must_be_able_to_sit(partner, uow.now)
    return await seats.save(uow, woken, Woken())


async def suspend_seat(
    uow: UnitOfWork, membership_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Membership:
    """The cluster suspends the seat, beside any other cause. The written `reason` stays private.

    Raises NotFoundError, OwnSeatError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    membership = await _lock(uow, membership_id, expected)
    suspended = rules.suspend(membership, Cause.CLUSTER_DECISION)
    if suspended == membership:
        return membership
    change = Suspended(cause=Cause.CLUSTER_DECISION)
    return await seats.save(
        uow, suspended, change, reason=change.cause.value, private={"reason": reason}
    )


async def lift_suspension(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence | None = None
) -> Membership:
    """The cluster lifts what it has laid. A seat whose partner is ineligible stays suspended.

    Raises NotFoundError, OwnSeatError, ForbiddenError, StaleVersionError, PartnerUnknownError,
    NotSuspendedError, PartnerIneligibleError.
    """
    seen = await seats.find(uow, membership_id)
    seats.must_decide(uow, seen.partner_id, seen.country)
    partner, _, membership = await seats.lock_at_table(uow, seen, expected)
    lifted = rules.lift(membership, Cause.CLUSTER_DECISION)
    if lifted.status in SITTING:  # the registry's word may be here, and its reaction not yet
        must_be_able_to_sit(partner, uow.now)
    return await seats.save(uow, lifted, Lifted(cause=Cause.CLUSTER_DECISION))


async def give_role(
    uow: UnitOfWork, membership_id: UUID, *, role: Role, expected: Sequence | None = None
) -> Membership:
    """Give whoever has a seat another role; the present one changes nothing.

    A leading role goes only to a partner that may sit; any partner can lose one.

    Raises NotFoundError, OwnSeatError, ForbiddenError, StaleVersionError, NoSeatError,
    PartnerUnknownError, PartnerIneligibleError, CommitmentsMissingError, SecondLeadError.
    """
    seen = await seats.find(uow, membership_id)
    seats.must_decide(uow, seen.partner_id, seen.country)
    partner = await hold_partner(uow, seen.partner_id)
    membership = await seats.lock(uow, membership_id, expected)
    changed = rules.give_role(membership, role, current=version_in_force(uow))
    if changed == membership:
        return membership
    if role in LEADING:
        must_be_able_to_sit(must_be_known(partner, seen.partner_id), uow.now)
    return await seats.save(uow, changed, RoleGiven(role=role))


async def _lock(uow: UnitOfWork, membership_id: UUID, expected: Sequence | None) -> Membership:
    seen = await seats.find(uow, membership_id)
    seats.must_decide(uow, seen.partner_id, seen.country)
    return await seats.lock(uow, membership_id, expected)
