"""What became of a payment that was sent: which evidence proves which outcome, and what it does.

Whatever would free the money takes two people, and so does closing an unknown payment and deciding
between words of the bank that contradict each other. What comes when the outcome stands is kept,
and moves nothing.

The bank's words are those of ISO 20022: a status report is a pain.002, an account statement a
camt.053, a status or reason code one of its external codes. They are read by whoever records them.
That a failure takes the bank's own no, and that silence is a state, are ours.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from common.errors import IllegalMoveError, Place
from common.states import move
from disbursement.errors import ContradictingEvidenceError, DatesError, EvidenceError
from disbursement.ledger.rules import MovementKind
from disbursement.payments.rules.lifecycle import TRANSITIONS, PaymentStatus

_S = PaymentStatus

CLOSED = frozenset({_S.SETTLED, _S.FAILED, _S.RETURNED})
"""The bank has spoken."""

CALENDARS_APART = timedelta(days=1)
"""How far the bank's day may lie before ours: it books by its own calendar, elsewhere."""


class Outcome(StrEnum):
    """What became of a payment that was sent."""

    SETTLED = "settled"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RETURNED = "returned"


class EvidenceKind(StrEnum):
    """Where an outcome is read from."""

    STATUS_REPORT = "status_report"
    ACCOUNT_STATEMENT = "account_statement"
    BANK_CONFIRMATION = "bank_confirmation"
    NO_ANSWER = "no_answer"


class Standing(StrEnum):
    """What a piece of evidence does.

    WAITING for a second person; EFFECTIVE: the payment followed it; RECORDED: kept, the outcome
    stood already; DISMISSED by a second person.
    """

    WAITING = "waiting"
    EFFECTIVE = "effective"
    RECORDED = "recorded"
    DISMISSED = "dismissed"


_BANKS_WORD = frozenset(
    {EvidenceKind.STATUS_REPORT, EvidenceKind.ACCOUNT_STATEMENT, EvidenceKind.BANK_CONFIRMATION}
)

PROOFS: Mapping[Outcome, frozenset[EvidenceKind]] = MappingProxyType(
    {
        Outcome.SETTLED: _BANKS_WORD,
        # A statement without the booking proves nothing: only the bank's own "no" does.
        Outcome.FAILED: frozenset({EvidenceKind.STATUS_REPORT, EvidenceKind.BANK_CONFIRMATION}),
        Outcome.UNKNOWN: frozenset({EvidenceKind.NO_ANSWER, EvidenceKind.STATUS_REPORT}),
        Outcome.RETURNED: _BANKS_WORD,
    }
)
"""Which evidence proves which outcome; a status report some only with the status in `STATUSES`."""

STATUSES: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        # Not ACSC: the debtor's side is settled, and the money may still come back.
        Outcome.SETTLED: ("ACCC", "the creditor's account was credited"),
        Outcome.FAILED: ("RJCT", "the payment was rejected"),
    }
)
"""The status with which a report proves an outcome, and what it says."""

SETTLING: Mapping[Outcome, MovementKind | None] = MappingProxyType(
    {
        Outcome.SETTLED: MovementKind.SETTLED,
        Outcome.FAILED: MovementKind.FAILED,
        Outcome.UNKNOWN: None,  # nobody knows: it stays in transit
        Outcome.RETURNED: MovementKind.RETURNED,
    }
)
"""What an outcome does to the money."""

FREEING = frozenset({Outcome.FAILED, Outcome.RETURNED})
"""These give the money back to the agreement and free the tranche."""


def standing(
    present: PaymentStatus, outcome: Outcome, waiting: Collection[Outcome] = ()
) -> Standing:
    """What evidence of `outcome` does to a payment, beside the outcomes that evidence `waiting` for
    a second person names.

    Raises IllegalMoveError when the payment was not sent, or cannot have become that.
    """
    target = PaymentStatus(outcome.value)
    if present in CLOSED and target not in TRANSITIONS[present]:
        return Standing.RECORDED
    move(TRANSITIONS, present, target, noun="payment")
    if takes_two(present, outcome) or contradicting(outcome, waiting):
        return Standing.WAITING
    return Standing.EFFECTIVE


def takes_two(present: PaymentStatus, outcome: Outcome) -> bool:
    """Whether this outcome waits for a second person, whatever else was said.

    A failure or a return frees the tranche: recorded wrongly, it would be paid twice.
    """
    return present is _S.UNKNOWN or outcome in FREEING


def contradicting(outcome: Outcome, waiting: Collection[Outcome]) -> list[Outcome]:
    """Those of `waiting` that say otherwise. That nobody knows contradicts nothing."""
    if outcome is Outcome.UNKNOWN:
        return []
    return sorted(set(waiting) - {outcome, Outcome.UNKNOWN})


def must_be_undisputed(outcome: Outcome, waiting: Collection[Outcome]) -> None:
    """Raises ContradictingEvidenceError while evidence that waits names another outcome."""
    others = contradicting(outcome, waiting)
    if others:
        raise ContradictingEvidenceError(
            f"Other evidence says that this payment is {', '.join(others)}. Find out from the bank "
            "which is right, and dismiss the other.",
            outcomes=[each.value for each in others],
        )


def must_prove(
    outcome: Outcome,
    kind: EvidenceKind,
    *,
    reason_code: str | None = None,
    status_code: str | None = None,
) -> None:
    """Raises EvidenceError when this kind does not prove it, a status report has another status, or
    a failure has no reason.
    """
    if kind not in PROOFS[outcome]:
        accepted = ", ".join(sorted(each.value for each in PROOFS[outcome]))
        raise EvidenceError(
            f"A {kind.value.replace('_', ' ')} does not prove that the payment is "
            f"{outcome.value}; that takes one of: {accepted}.",
            places=[Place("/kind", f"one of {accepted}", "evidence")],
        )
    if kind is EvidenceKind.STATUS_REPORT and outcome in STATUSES:
        _must_report(outcome, status_code)
    if outcome is Outcome.FAILED and reason_code is None:
        raise EvidenceError(
            "A failure carries the bank's reason code.",
            places=[Place("/reason_code", "give the bank's code, such as AC01", "evidence")],
        )


def _must_report(outcome: Outcome, status_code: str | None) -> None:
    proving, meaning = STATUSES[outcome]
    if status_code == proving:
        return
    said = f"with {status_code}" if status_code else "without a status"
    others = PROOFS[outcome] - {EvidenceKind.STATUS_REPORT}
    raise EvidenceError(
        f"A status report {said} does not prove that the payment is {outcome.value}: only "
        f"{proving} says that {meaning}. Wait for it, or record one of: "
        f"{', '.join(sorted(each.value for each in others))}.",
        places=[Place("/status_code", f"{proving}, once the bank reports it", "evidence")],
    )


def must_be_found_again(reference: str | None) -> None:
    """Raises EvidenceError when evidence that takes two people names no place to look it up."""
    if reference is None:
        place = Place("/reference", "say where the bank's word is found", "evidence")
        raise EvidenceError("The second person must be able to find it.", places=[place])


def must_follow_sending(day: date, sent_at: datetime | None, *, pointer: str) -> None:
    """Raises DatesError for a day on which the payment cannot have been anywhere yet."""
    if sent_at is not None and day < sent_at.date() - CALENDARS_APART:
        raise _too_early(day, "sent", sent_at.date(), pointer)


def must_follow_settlement(day: date, settled_on: date | None, *, pointer: str) -> None:
    """Raises DatesError for a return from before the money arrived."""
    if settled_on is not None and day < settled_on:
        raise _too_early(day, "settled", settled_on, pointer)


def _too_early(day: date, deed: str, since: date, pointer: str) -> DatesError:
    return DatesError(
        f"{day.isoformat()} is too early: the payment was {deed} on {since.isoformat()}.",
        places=[Place(pointer, f"not before it was {deed}", "dates")],
    )


def must_await_confirmation(present: PaymentStatus) -> None:
    """Raises IllegalMoveError unless the recipient can have got it: sent, unknown or settled."""
    allowed = (_S.SENT, _S.UNKNOWN, _S.SETTLED)
    if present not in allowed:
        raise IllegalMoveError(
            f"This payment is {present.value}; a recipient confirms what was sent.",
            state=present.value,
            allowed=[state.value for state in allowed],
        )
