"""What stops a payment, and where it goes on when nothing does any more.

A hold stays open until its own cause ends, also when the held payment is made a draft again: a new
revision is no way out of it.
"""

from collections.abc import Collection
from enum import StrEnum

from common.states import move
from disbursement.errors import AlreadySentError, StillHeldError
from disbursement.ledger.rules import MovementKind
from disbursement.payments.rules.lifecycle import TRANSITIONS, PaymentStatus

_S = PaymentStatus

LEFT = frozenset({_S.SENT, _S.UNKNOWN})
"""Gone, with its outcome open: too late to hold."""

SHOWING_HOLDS = frozenset({_S.HELD, _S.DRAFT})
"""In these, open holds are in effect: they stop it, or will not let it be submitted."""


class HoldCause(StrEnum):
    """Who may lift it: a person's hold a person, ineligibility only the partner's eligibility."""

    PERSON = "person"
    PARTNER_INELIGIBLE = "partner_ineligible"


class HoldReason(StrEnum):
    """Why a person holds a payment, coarse enough to be seen by everyone."""

    UNDER_REVIEW = "under_review"
    DOCUMENTS_MISSING = "documents_missing"
    DUPLICATE_SUSPECTED = "duplicate_suspected"
    ACCOUNT_IN_DOUBT = "account_in_doubt"
    OTHER = "other"


def hold(present: PaymentStatus) -> MovementKind | None:
    """How the money moves when a person holds the payment: back from transit once it was released.

    Raises AlreadySentError when it has left, IllegalMoveError when there is nothing to hold.
    """
    if present is _S.HELD:
        return None
    if present in LEFT:
        raise AlreadySentError(
            "This payment has left; holding it here would stop nothing. Ask the bank to recall it, "
            "and record what the bank answers.",
            state=present.value,
        )
    move(TRANSITIONS, present, _S.HELD, noun="payment")
    return MovementKind.RECALLED if present is _S.RELEASED else None


def resumed(held_from: PaymentStatus | None) -> PaymentStatus:
    """Where a payment lands when its last hold is lifted: at most at approved."""
    return _S.SUBMITTED if held_from is _S.SUBMITTED else _S.APPROVED


def must_be_free(causes: Collection[HoldCause]) -> None:
    """Raises StillHeldError while a draft that was held is not let go by every cause."""
    if causes:
        listed = sorted(cause.value for cause in causes)
        raise StillHeldError(
            f"This payment was held and is not let go yet: {', '.join(listed)}.", holds=listed
        )
