"""How a seat is taken, kept, suspended and left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from common.errors import DomainError, IllegalMoveError
from coordination.clusters.rules import (
    Cluster,
    ClusterNotLiveError,
    ClusterStatus,
    Joinability,
)
from coordination.memberships import rules
from coordination.memberships.rules import (
    LIVE,
    SEATED,
    SITTING,
    TRANSITIONS,
    Cause,
    CommitmentsMissingError,
    CommitmentsOutdatedError,
    InviteOnlyError,
    Membership,
    MembershipStatus,
    NoSeatError,
    NotSuspendedError,
    Role,
    RoleNotAskableError,
)

S = MembershipStatus
TODAY = date(2024, 6, 24)
CURRENT = 2
ELIGIBILITY, DECISION = Cause.PARTNER_INELIGIBLE, Cause.CLUSTER_DECISION

CLUSTER = Cluster(
    id=UUID(int=2),
    sequence="0001-0000000001",
    crisis_id=None,
    code="HEA",
    country="BGD",
    status=ClusterStatus.ACTIVATED,
    setting=None,
    lead_agencies=("WHO",),
    joinability=Joinability.MODERATED,
    activated_on=TODAY,
)
ASKED = Membership(
    id=UUID(int=3),
    sequence="0001-0000000001",
    partner_id=UUID(int=4),
    cluster_id=CLUSTER.id,
    code="HEA",
    country="BGD",
    role=Role.MEMBER,
    status=S.REQUESTED,
    commitments_version=CURRENT,
)


def in_state(status: MembershipStatus, **facts: object) -> Membership:
    """A membership in `status`, with what belongs to it."""
    given: dict[str, object] = {"status": status}
    if status in SEATED or status is S.LEFT:
        given["joined_on"] = TODAY
    if status is S.SUSPENDED:
        given |= {"suspended_for": frozenset({ELIGIBILITY}), "before": S.ACTIVE}
    return replace(ASKED, **{**given, **facts})  # type: ignore[arg-type]


# --- every deed from every state ----------------------------------------------------------------

DEEDS: dict[str, tuple[Callable[[Membership], Membership], dict[S, S]]] = {
    "admit": (
        lambda it: rules.admit(it, current=CURRENT, today=TODAY),
        {S.REQUESTED: S.ACTIVE},
    ),
    "accept": (
        lambda it: rules.accept(it, current=CURRENT, today=TODAY),
        {S.INVITED: S.ACTIVE},
    ),
    "decline": (rules.decline, {S.REQUESTED: S.DECLINED, S.INVITED: S.DECLINED}),
    "reject": (rules.reject, {S.REQUESTED: S.REJECTED, S.INVITED: S.REJECTED}),
    "find dormant": (rules.find_dormant, {S.ACTIVE: S.DORMANT}),
    "wake": (lambda it: rules.wake(it, current=CURRENT), {S.DORMANT: S.ACTIVE}),
    "leave": (
        lambda it: rules.leave(it, today=TODAY),
        {S.ACTIVE: S.LEFT, S.DORMANT: S.LEFT, S.SUSPENDED: S.LEFT},
    ),
    "suspend": (
        lambda it: rules.suspend(it, DECISION),
        {S.ACTIVE: S.SUSPENDED, S.DORMANT: S.SUSPENDED, S.SUSPENDED: S.SUSPENDED},
    ),
    "lift": (lambda it: rules.lift(it, ELIGIBILITY), {S.SUSPENDED: S.ACTIVE}),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("present", S)
def test_every_deed_from_every_state_does_what_the_table_says(deed: str, present: S) -> None:
    work, moves = DEEDS[deed]
    if present in moves:
        moved = work(in_state(present))
        assert moved.status is moves[present]
        assert moved.status is present or moved.status in TRANSITIONS[present]
    else:
        with pytest.raises((IllegalMoveError, NotSuspendedError)) as refused:
            work(in_state(present))
        assert refused.value.facts["state"] == present.value


@pytest.mark.parametrize("present", S)
@pytest.mark.parametrize("target", S)
def test_every_allowed_move_is_made_by_some_deed_and_no_other_is(present: S, target: S) -> None:
    made = {
        work(in_state(present, before=before)).status
        for work, moves in DEEDS.values()
        for before in ((S.ACTIVE, S.DORMANT) if present is S.SUSPENDED else (None,))
        if present in moves
    } - {present}
    assert (target in made) == (target in TRANSITIONS[present])


@pytest.mark.parametrize("deed", ["admit", "accept", "decline", "leave"])
@pytest.mark.parametrize("present", [S.DECLINED, S.REJECTED, S.LEFT])
def test_an_ended_membership_is_final(deed: str, present: S) -> None:
    with pytest.raises(IllegalMoveError, match="that state is final") as refused:
        DEEDS[deed][0](in_state(present))
    assert refused.value.facts["allowed"] == []


def test_an_invited_partner_is_not_admitted_over_its_head() -> None:
    with pytest.raises(IllegalMoveError, match="only one that is requested"):
        rules.admit(in_state(S.INVITED), current=CURRENT, today=TODAY)


def test_a_partner_does_not_accept_its_own_request() -> None:
    with pytest.raises(IllegalMoveError, match="only one that is invited"):
        rules.accept(ASKED, current=CURRENT, today=TODAY)


def test_the_table_names_every_state() -> None:
    assert set(TRANSITIONS) == set(S)


def test_a_seat_has_its_first_and_its_last_day() -> None:
    seated = rules.admit(ASKED, current=CURRENT, today=date(2024, 6, 1))
    left = rules.leave(seated, today=date(2024, 6, 24))
    assert (left.joined_on, left.left_on) == (date(2024, 6, 1), date(2024, 6, 24))


# --- asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "joinability, role, refusal",
    [
        (Joinability.OPEN, Role.MEMBER, None),
        (Joinability.MODERATED, Role.MEMBER, None),
        (Joinability.MODERATED, Role.OBSERVER, None),
        (Joinability.INVITE, Role.MEMBER, InviteOnlyError),
        (Joinability.OPEN, Role.LEAD_AGENCY, RoleNotAskableError),
        (Joinability.OPEN, Role.CO_COORDINATOR, RoleNotAskableError),
    ],
)
def test_who_may_ask_for_what(
    joinability: Joinability, role: Role, refusal: type[DomainError] | None
) -> None:
    membership = replace(ASKED, role=role)
    cluster = replace(CLUSTER, joinability=joinability)
    if refusal is None:
        rules.may_ask(membership, cluster)
    else:
        with pytest.raises(refusal):
            rules.may_ask(membership, cluster)


def test_nobody_asks_to_join_a_deactivated_cluster() -> None:
    ended = replace(CLUSTER, status=ClusterStatus.DEACTIVATED, deactivated_on=TODAY)
    with pytest.raises(ClusterNotLiveError):
        rules.may_ask(ASKED, ended)


# --- commitments --------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [None, CURRENT - 1])
def test_no_member_is_admitted_without_the_commitments_in_force(accepted: int | None) -> None:
    with pytest.raises(CommitmentsMissingError) as refused:
        rules.admit(replace(ASKED, commitments_version=accepted), current=CURRENT, today=TODAY)
    assert refused.value.facts == {"in_force": CURRENT, "accepted": accepted}


def test_no_invitation_is_accepted_without_the_commitments_in_force() -> None:
    with pytest.raises(CommitmentsMissingError):
        rules.accept(in_state(S.INVITED, commitments_version=None), current=CURRENT, today=TODAY)


def test_no_dormant_member_is_woken_without_the_commitments_in_force() -> None:
    with pytest.raises(CommitmentsMissingError):
        rules.wake(in_state(S.DORMANT, commitments_version=CURRENT - 1), current=CURRENT)


def test_an_observer_need_not_accept_them() -> None:
    observer = replace(ASKED, role=Role.OBSERVER, commitments_version=None)
    assert rules.admit(observer, current=CURRENT, today=TODAY).status is S.ACTIVE


@pytest.mark.parametrize("version", [CURRENT - 1, CURRENT + 1])
def test_only_the_version_in_force_is_accepted(version: int) -> None:
    with pytest.raises(CommitmentsOutdatedError) as refused:
        rules.accept_commitments(ASKED, version=version, current=CURRENT)
    assert refused.value.facts == {"in_force": CURRENT}


@pytest.mark.parametrize("status", S)
def test_commitments_are_accepted_for_a_live_membership_alone(status: S) -> None:
    membership = in_state(status, commitments_version=None)
    if status in LIVE:
        accepted = rules.accept_commitments(membership, version=CURRENT, current=CURRENT)
        assert accepted.commitments_version == CURRENT
    else:
        with pytest.raises(NoSeatError):
            rules.accept_commitments(membership, version=CURRENT, current=CURRENT)


def test_a_new_version_asks_every_member_again_and_takes_no_seat() -> None:
    member = in_state(S.ACTIVE)
    assert not rules.commitments_due(member, CURRENT)
    assert rules.commitments_due(member, CURRENT + 1)


def test_a_new_version_asks_nothing_of_those_who_left() -> None:
    assert not rules.commitments_due(in_state(S.LEFT), CURRENT + 1)


# --- roles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", S)
def test_a_role_is_given_to_whoever_has_a_seat(status: S) -> None:
    membership = in_state(status)
    if status in SEATED:
        given = rules.give_role(membership, Role.CO_COORDINATOR, current=CURRENT)
        assert given.role is Role.CO_COORDINATOR
    else:
        with pytest.raises(NoSeatError):
            rules.give_role(membership, Role.CO_COORDINATOR, current=CURRENT)


def test_an_observer_becomes_a_member_with_the_commitments_only() -> None:
    observer = in_state(S.ACTIVE, role=Role.OBSERVER, commitments_version=None)
    with pytest.raises(CommitmentsMissingError):
        rules.give_role(observer, Role.MEMBER, current=CURRENT)


def test_a_member_gets_a_role_though_a_new_version_is_due() -> None:
    member = in_state(S.ACTIVE, commitments_version=CURRENT - 1)
    assert rules.give_role(member, Role.CO_COORDINATOR, current=CURRENT).role is Role.CO_COORDINATOR


# --- suspension ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", sorted(SITTING))
def test_a_seat_is_restored_to_what_it_was(before: S) -> None:
    suspended = rules.suspend(in_state(before), ELIGIBILITY)
    assert suspended.status is S.SUSPENDED
    assert rules.lift(suspended, ELIGIBILITY) == in_state(before)


def test_suspending_twice_for_one_cause_changes_nothing() -> None:
    suspended = rules.suspend(in_state(S.ACTIVE), ELIGIBILITY)
    assert rules.suspend(suspended, ELIGIBILITY) == suspended


@pytest.mark.parametrize("first", Cause)
@pytest.mark.parametrize("lifted_first", Cause)
def test_a_seat_stays_suspended_until_the_last_cause_is_lifted(
    first: Cause, lifted_first: Cause
) -> None:
    second = next(cause for cause in Cause if cause is not first)
    lifted_last = next(cause for cause in Cause if cause is not lifted_first)
    both = rules.suspend(rules.suspend(in_state(S.DORMANT), first), second)
    half = rules.lift(both, lifted_first)
    assert (half.status, half.suspended_for) == (S.SUSPENDED, frozenset({lifted_last}))
    assert rules.lift(half, lifted_last) == in_state(S.DORMANT)


def test_nobody_lifts_what_another_has_laid() -> None:
    suspended = rules.suspend(in_state(S.ACTIVE), DECISION)
    with pytest.raises(NotSuspendedError) as refused:
        rules.lift(suspended, ELIGIBILITY)
    assert refused.value.facts["suspended_for"] == ["cluster_decision"]


def test_leaving_ends_a_suspension() -> None:
    left = rules.leave(in_state(S.SUSPENDED), today=TODAY)
    assert (left.suspended_for, left.before) == (frozenset(), None)


def test_leaving_does_not_undo_what_the_cluster_decided() -> None:
    both = rules.suspend(in_state(S.SUSPENDED), DECISION)
    assert rules.leave(both, today=TODAY).suspended_for == {DECISION}


@pytest.mark.parametrize("deed", ["suspend", "lift"])
def test_a_seat_left_while_suspended_is_final(deed: str) -> None:
    left = rules.leave(rules.suspend(in_state(S.ACTIVE), DECISION), today=TODAY)
    with pytest.raises((IllegalMoveError, NotSuspendedError)):
        rules.suspend(left, DECISION) if deed == "suspend" else rules.lift(left, DECISION)


# --- the end of the cluster ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, ended",
    [
        (S.REQUESTED, S.REJECTED),
        (S.INVITED, S.REJECTED),
        (S.ACTIVE, S.LEFT),
        (S.DORMANT, S.LEFT),
        (S.SUSPENDED, S.LEFT),
    ],
)
def test_a_deactivated_cluster_ends_every_seat_and_closes_every_question(
    status: S, ended: S
) -> None:
    assert rules.end(in_state(status), today=TODAY).status is ended
