"""Which deeds are possible in which state, and where they lead."""

from __future__ import annotations

import itertools

import pytest

from common.errors import IllegalMoveError
from registry.eligibility.rules import Reason
from registry.partners.rules.life import OBJECTION, TRANSITIONS, Deed, Status, move

LEADS = {
    (Status.DRAFT, Deed.SUBMIT): Status.SUBMITTED,
    (Status.REJECTED, Deed.SUBMIT): Status.SUBMITTED,
    (Status.EXPIRED, Deed.SUBMIT): Status.SUBMITTED,
    (Status.SUBMITTED, Deed.START_REVIEW): Status.UNDER_REVIEW,
    (Status.UNDER_REVIEW, Deed.ACTIVATE): Status.ACTIVE,
    (Status.UNDER_REVIEW, Deed.REJECT): Status.REJECTED,
    (Status.ACTIVE, Deed.SUSPEND): Status.SUSPENDED,
    (Status.SUSPENDED, Deed.REINSTATE): Status.ACTIVE,
    (Status.ACTIVE, Deed.EXPIRE): Status.EXPIRED,
    (Status.DRAFT, Deed.LOCK): Status.LOCKED,
    (Status.SUBMITTED, Deed.LOCK): Status.LOCKED,
    (Status.UNDER_REVIEW, Deed.LOCK): Status.LOCKED,
    (Status.ACTIVE, Deed.LOCK): Status.LOCKED,
    (Status.REJECTED, Deed.LOCK): Status.LOCKED,
    (Status.SUSPENDED, Deed.LOCK): Status.LOCKED,
    (Status.EXPIRED, Deed.LOCK): Status.LOCKED,
    (Status.LOCKED, Deed.UNLOCK): Status.SUSPENDED,  # where it stood, in this test
}


@pytest.mark.parametrize("present, deed", list(itertools.product(Status, Deed)))
def test_every_deed_leads_where_the_table_says_or_is_refused(present: Status, deed: Deed) -> None:
    if (present, deed) in LEADS:
        assert move(present, deed, stood=Status.SUSPENDED) is LEADS[present, deed]
    else:
        with pytest.raises(IllegalMoveError):
            move(present, deed, stood=Status.SUSPENDED)


def test_a_refusal_names_the_state_and_what_can_be_done_in_it() -> None:
    with pytest.raises(IllegalMoveError) as refused:
        move(Status.UNDER_REVIEW, Deed.SUSPEND)
    assert refused.value.detail == (
        "A partner that is under review cannot be suspended; "
        "now it can be activated, rejected or locked."
    )
    assert refused.value.facts == {
        "state": "under_review",
        "allowed": ["activate", "reject", "lock"],
    }


@pytest.mark.parametrize("stood", [status for status in Status if status is not Status.LOCKED])
def test_unlocking_leads_back_to_where_the_partner_stood(stood: Status) -> None:
    assert move(Status.LOCKED, Deed.UNLOCK, stood=stood) is stood


def test_a_locked_partner_can_only_be_unlocked() -> None:
    assert TRANSITIONS[Status.LOCKED] == {Deed.UNLOCK}


def test_no_state_is_a_dead_end() -> None:
    assert all(TRANSITIONS[status] for status in Status)


def test_only_an_active_partner_has_nothing_against_it() -> None:
    assert [status for status in Status if OBJECTION[status] is None] == [Status.ACTIVE]


def test_a_partner_that_waits_and_one_in_review_look_the_same_from_outside() -> None:
    assert OBJECTION[Status.SUBMITTED] is OBJECTION[Status.UNDER_REVIEW] is Reason.UNDER_REVIEW
