"""Payments: every pair of states, holds, the payload's hash, and which evidence proves what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from common.errors import IllegalMoveError
from common.money import Money
from common.states import move
from disbursement.errors import (
    AlreadySentError,
    EvidenceError,
    TrancheMismatchError,
    TrancheTooEarlyError,
)
from disbursement.ledger.rules import MovementKind
from disbursement.payments import rules
from disbursement.payments.rules import (
    TRANSITIONS,
    AccountReference,
    EvidenceKind,
    Outcome,
    Payment,
    PaymentStatus,
)

ALLOWED = {
    ("draft", "submitted"),
    ("submitted", "approved"),
    ("submitted", "draft"),
    ("submitted", "held"),
    ("approved", "released"),
    ("approved", "draft"),
    ("approved", "held"),
    ("released", "sent"),
    ("released", "held"),
    ("sent", "settled"),
    ("sent", "failed"),
    ("sent", "unknown"),
    ("unknown", "settled"),
    ("unknown", "failed"),
    ("settled", "returned"),
    ("held", "submitted"),
    ("held", "approved"),
}

S = PaymentStatus


@pytest.mark.parametrize("present, target", list(product(PaymentStatus, PaymentStatus)))
def test_every_pair_of_states_is_allowed_or_refused(
    present: PaymentStatus, target: PaymentStatus
) -> None:
    if (present.value, target.value) in ALLOWED:
        assert move(TRANSITIONS, present, target, noun="payment") is target
    else:
        with pytest.raises(IllegalMoveError):
            move(TRANSITIONS, present, target, noun="payment")


HOLDS: dict[PaymentStatus, Any] = {
    S.SUBMITTED: None,
    S.APPROVED: None,
    S.RELEASED: MovementKind.RECALLED,
    S.HELD: None,
    S.SENT: AlreadySentError,
    S.UNKNOWN: AlreadySentError,
    S.DRAFT: IllegalMoveError,
    S.SETTLED: IllegalMoveError,
    S.FAILED: IllegalMoveError,
    S.RETURNED: IllegalMoveError,
}


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_a_payment_is_held_until_it_has_left(present: PaymentStatus) -> None:
    expected = HOLDS[present]
    if isinstance(expected, type):
        with pytest.raises(expected):
            rules.hold(present)
    else:
        assert rules.hold(present) is expected


@pytest.mark.parametrize(
    "held_from, then",
    [(S.SUBMITTED, S.SUBMITTED), (S.APPROVED, S.APPROVED), (S.RELEASED, S.APPROVED)],
)
def test_a_payment_resumes_at_most_at_approved(
    held_from: PaymentStatus, then: PaymentStatus
) -> None:
    assert rules.resumed(held_from) is then


REOPENS: dict[PaymentStatus, MovementKind | None] = {
    S.DRAFT: None,
    S.SUBMITTED: MovementKind.REVISED,
    S.APPROVED: MovementKind.REOPENED,
}


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_a_payment_is_revised_until_it_is_released(present: PaymentStatus) -> None:
    if present in REOPENS:
        assert rules.reopen(present) is REOPENS[present]
    else:
        with pytest.raises(IllegalMoveError):
            rules.reopen(present)


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_only_what_is_submitted_is_rejected(present: PaymentStatus) -> None:
    if present is S.SUBMITTED:
        assert rules.reject(present) is S.DRAFT
    else:
        with pytest.raises(IllegalMoveError):
            rules.reject(present)


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_only_a_draft_is_submitted_and_only_what_is_submitted_approved(
    present: PaymentStatus,
) -> None:
    for act, start, end in (
        (rules.submit, S.DRAFT, S.SUBMITTED),
        (rules.approve, S.SUBMITTED, S.APPROVED),
    ):
        if present is start:
            assert act(present) is end
        else:
            with pytest.raises(IllegalMoveError):
                act(present)


PROVEN = {
    (Outcome.SETTLED, EvidenceKind.STATUS_REPORT),
    (Outcome.SETTLED, EvidenceKind.ACCOUNT_STATEMENT),
    (Outcome.SETTLED, EvidenceKind.BANK_CONFIRMATION),
    (Outcome.FAILED, EvidenceKind.STATUS_REPORT),
    (Outcome.FAILED, EvidenceKind.BANK_CONFIRMATION),
    (Outcome.UNKNOWN, EvidenceKind.NO_ANSWER),
    (Outcome.UNKNOWN, EvidenceKind.STATUS_REPORT),
    (Outcome.RETURNED, EvidenceKind.STATUS_REPORT),
    (Outcome.RETURNED, EvidenceKind.ACCOUNT_STATEMENT),
    (Outcome.RETURNED, EvidenceKind.BANK_CONFIRMATION),
}


@pytest.mark.parametrize("outcome, kind", list(product(Outcome, EvidenceKind)))
def test_each_outcome_takes_evidence_that_proves_it(outcome: Outcome, kind: EvidenceKind) -> None:
    present = S.SETTLED if outcome is Outcome.RETURNED else S.SENT
    if (outcome, kind) in PROVEN:
        assert rules.outcome(present, outcome, kind, "AC01").value == outcome.value
    else:
        with pytest.raises(EvidenceError):
            rules.outcome(present, outcome, kind, "AC01")


def test_an_unknown_payment_fails_only_on_the_banks_own_no() -> None:
    kind = EvidenceKind.ACCOUNT_STATEMENT
    with pytest.raises(EvidenceError):
        rules.outcome(S.UNKNOWN, Outcome.FAILED, kind, "AC01")


def test_a_failure_carries_the_banks_reason() -> None:
    with pytest.raises(EvidenceError):
        rules.outcome(S.SENT, Outcome.FAILED, EvidenceKind.STATUS_REPORT, None)


def test_a_tranche_is_paid_whole() -> None:
    rules.must_be_whole(_usd("100.00"), _usd("100.00"), 1)
    with pytest.raises(TrancheMismatchError):
        rules.must_be_whole(_usd("99.99"), _usd("100.00"), 1)


@pytest.mark.parametrize(
    "number, settled, waits_for",
    [
        (1, [], []),
        (2, [1], []),
        (3, [1, 2], []),
        (2, [], [1]),
        (3, [1], [2]),
        (3, [2], [1]),
        (3, [], [1, 2]),
    ],
)
def test_a_tranche_comes_after_every_earlier_one_is_settled(
    number: int, settled: list[int], waits_for: list[int]
) -> None:
    if not waits_for:
        rules.must_be_next(number, frozenset(settled))
        return
    with pytest.raises(TrancheTooEarlyError) as refused:
        rules.must_be_next(number, frozenset(settled))
    assert refused.value.facts["waiting_for"] == waits_for


ID = UUID("0197a1b2-0000-7000-8000-000000000001")
PAYMENT = Payment(
    id=ID,
    sequence="0001-0000000001",
    agreement_id=ID,
    tranche=1,
    grant_id=ID,
    partner_id=ID,
    country="BGD",
    amount=Money(Decimal("250000"), "USD"),
    status=S.SUBMITTED,
    held_from=None,
    revision=1,
    payload_hash="",
    account=AccountReference(ID, 1),
    approvals_required=2,
    approvals_given=0,
    submitted_at=datetime(2020, 7, 1, tzinfo=UTC),
)
OTHER = UUID("0197a1b2-0000-7000-8000-000000000002")


def test_the_payload_has_one_canonical_form() -> None:
    assert rules.payload_of(PAYMENT) == (
        b'{"account":"0197a1b2-0000-7000-8000-000000000001","account_version":1,'
        b'"agreement":"0197a1b2-0000-7000-8000-000000000001","amount":"250000.00","currency":"USD",'
        b'"partner":"0197a1b2-0000-7000-8000-000000000001","revision":1,"tranche":1}'
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"partner_id": OTHER},
        {"agreement_id": OTHER},
        {"tranche": 2},
        {"amount": Money(Decimal("250000.01"), "USD")},
        {"amount": Money(Decimal("250000"), "CHF")},
        {"account": AccountReference(OTHER, 1)},
        {"account": AccountReference(ID, 2)},
        {"account": None},
        {"revision": 2},
    ],
)
def test_whatever_is_paid_differently_hashes_differently(changed: dict[str, Any]) -> None:
    before = rules.hash_of(rules.payload_of(PAYMENT))
    assert rules.hash_of(rules.payload_of(replace(PAYMENT, **changed))) != before


def test_an_amount_hashes_alike_however_it_is_written() -> None:
    same = replace(PAYMENT, amount=Money(Decimal("250000.0000"), "USD"))
    assert rules.payload_of(same) == rules.payload_of(PAYMENT)


def test_the_message_id_is_always_the_same_and_fits_a_bank_message() -> None:
    assert rules.message_id(ID) == rules.message_id(UUID(str(ID)))
    assert rules.message_id(ID) != rules.message_id(OTHER)
    assert len(rules.message_id(ID)) <= 35


def _usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")
