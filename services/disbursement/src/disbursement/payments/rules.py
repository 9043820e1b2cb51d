"""The life of a payment: its states, its holds, its payload, and what evidence closes it.

`draft → submitted → approved → released → sent → settled | failed | unknown`, `settled → returned`,
and `held` on the way, until it is sent. `unknown` is a state of its own: nobody knows whether the
money left, so it stays in transit until the bank says so, and nothing is ever sent again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from common.errors import IllegalMoveError, Place
from common.money import Money
from common.states import move
from disbursement.errors import (
    AlreadySentError,
    EvidenceError,
    TrancheMismatchError,
    TrancheTooEarlyError,
)
from disbursement.ledger.rules import Movement, MovementKind


class PaymentStatus(StrEnum):
    """Where a payment stands."""

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


_S = PaymentStatus

TRANSITIONS: Mapping[PaymentStatus, frozenset[PaymentStatus]] = MappingProxyType(
    {
        _S.DRAFT: frozenset({_S.SUBMITTED}),
        _S.SUBMITTED: frozenset({_S.APPROVED, _S.DRAFT, _S.HELD}),
        _S.APPROVED: frozenset({_S.RELEASED, _S.DRAFT, _S.HELD}),
        _S.RELEASED: frozenset({_S.SENT, _S.HELD}),
        _S.SENT: frozenset({_S.SETTLED, _S.FAILED, _S.UNKNOWN}),
        _S.SETTLED: frozenset({_S.RETURNED}),
        _S.FAILED: frozenset(),
        _S.UNKNOWN: frozenset({_S.SETTLED, _S.FAILED}),
        _S.RETURNED: frozenset(),
        _S.HELD: frozenset({_S.SUBMITTED, _S.APPROVED}),
    }
)

HOLDABLE = frozenset({_S.SUBMITTED, _S.APPROVED, _S.RELEASED})
LEFT = frozenset({_S.SENT, _S.UNKNOWN})
"""Gone, with its outcome open: too late to hold."""

NOT_LIVE = frozenset({_S.FAILED, _S.RETURNED})
"""After these the tranche may be paid by another payment."""


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
"""Which evidence proves which outcome."""


@dataclass(frozen=True)
class AccountReference:
    """Which account, in which version, by reference only: the account itself is kept elsewhere."""

    id: UUID
    version: int


@dataclass(frozen=True)
class Payment:
    """A payment as it stands."""

    id: UUID
    sequence: str
    agreement_id: UUID
    tranche: int
    grant_id: UUID
    partner_id: UUID
    country: str
    amount: Money
    status: PaymentStatus
    held_from: PaymentStatus | None
    revision: int
    payload_hash: str
    account: AccountReference | None
    approvals_required: int
    approvals_given: int
    submitted_at: datetime
    released_at: datetime | None = None
    sent_at: datetime | None = None
    settled_on: date | None = None
    returned_on: date | None = None
    failure_code: str | None = None
    confirmed_on: date | None = None

    @classmethod
    def of(cls, row: Any) -> "Payment":
        """From a row by column names: SQLAlchemy's mapping or the driver's record."""
        account = (
            None
            if row["account_id"] is None
            else AccountReference(row["account_id"], row["account_version"])
        )
        return cls(
            id=row["id"],
            sequence=row["sequence"],
            agreement_id=row["agreement_id"],
            tranche=row["tranche"],
            grant_id=row["grant_id"],
            partner_id=row["partner_id"],
            country=row["country"],
            amount=Money(row["amount"], row["currency"]),
            status=PaymentStatus(row["status"]),
            held_from=None if row["held_from"] is None else PaymentStatus(row["held_from"]),
            revision=row["revision"],
            payload_hash=row["payload_hash"],
            account=account,
            approvals_required=row["approvals_required"],
            approvals_given=row["approvals_given"],
            submitted_at=row["submitted_at"],
            released_at=row["released_at"],
            sent_at=row["sent_at"],
            settled_on=row["settled_on"],
            returned_on=row["returned_on"],
            failure_code=row["failure_code"],
            confirmed_on=row["confirmed_on"],
        )

    def moves(self, kind: MovementKind) -> Movement:
        """This payment's amount, moved in the ledger."""
        return Movement(kind, self.amount, self.grant_id, self.agreement_id, self.id)


def payload(
    *,
    partner_id: UUID,
    agreement_id: UUID,
    tranche: int,
    amount: Money,
    account: AccountReference | None,
    revision: int,
) -> bytes:
    """What people approve and the bank is told, in one canonical form: sorted keys, no blanks,
    ASCII.
    """
    facts = {
        "account": None if account is None else str(account.id),
        "account_version": None if account is None else account.version,
        "agreement": str(agreement_id),
        "amount": format(amount.amount, "f"),
        "currency": amount.currency,
        "partner": str(partner_id),
        "revision": revision,
        "tranche": tranche,
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode("ascii")


def hash_of(payload_: bytes) -> str:
    """SHA-256 of a payload, in hexadecimal."""
    return hashlib.sha256(payload_).hexdigest()


def payload_of(payment: Payment) -> bytes:
    """The payload of `payment` as it stands."""
    return payload(
        partner_id=payment.partner_id,
        agreement_id=payment.agreement_id,
        tranche=payment.tranche,
        amount=payment.amount,
        account=payment.account,
        revision=payment.revision,
    )


def message_id(payment_id: UUID) -> str:
    """The end-to-end id of a payment: always the same, at most 35 characters (ISO 20022)."""
    return f"FL{payment_id.hex}"


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
            allowed=[],
        )


REOPENING: Mapping[PaymentStatus, MovementKind | None] = MappingProxyType(
    {
        _S.DRAFT: None,
        _S.SUBMITTED: MovementKind.REVISED,
        _S.APPROVED: MovementKind.REOPENED,
    }
)
"""What a revision does to the money of a payment that stands in each state."""


def reopen(present: PaymentStatus) -> MovementKind | None:
    """How the money moves when the payment is revised.

    Raises IllegalMoveError when it may not be.
    """
    if present not in REOPENING:
        move(TRANSITIONS, present, _S.DRAFT, noun="payment")
    return REOPENING[present]


def reject(present: PaymentStatus) -> PaymentStatus:
    """The status after a rejection.

    Raises IllegalMoveError; what is approved is revised or held instead.
    """
    if present is _S.APPROVED:
        raise IllegalMoveError(
            "This payment is approved already; hold it, or let its author revise it.",
            state=present.value,
            allowed=sorted(state.value for state in TRANSITIONS[present]),
        )
    return move(TRANSITIONS, present, _S.DRAFT, noun="payment")


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


def outcome(
    present: PaymentStatus, outcome_: Outcome, kind: EvidenceKind, reason_code: str | None
) -> PaymentStatus:
    """The status that evidence leads to.

    Raises IllegalMoveError, EvidenceError when this kind does not prove it or a failure has no
    reason.
    """
    status = move(TRANSITIONS, present, PaymentStatus(outcome_.value), noun="payment")
    if kind not in PROOFS[outcome_]:
        accepted = ", ".join(sorted(each.value for each in PROOFS[outcome_]))
        raise EvidenceError(
            f"A {kind.value.replace('_', ' ')} does not prove that the payment is "
            f"{outcome_.value}; that takes one of: {accepted}.",
            places=[Place("/kind", f"one of {accepted}", "evidence")],
        )
    if outcome_ is Outcome.FAILED and reason_code is None:
        raise EvidenceError(
            "A failure carries the bank's reason code.",
            places=[Place("/reason_code", "give the bank's code, such as AC01", "evidence")],
        )
    return status


def takes_two(present: PaymentStatus, outcome_: Outcome) -> bool:
    """Whether evidence waits for a second person.

    A failure or a return frees the tranche: recorded wrongly, it would be paid twice.
    """
    return present is _S.UNKNOWN or outcome_ in (Outcome.FAILED, Outcome.RETURNED)


def must_be_found_again(reference: str | None) -> None:
    """Raises EvidenceError when evidence that takes two people names no place to look it up."""
    if reference is None:
        place = Place("/reference", "say where the bank's word is found", "evidence")
        raise EvidenceError("The second person must be able to find it.", places=[place])


SETTLING: Mapping[Outcome, MovementKind | None] = MappingProxyType(
    {
        Outcome.SETTLED: MovementKind.SETTLED,
        Outcome.FAILED: MovementKind.FAILED,
        Outcome.UNKNOWN: None,  # nobody knows: it stays in transit
        Outcome.RETURNED: MovementKind.RETURNED,
    }
)
"""What an outcome does to the money."""


def must_await_confirmation(present: PaymentStatus) -> None:
    """Raises IllegalMoveError unless the recipient can have got it: sent, unknown or settled."""
    allowed = (_S.SENT, _S.UNKNOWN, _S.SETTLED)
    if present not in allowed:
        raise IllegalMoveError(
            f"This payment is {present.value}; a recipient confirms what was sent.",
            state=present.value,
            allowed=[state.value for state in allowed],
        )
