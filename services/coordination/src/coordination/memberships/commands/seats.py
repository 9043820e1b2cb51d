"""Loading and saving a membership: the part that every command of the slice shares."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, insert, select, update
from sqlalchemy.exc import IntegrityError

from common.aggregate import Change
from common.db.faults import constraint_of
from common.errors import ConflictError, DomainError, NotFoundError
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.clusters.commands import hold_cluster
from coordination.clusters.rules import Cluster
from coordination.locks import Lock
from coordination.memberships.events import MEMBERSHIP, MembershipState
from coordination.memberships.rules import Membership, OwnSeatError
from coordination.memberships.tables import membership_of, membership_table
from coordination.mirrors.partners import Partner, hold_partner, must_be_known


class AlreadyMemberError(ConflictError):
    code = "already_member"
    title = "The partner has a membership of this cluster"


class SecondLeadError(ConflictError):
    code = "second_lead"
    title = "The cluster has a lead agency"


def must_speak(uow: UnitOfWork, partner_id: UUID, country: str) -> None:
    """Whether the actor may act for the partner in `country`. Raises ForbiddenError."""
    uow.actor.must_speak_for(partner_id)
    uow.actor.must_act_in(country)


def must_decide(uow: UnitOfWork, partner_id: UUID, country: str) -> None:
    """Whether the actor may decide for the cluster. Raises OwnSeatError, ForbiddenError.

    A partner's own token decides on no seat: not on its own, and not on another's.
    """
    if uow.actor.partner == partner_id:
        raise OwnSeatError("Nobody decides on their own seat; the cluster's coordinator does.")
    uow.actor.must_be_staff("decide for the cluster")
    uow.actor.must_act_in(country)


async def find(uow: UnitOfWork, membership_id: UUID) -> Membership:
    """The membership as it stands, not locked. Raises NotFoundError."""
    statement = select(membership_table).where(membership_table.c.id == membership_id)
    row = (await uow.db.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no membership {membership_id}.")
    return membership_of(row)


async def lock(
    uow: UnitOfWork, membership_id: UUID, expected: Sequence | None = None
) -> Membership:
    """The membership, to be changed. Raises NotFoundError, StaleVersionError."""
    statement = select(membership_table).where(membership_table.c.id == membership_id)
    row = await uow.lock(Lock.MEMBERSHIP, statement.with_for_update())
    if row is None:
        raise NotFoundError(f"There is no membership {membership_id}.")
    membership = membership_of(row)
    uow.expect(membership.sequence, expected)
    return membership


async def hold_last(uow: UnitOfWork, partner_id: UUID, cluster_id: UUID) -> Membership | None:
    """The newest seat that the partner took in the cluster, kept from changing; None: it took none.

    Held, so that a suspension at this very moment is not overlooked.
    """
    table = membership_table.c
    statement = (
        select(membership_table)
        .where(table.partner_id == partner_id, table.cluster_id == cluster_id)
        .where(table.joined_on.is_not(None))
        .order_by(table.id.desc())
        .limit(1)
        .with_for_update(read=True)
    )
    row = await uow.lock(Lock.MEMBERSHIP, statement)
    return None if row is None else membership_of(row)


async def lock_at_table(
    uow: UnitOfWork, seen: Membership, expected: Sequence | None
) -> tuple[Partner, Cluster, Membership]:
    """The membership, to be changed by a decision that rests on its partner and its cluster too.

    Whose it is never changes, so `seen` tells which rows to lock before it, in order. Raises
    PartnerUnknownError, NotFoundError, StaleVersionError.
    """
    partner = must_be_known(await hold_partner(uow, seen.partner_id), seen.partner_id)
    cluster = await hold_cluster(uow, seen.cluster_id)
    return partner, cluster, await lock(uow, seen.id, expected)


async def add(uow: UnitOfWork, membership: Membership, change: Change) -> Membership:
    """Write a new membership with its first event. Raises AlreadyMemberError, SecondLeadError."""
    await _write(uow, insert(membership_table).values(**_columns(membership)), membership)
    await uow.record(
        MEMBERSHIP,
        membership.id,
        Sequence.parse(membership.sequence),
        change,
        MembershipState.of(membership),
    )
    return membership


async def save(
    uow: UnitOfWork,
    membership: Membership,
    change: Change,
    *,
    reason: str | None = None,
    private: Mapping[str, Any] | None = None,
) -> Membership:
    """Write the locked `membership` as its next version, with its event. Raises SecondLeadError."""
    sequence = uow.after(membership.sequence)
    saved = replace(membership, sequence=str(sequence))
    statement = (
        update(membership_table).where(membership_table.c.id == saved.id).values(**_columns(saved))
    )
    await _write(uow, statement, saved)
    await uow.record(
        MEMBERSHIP,
        saved.id,
        sequence,
        change,
        MembershipState.of(saved),
        reason=reason,
        private=private,
    )
    return saved


async def _write(uow: UnitOfWork, statement: Executable, membership: Membership) -> None:
    try:
        await uow.db.execute(statement)
    except IntegrityError as error:
        refusal = _refusal(constraint_of(error), membership)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(constraint: str | None, membership: Membership) -> DomainError | None:
    where = f"{membership.code} in {membership.country}"
    if constraint == "membership_live_once":
        return AlreadyMemberError(
            f"The partner has a live membership of {where} already; change that one.",
            partner_id=str(membership.partner_id),
            cluster_id=str(membership.cluster_id),
        )
    if constraint == "membership_one_lead":
        return SecondLeadError(
            f"The cluster {where} has a lead agency; give that one another role first.",
            cluster_id=str(membership.cluster_id),
        )
    return None


def _columns(membership: Membership) -> dict[str, object]:
    return {**asdict(membership), "suspended_for": sorted(membership.suspended_for)}
