"""The life of a payment: its states, and the moves that people make between them.

`draft → submitted → approved → released → sent → settled | failed | unknown`, `settled → returned`,
`held` on the way, until it is sent, and `withdrawn` from a draft. `unknown` is a state of its own:
nobody knows whether the money left, so it stays in transit until the bank says so, and nothing is
ever sent again. The states are ours. The database keeps the same table of moves; a test compares
the two.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from common.errors import IllegalMoveError, Place
from common.money import Money
from common.states import move
from disbursement.errors import TrancheMismatchError, TrancheTooEarlyError
from disbursement.ledger.rules import MovementKind


class PaymentStatus(StrEnum):
    """Where a payment stands. WITHDRAWN: given up as a draft; its tranche is free again."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RELEASED = "released"
    SENT = "sent"
    SETTLED = "settled"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RETURNED = "returned"
    HELD = "held"
    WITHDRAWN = "withdrawn"


_S = PaymentStatus

TRANSITIONS: Mapping[PaymentStatus, frozenset[PaymentStatus]] = MappingProxyType(
    {
        _S.DRAFT: frozenset({_S.SUBMITTED, _S.WITHDRAWN}),
        _S.SUBMITTED: frozenset({_S.APPROVED, _S.DRAFT, _S.HELD}),
        _S.APPROVED: frozenset({_S.RELEASED, _S.DRAFT, _S.HELD}),
        _S.RELEASED: frozenset({_S.SENT, _S.HELD}),
        _S.SENT: frozenset({_S.SETTLED, _S.FAILED, _S.UNKNOWN}),
        _S.SETTLED: frozenset({_S.RETURNED}),
        _S.FAILED: frozenset(),
        _S.UNKNOWN: frozenset({_S.SETTLED, _S.FAILED}),
        _S.RETURNED: frozenset(),
        _S.HELD: frozenset({_S.SUBMITTED, _S.APPROVED, _S.DRAFT}),
        _S.WITHDRAWN: frozenset(),
    }
)


def must_be_whole(amount: Money, tranche: Money, number: int) -> None:
    """Raises TrancheMismatchError unless the payment is of exactly the tranche's amount."""
    if amount != tranche:
        raise TrancheMismatchError(
            f"Tranche {number} is {tranche}; a payment pays a tranche whole, not {amount}.",
            places=[Place("/amount", f"give {format(tranche.amount, 'f')}", "tranche_mismatch")],
            tranche=number,
        )


def must_be_next(number: int, settled: frozenset[int]) -> None:
    """Raises TrancheTooEarlyError unless every earlier tranche is settled.

    The first one is free.
    """
    missing = [earlier for earlier in range(1, number) if earlier not in settled]
    if missing:
        raise TrancheTooEarlyError(
            f"Tranche {number} comes after tranche {missing[0]}, which is not settled.",
            waiting_for=missing,
        )


def submit(present: PaymentStatus) -> PaymentStatus:
    """The status after handing it to the approvers. Raises IllegalMoveError."""
    _must_not_be_held(present)
    return move(TRANSITIONS, present, _S.SUBMITTED, noun="payment")


def approve(present: PaymentStatus) -> PaymentStatus:
    """The status after the last approval. Raises IllegalMoveError."""
    _must_not_be_held(present)
    return move(TRANSITIONS, present, _S.APPROVED, noun="payment")


def _must_not_be_held(present: PaymentStatus) -> None:
    """A held payment goes on by the end of its holds, never by being submitted or approved."""
    if present is _S.HELD:
        raise IllegalMoveError(
            "This payment is held; it goes on when nothing holds it any more.",
            state=present.value,
            allowed=[_S.DRAFT.value],
        )


def reopen(present: PaymentStatus, held_from: PaymentStatus | None) -> MovementKind | None:
    """How the money moves when the payment is revised, which makes it a draft; None: not at all.

    What is held moves from where it lay when it was stopped: a hold takes back what was released,
    so that lies where approved money does. Raises IllegalMoveError when it may not be revised.
    """
    if present is _S.DRAFT:
        return None
    move(TRANSITIONS, present, _S.DRAFT, noun="payment")
    return MovementKind.REVISED if _is_earmarked(present, held_from) else MovementKind.REOPENED


def reject(present: PaymentStatus, held_from: PaymentStatus | None) -> MovementKind:
    """How the money moves when an approver sends the payment back to draft.

    Raises IllegalMoveError; what is approved and not held is revised or held instead.
    """
    if present is _S.APPROVED:
        raise IllegalMoveError(
            "This payment is approved already; hold it, or let its author revise it.",
            state=present.value,
            allowed=sorted(state.value for state in TRANSITIONS[present]),
        )
    move(TRANSITIONS, present, _S.DRAFT, noun="payment")
    return MovementKind.REJECTED if _is_earmarked(present, held_from) else MovementKind.REOPENED


def _is_earmarked(present: PaymentStatus, held_from: PaymentStatus | None) -> bool:
    return (held_from or present) is _S.SUBMITTED


def withdraw(present: PaymentStatus) -> PaymentStatus:
    """The status after it was given up. Raises IllegalMoveError unless it is a draft."""
    return move(TRANSITIONS, present, _S.WITHDRAWN, noun="payment")
