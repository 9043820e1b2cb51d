"""Agreements: every pair of states, tranches to the last coin, dates, selection."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import IllegalMoveError
from common.money import Money, minor_units
from common.states import move
from disbursement.agreements import rules
from disbursement.agreements.rules import (
    MAX_TRANCHES,
    TRANSITIONS,
    AgreementStatus,
    AgreementType,
    Explicit,
    Justification,
    Selection,
    Weighted,
)
from disbursement.errors import (
    AgreementNotActiveError,
    DatesError,
    ScheduleError,
    SelectionError,
)
from disbursement.grants.rules import SpendingTime
from disbursement.terms import Term, TermName

ALLOWED = {
    ("draft", "review"),
    ("draft", "cancelled"),
    ("review", "signature"),
    ("review", "draft"),
    ("review", "cancelled"),
    ("signature", "signed"),
    ("signature", "draft"),
    ("signature", "cancelled"),
    ("signed", "active"),
    ("signed", "terminated"),
    ("active", "suspended"),
    ("active", "ended"),
    ("active", "terminated"),
    ("suspended", "active"),
    ("suspended", "ended"),
    ("suspended", "terminated"),
    ("ended", "closed"),
}

TERMS = [Term(TermName.SIMPLIFIED_AGREEMENT_MONTHS, 12, date(2018, 1, 1), "practice")]
START = date(2020, 7, 1)


@pytest.mark.parametrize("present, target", list(product(AgreementStatus, AgreementStatus)))
def test_every_pair_of_states_is_allowed_or_refused(
    present: AgreementStatus, target: AgreementStatus
) -> None:
    if (present.value, target.value) in ALLOWED:
        assert move(TRANSITIONS, present, target, noun="agreement") is target
    else:
        with pytest.raises(IllegalMoveError):
            move(TRANSITIONS, present, target, noun="agreement")


@pytest.mark.parametrize("present", list(AgreementStatus))
def test_only_a_signed_agreement_is_activated(present: AgreementStatus) -> None:
    if present is AgreementStatus.SIGNED:
        assert rules.activate(present) is AgreementStatus.ACTIVE
    else:
        with pytest.raises(IllegalMoveError):
            rules.activate(present)


@pytest.mark.parametrize("present", list(AgreementStatus))
def test_only_a_suspended_agreement_is_resumed(present: AgreementStatus) -> None:
    if present is AgreementStatus.SUSPENDED:
        assert rules.resume(present) is AgreementStatus.ACTIVE
    else:
        with pytest.raises(IllegalMoveError):
            rules.resume(present)


@pytest.mark.parametrize("present", list(AgreementStatus))
def test_only_an_active_agreement_is_paid(present: AgreementStatus) -> None:
    if present is AgreementStatus.ACTIVE:
        rules.must_be_active(present)
    else:
        with pytest.raises(AgreementNotActiveError):
            rules.must_be_active(present)


currencies = st.sampled_from(["USD", "XAF", "LYD", "BDT"])
weights = st.lists(
    st.decimals(min_value="0.01", max_value=1000, places=2), min_size=1, max_size=MAX_TRANCHES
)


@given(coins=st.integers(10**6, 10**14), currency=currencies, parts=weights)
def test_tranches_sum_to_the_agreement_to_the_last_coin(
    coins: int, currency: str, parts: list[Decimal]
) -> None:
    amount = Money(Decimal(coins).scaleb(-minor_units(currency)), currency)
    tranches = rules.tranches(amount, Weighted(tuple(parts)))
    assert sum(each.amount.amount for each in tranches) == amount.amount
    assert [each.number for each in tranches] == list(range(1, len(parts) + 1))


@given(coins=st.integers(10**3, 10**14), currency=currencies, parts=st.integers(1, MAX_TRANCHES))
def test_equal_tranches_differ_by_one_coin_at_most(coins: int, currency: str, parts: int) -> None:
    coin = Decimal(1).scaleb(-minor_units(currency))
    tranches = rules.tranches(Money(coins * coin, currency), Weighted.equal(parts))
    amounts = [each.amount.amount for each in tranches]
    assert max(amounts) - min(amounts) <= coin
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize(
    "amount, currency, parts",
    [
        ("845000.00", "USD", ("422500.00", "422500.00")),
        ("100.01", "USD", ("50.00", "50.01")),
        ("1000", "XAF", ("333", "667")),
        ("1.001", "LYD", ("1.000", "0.001")),
    ],
)
def test_explicit_tranches_that_sum_exactly_are_taken(
    amount: str, currency: str, parts: tuple[str, ...]
) -> None:
    tranches = rules.tranches(_money(amount, currency), _explicit(currency, *parts))
    assert [str(each.amount.amount) for each in tranches] == list(parts)


@pytest.mark.parametrize("parts", [("50.00", "50.00"), ("50.00", "50.02"), ("100.01", "0.00")])
def test_explicit_tranches_that_do_not_make_up_the_amount_are_refused(
    parts: tuple[str, ...],
) -> None:
    with pytest.raises(ScheduleError):
        rules.tranches(_money("100.01", "USD"), _explicit("USD", *parts))


@pytest.mark.parametrize(
    "schedule",
    [
        Weighted.equal(3),
        Weighted((Decimal(0), Decimal(1))),
        Weighted((Decimal(0), Decimal(0))),
        Weighted(()),
        Weighted.equal(MAX_TRANCHES + 1),
    ],
)
def test_a_schedule_that_leaves_a_tranche_empty_is_refused(schedule: Weighted) -> None:
    with pytest.raises(ScheduleError):
        rules.tranches(_money("2", "XAF"), schedule)


@pytest.mark.parametrize(
    "selection, justification",
    [(Selection.OPEN_CALL, None), (Selection.DIRECT, Justification.SOLE_ACCESS)],
)
def test_a_selection_recorded_as_it_must_be_is_taken(
    selection: Selection, justification: Justification | None
) -> None:
    rules.must_be_justified(selection, justification)


@pytest.mark.parametrize(
    "selection, justification",
    [(Selection.DIRECT, None), (Selection.OPEN_CALL, Justification.SOLE_ACCESS)],
)
def test_a_direct_selection_and_only_that_is_justified(
    selection: Selection, justification: Justification | None
) -> None:
    with pytest.raises(SelectionError):
        rules.must_be_justified(selection, justification)


@pytest.mark.parametrize(
    "type_, ends_on, grant_ends_on",
    [
        (AgreementType.STANDARD, date(2022, 7, 1), None),
        (AgreementType.SIMPLIFIED, date(2021, 7, 1), None),
        (AgreementType.STANDARD, date(2020, 12, 19), date(2020, 12, 19)),
        (AgreementType.CONTINGENCY, START, None),
    ],
)
def test_an_agreement_within_its_limits_is_taken(
    type_: AgreementType, ends_on: date, grant_ends_on: date | None
) -> None:
    rules.must_run_within(type_, START, ends_on, SpendingTime(None, grant_ends_on), TERMS)


@pytest.mark.parametrize(
    "type_, ends_on, grant_ends_on",
    [
        (AgreementType.STANDARD, date(2020, 6, 30), None),
        (AgreementType.SIMPLIFIED, date(2021, 7, 2), None),
        (AgreementType.STANDARD, date(2020, 12, 20), date(2020, 12, 19)),
    ],
)
def test_an_agreement_beyond_its_limits_is_refused(
    type_: AgreementType, ends_on: date, grant_ends_on: date | None
) -> None:
    with pytest.raises(DatesError):
        rules.must_run_within(type_, START, ends_on, SpendingTime(None, grant_ends_on), TERMS)


def test_an_agreement_begins_no_earlier_than_its_grant_pays() -> None:
    standard, ends_on = AgreementType.STANDARD, date(2020, 12, 1)
    rules.must_run_within(standard, START, ends_on, SpendingTime(START, None), TERMS)
    later = SpendingTime(date(2020, 7, 2), None)
    with pytest.raises(DatesError):
        rules.must_run_within(standard, START, ends_on, later, TERMS)


def _money(amount: str, currency: str) -> Money:
    return Money(Decimal(amount), currency)


def _explicit(currency: str, *parts: str) -> Explicit:
    return Explicit(tuple(_money(part, currency) for part in parts), (None,) * len(parts))
