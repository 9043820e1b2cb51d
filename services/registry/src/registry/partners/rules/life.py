"""The life of a partner: its states, the moves between them, and what each says about eligibility.

A move is named by its deed, because a target alone would say too little: both a review and a
reinstatement end in `active`, and only one of them may follow a suspension.

The states are ours; that due diligence lapses and that only headquarters undoes a lock is the
practice of the UN Partner Portal.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from common.errors import IllegalMoveError
from registry.eligibility.rules import Reason


class Status(StrEnum):
    """Where a partner stands. EXPIRED: its due diligence has lapsed; it may submit again.

    LOCKED: a red flag or a confirmed sanctions match; only headquarters unlocks, and then the
    partner stands where it stood before.
    """

    DRAFT = "draft"
    SUBMITTED = "submitted"
    UNDER_REVIEW = "under_review"
    ACTIVE = "active"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    LOCKED = "locked"


class Deed(StrEnum):
    """What is done to a partner so that its state changes; the value is how a sentence says it."""

    SUBMIT = "submitted"
    START_REVIEW = "taken under review"
    ACTIVATE = "activated"
    REJECT = "rejected"
    SUSPEND = "suspended"
    REINSTATE = "reinstated"
    EXPIRE = "expired"
    LOCK = "locked"
    UNLOCK = "unlocked"


class Move(NamedTuple):
    """From which states a deed leads where; `to` is None for back to where the partner stood."""

    start: frozenset[Status]
    to: Status | None


MOVES: Mapping[Deed, Move] = MappingProxyType(
    {
        Deed.SUBMIT: Move(
            frozenset({Status.DRAFT, Status.REJECTED, Status.EXPIRED}), Status.SUBMITTED
        ),
        Deed.START_REVIEW: Move(frozenset({Status.SUBMITTED}), Status.UNDER_REVIEW),
        Deed.ACTIVATE: Move(frozenset({Status.UNDER_REVIEW}), Status.ACTIVE),
        Deed.REJECT: Move(frozenset({Status.UNDER_REVIEW}), Status.REJECTED),
        Deed.SUSPEND: Move(frozenset({Status.ACTIVE}), Status.SUSPENDED),
        Deed.REINSTATE: Move(frozenset({Status.SUSPENDED}), Status.ACTIVE),
        Deed.EXPIRE: Move(frozenset({Status.ACTIVE}), Status.EXPIRED),
        Deed.LOCK: Move(frozenset(set(Status) - {Status.LOCKED}), Status.LOCKED),
        Deed.UNLOCK: Move(frozenset({Status.LOCKED}), None),
    }
)

TRANSITIONS: Mapping[Status, frozenset[Deed]] = MappingProxyType(
    {
        status: frozenset(deed for deed, move in MOVES.items() if status in move.start)
        for status in Status
    }
)
"""What can be done to a partner in each state."""

OBJECTION: Mapping[Status, Reason | None] = MappingProxyType(
    {
        Status.DRAFT: Reason.INCOMPLETE,
        Status.SUBMITTED: Reason.UNDER_REVIEW,
        Status.UNDER_REVIEW: Reason.UNDER_REVIEW,
        Status.ACTIVE: None,
        Status.REJECTED: Reason.REJECTED,
        Status.SUSPENDED: Reason.SUSPENDED,
        Status.EXPIRED: Reason.EXPIRED,
        Status.LOCKED: Reason.LOCKED,
    }
)
"""What a state alone says against eligibility."""

EDITABLE = frozenset(
    {Status.DRAFT, Status.REJECTED, Status.EXPIRED, Status.ACTIVE, Status.SUSPENDED}
)
"""States in which a partner's facts may change: what a reviewer reads stays as it was submitted."""


def move(present: Status, deed: Deed, *, stood: Status | None = None) -> Status:
    """The state after `deed`; unlocking leads back to where the partner `stood`.

    Raises IllegalMoveError naming the state and everything that can be done in it.
    """
    if deed not in TRANSITIONS[present]:
        allowed = [each for each in Deed if each in TRANSITIONS[present]]
        raise IllegalMoveError(
            f"A partner that is {present.value.replace('_', ' ')} cannot be {deed.value}; "
            f"now it can be {_either([each.value for each in allowed])}.",
            state=present.value,
            allowed=[each.name.lower() for each in allowed],
        )
    target = MOVES[deed].to or stood
    if target is None:
        raise ValueError("a locked partner must remember where it stood")
    return target


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
