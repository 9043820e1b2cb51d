"""Payments: every pair of states, holds, the payload's hash, and which evidence proves what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
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
    ContradictingEvidenceError,
    DatesError,
    EvidenceError,
    StillHeldError,
    TrancheMismatchError,
    TrancheTooEarlyError,
)
from disbursement.ledger.rules import MovementKind
from disbursement.payments.rules import evidence, holds, lifecycle, payment
from disbursement.payments.rules.evidence import EvidenceKind, Outcome, Standing
from disbursement.payments.rules.holds import HoldCause
from disbursement.payments.rules.lifecycle import TRANSITIONS, PaymentStatus
from disbursement.payments.rules.payment import AccountReference, Payment

ALLOWED = {
    ("draft", "submitted"),
    ("draft", "withdrawn"),
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
    ("held", "draft"),
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
    S.WITHDRAWN: IllegalMoveError,
}


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_a_payment_is_held_until_it_has_left(present: PaymentStatus) -> None:
    expected = HOLDS[present]
    if isinstance(expected, type):
        with pytest.raises(expected):
            holds.hold(present)
    else:
        assert holds.hold(present) is expected


@pytest.mark.parametrize(
    "held_from, then",
    [(S.SUBMITTED, S.SUBMITTED), (S.APPROVED, S.APPROVED), (S.RELEASED, S.APPROVED)],
)
def test_a_payment_resumes_at_most_at_approved(
    held_from: PaymentStatus, then: PaymentStatus
) -> None:
    assert holds.resumed(held_from) is then


Stands = tuple[PaymentStatus, PaymentStatus | None]
EVERY_STAND: list[Stands] = [
    *((status, None) for status in PaymentStatus if status is not S.HELD),
    *((S.HELD, held_from) for held_from in (S.SUBMITTED, S.APPROVED, S.RELEASED)),
]
REOPENS: dict[Stands, MovementKind | None] = {
    (S.DRAFT, None): None,
    (S.SUBMITTED, None): MovementKind.REVISED,
    (S.APPROVED, None): MovementKind.REOPENED,
    (S.HELD, S.SUBMITTED): MovementKind.REVISED,
    (S.HELD, S.APPROVED): MovementKind.REOPENED,
    (S.HELD, S.RELEASED): MovementKind.REOPENED,
}
REJECTS: dict[Stands, MovementKind] = {
    (S.SUBMITTED, None): MovementKind.REJECTED,
    (S.HELD, S.SUBMITTED): MovementKind.REJECTED,
    (S.HELD, S.APPROVED): MovementKind.REOPENED,
    (S.HELD, S.RELEASED): MovementKind.REOPENED,
}


@pytest.mark.parametrize("stands", EVERY_STAND)
def test_a_payment_is_revised_until_it_is_released_and_while_it_is_held(stands: Stands) -> None:
    if stands in REOPENS:
        assert lifecycle.reopen(*stands) is REOPENS[stands]
    else:
        with pytest.raises(IllegalMoveError):
            lifecycle.reopen(*stands)


@pytest.mark.parametrize("stands", EVERY_STAND)
def test_only_what_is_submitted_or_held_is_rejected(stands: Stands) -> None:
    if stands in REJECTS:
        assert lifecycle.reject(*stands) is REJECTS[stands]
    else:
        with pytest.raises(IllegalMoveError):
            lifecycle.reject(*stands)


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_only_a_draft_is_withdrawn(present: PaymentStatus) -> None:
    if present is S.DRAFT:
        assert lifecycle.withdraw(present) is S.WITHDRAWN
    else:
        with pytest.raises(IllegalMoveError):
            lifecycle.withdraw(present)


@pytest.mark.parametrize("present", list(PaymentStatus))
def test_only_a_draft_is_submitted_and_only_what_is_submitted_approved(
    present: PaymentStatus,
) -> None:
    for act, start, end in (
        (lifecycle.submit, S.DRAFT, S.SUBMITTED),
        (lifecycle.approve, S.SUBMITTED, S.APPROVED),
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


STATUSES = {Outcome.SETTLED: "ACCC", Outcome.FAILED: "RJCT"}


@pytest.mark.parametrize("outcome, kind", list(product(Outcome, EvidenceKind)))
def test_each_outcome_takes_evidence_that_proves_it(outcome: Outcome, kind: EvidenceKind) -> None:
    said = {"reason_code": "AC01", "status_code": STATUSES.get(outcome)}
    if (outcome, kind) in PROVEN:
        evidence.must_prove(outcome, kind, **said)
    else:
        with pytest.raises(EvidenceError):
            evidence.must_prove(outcome, kind, **said)


def test_a_failure_carries_the_banks_reason() -> None:
    with pytest.raises(EvidenceError):
        evidence.must_prove(Outcome.FAILED, EvidenceKind.STATUS_REPORT, status_code="RJCT")
    with pytest.raises(EvidenceError):
        evidence.must_prove(Outcome.FAILED, EvidenceKind.BANK_CONFIRMATION)


@pytest.mark.parametrize("outcome", STATUSES)
@pytest.mark.parametrize(
    "code", ["ACCC", "RJCT", "ACSC", "ACSP", "ACCP", "PDNG", "CANC", "CPUC", "accc", "rjct", None]
)
def test_a_status_report_settles_with_the_credit_and_fails_with_the_rejection(
    outcome: Outcome, code: str | None
) -> None:
    said = {"reason_code": "AC01", "status_code": code}
    if code == STATUSES[outcome]:
        evidence.must_prove(outcome, EvidenceKind.STATUS_REPORT, **said)
    else:
        with pytest.raises(EvidenceError, match=STATUSES[outcome]) as refused:
            evidence.must_prove(outcome, EvidenceKind.STATUS_REPORT, **said)
        assert [place.pointer for place in refused.value.places] == ["/status_code"]


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.RETURNED])
def test_no_other_outcome_asks_for_the_status(outcome: Outcome) -> None:
    evidence.must_prove(outcome, EvidenceKind.STATUS_REPORT, reason_code="AC01")


STANDING: dict[tuple[PaymentStatus, Outcome], Standing] = {
    (S.SENT, Outcome.SETTLED): Standing.EFFECTIVE,
    (S.SENT, Outcome.FAILED): Standing.WAITING,
    (S.SENT, Outcome.UNKNOWN): Standing.EFFECTIVE,
    (S.UNKNOWN, Outcome.SETTLED): Standing.WAITING,
    (S.UNKNOWN, Outcome.FAILED): Standing.WAITING,
    (S.SETTLED, Outcome.RETURNED): Standing.WAITING,
    # the outcome stands: whatever the bank says now is kept
    (S.SETTLED, Outcome.SETTLED): Standing.RECORDED,
    (S.SETTLED, Outcome.FAILED): Standing.RECORDED,
    (S.SETTLED, Outcome.UNKNOWN): Standing.RECORDED,
    **{(S.FAILED, outcome): Standing.RECORDED for outcome in Outcome},
    **{(S.RETURNED, outcome): Standing.RECORDED for outcome in Outcome},
}


@pytest.mark.parametrize("present, outcome", list(product(PaymentStatus, Outcome)))
def test_evidence_takes_effect_waits_is_kept_or_refused(
    present: PaymentStatus, outcome: Outcome
) -> None:
    if (present, outcome) in STANDING:
        assert evidence.standing(present, outcome) is STANDING[present, outcome]
    else:
        with pytest.raises(IllegalMoveError):
            evidence.standing(present, outcome)


@pytest.mark.parametrize(
    "outcome, waiting, disputed",
    [
        (Outcome.SETTLED, [], False),
        (Outcome.SETTLED, [Outcome.SETTLED], False),
        (Outcome.SETTLED, [Outcome.FAILED], True),
        (Outcome.FAILED, [Outcome.FAILED, Outcome.SETTLED], True),
        (Outcome.SETTLED, [Outcome.UNKNOWN], False),
        (Outcome.UNKNOWN, [Outcome.FAILED], False),
    ],
)
def test_evidence_is_disputed_by_what_waits_and_names_another_outcome(
    outcome: Outcome, waiting: list[Outcome], disputed: bool
) -> None:
    if not disputed:
        evidence.must_be_undisputed(outcome, waiting)
        return
    with pytest.raises(ContradictingEvidenceError):
        evidence.must_be_undisputed(outcome, waiting)


def test_what_contradicts_evidence_that_waits_takes_no_effect_at_once() -> None:
    assert evidence.standing(S.SENT, Outcome.SETTLED, [Outcome.FAILED]) is Standing.WAITING


SENT_AT = datetime(2020, 7, 6, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", [date(2020, 7, 5), date(2020, 7, 6)])
def test_the_banks_day_may_be_the_one_before_ours(day: date) -> None:
    evidence.must_follow_sending(day, SENT_AT, pointer="/occurred_on")


def test_nothing_happened_to_a_payment_before_it_was_sent() -> None:
    with pytest.raises(DatesError):
        evidence.must_follow_sending(date(2020, 7, 4), SENT_AT, pointer="/occurred_on")


def test_nothing_comes_back_before_it_arrived() -> None:
    settled = date(2020, 7, 6)
    evidence.must_follow_settlement(settled, settled, pointer="/occurred_on")
    with pytest.raises(DatesError):
        evidence.must_follow_settlement(date(2020, 7, 5), settled, pointer="/occurred_on")


def test_a_draft_is_not_free_while_something_holds_it() -> None:
    holds.must_be_free([])
    with pytest.raises(StillHeldError):
        holds.must_be_free([HoldCause.PERSON])


def test_a_tranche_is_paid_whole() -> None:
    lifecycle.must_be_whole(_usd("100.00"), _usd("100.00"), 1)
    with pytest.raises(TrancheMismatchError):
        lifecycle.must_be_whole(_usd("99.99"), _usd("100.00"), 1)


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
        lifecycle.must_be_next(number, frozenset(settled))
        return
    with pytest.raises(TrancheTooEarlyError) as refused:
        lifecycle.must_be_next(number, frozenset(settled))
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
    assert payment.payload_of(PAYMENT) == (
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
    before = payment.hash_of(payment.payload_of(PAYMENT))
    assert payment.hash_of(payment.payload_of(replace(PAYMENT, **changed))) != before


def test_an_amount_hashes_alike_however_it_is_written() -> None:
    same = replace(PAYMENT, amount=Money(Decimal("250000.0000"), "USD"))
    assert payment.payload_of(same) == payment.payload_of(PAYMENT)


def test_the_message_id_is_always_the_same_and_fits_a_bank_message() -> None:
    assert payment.message_id(ID) == payment.message_id(UUID(str(ID)))
    assert payment.message_id(ID) != payment.message_id(OTHER)
    assert len(payment.message_id(ID)) <= 35


def _usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")
