"""What becomes of seats when something else changes: their partner's eligibility, their cluster."""

from uuid import UUID

from sqlalchemy import select

from common.aggregate import Change
from common.errors import ConflictError
from common.mirrors.mirror import Outcome
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters import rules as clusters
from coordination.clusters.commands import lock_cluster, save_cluster
from coordination.clusters.events import Deactivated
from coordination.clusters.rules import Cluster
from coordination.locks import Lock
from coordination.memberships import rules
from coordination.memberships.commands import seats
from coordination.memberships.events import Left, Lifted, Rejected, Suspended
from coordination.memberships.rules import (
    LIVE,
    SEATED,
    Cause,
    Membership,
    MembershipStatus,
    Rejection,
)
from coordination.memberships.tables import membership_of, membership_table
from coordination.mirrors.partners import hold_partner

SHARE = 500
"""Seats that follow their partner in one transaction; the largest partners have some thousands."""

MAX_ENDED = 2_000
"""Seats that one deactivation ends in its transaction; the largest tables seat some hundreds."""


class TableTooLargeError(ConflictError):
    code = "table_too_large"
    title = "Too many seats to end at once"


async def follow_eligibility(
    uow: UnitOfWork, partner_id: UUID, fresh: bool, *, share: int = SHARE
) -> Outcome:
    """Bring the partner's seats in line with what its mirror says now, at most `share` of them.

    Not eligible: its seats are suspended at once. Eligible: what was suspended for that alone is
    restored to what it was, once the mirror is `fresh`. Running it again changes nothing; the duty
    stays due while there may be more.
    """
    partner = await hold_partner(uow, partner_id)
    if partner is None:
        return Outcome.DONE
    sits = partner.may_sit(uow.now)
    behind = await _lock_seats_behind(uow, partner_id, suspended=sits, share=share)
    if sits and behind and not fresh:
        return Outcome.WAIT
    bring_in_line = _lift if sits else _suspend
    for membership in behind:
        await bring_in_line(uow, membership)
    return Outcome.MORE if len(behind) == share else Outcome.DONE


async def deactivate_cluster(
    uow: UnitOfWork, cluster_id: UUID, expected: Sequence | None = None
) -> Cluster:
    """End the cluster, and with it every seat, request and invitation.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, TableTooLargeError.
    """
    cluster = await lock_cluster(uow, cluster_id, expected)
    today = uow.now.date()
    ended = await save_cluster(uow, clusters.deactivate(cluster, today=today), Deactivated())
    for membership in await _lock_table(uow, cluster_id):
        over = rules.end(membership, today=today)
        change: Change = Left() if over.status is MembershipStatus.LEFT else Rejected()
        await seats.save(uow, over, change, reason=Rejection.CLUSTER_DEACTIVATED.value)
    return ended


async def _suspend(uow: UnitOfWork, membership: Membership) -> None:
    suspended = rules.suspend(membership, Cause.PARTNER_INELIGIBLE)
    change = Suspended(cause=Cause.PARTNER_INELIGIBLE)
    await seats.save(uow, suspended, change, reason=change.cause.value)


async def _lift(uow: UnitOfWork, membership: Membership) -> None:
    lifted = rules.lift(membership, Cause.PARTNER_INELIGIBLE)
    await seats.save(uow, lifted, Lifted(cause=Cause.PARTNER_INELIGIBLE))


async def _lock_seats_behind(
    uow: UnitOfWork, partner_id: UUID, *, suspended: bool, share: int
) -> list[Membership]:
    """Seats of the partner that are, or are not yet, suspended for its ineligibility."""
    table = membership_table
    held = table.c.suspended_for.contains([Cause.PARTNER_INELIGIBLE.value])
    statement = (
        select(table)
        .where(
            table.c.partner_id == partner_id,
            table.c.status.in_(sorted(SEATED)),
            held if suspended else ~held,
        )
        .order_by(table.c.id)
        .limit(share)
        .with_for_update()
    )
    uow.locks(Lock.MEMBERSHIP)
    return [membership_of(row) for row in await uow.db.execute(statement)]


async def _lock_table(uow: UnitOfWork, cluster_id: UUID) -> list[Membership]:
    table = membership_table
    statement = (
        select(table)
        .where(table.c.cluster_id == cluster_id, table.c.status.in_(sorted(LIVE)))
        .order_by(table.c.id)
        .limit(MAX_ENDED + 1)
        .with_for_update()
    )
    uow.locks(Lock.MEMBERSHIP)
    live = [membership_of(row) for row in await uow.db.execute(statement)]
    if len(live) > MAX_ENDED:
        raise TableTooLargeError(
            f"The cluster has more than {MAX_ENDED:,} live memberships; end some of them first.",
            cluster_id=str(cluster_id),
        )
    return live
