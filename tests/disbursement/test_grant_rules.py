"""Grants: codes in real, dirty forms; windows, deadlines, funders, receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest

from common.money import Money
from disbursement.errors import (
    BeyondGrantError,
    ChainError,
    CodeMismatchError,
    DatesError,
    UnknownTermError,
)
from disbursement.grants import rules
from disbursement.grants.codes import CerfCodes, Window, find_codes
from disbursement.grants.rules import Funder, FunderRole, Source
from disbursement.terms import Term, TermName, months_after, term

DONOR = Funder(FunderRole.DONOR, "A donor")
FUND = Funder(FunderRole.FUND, "CERF")
BETWEEN = Funder(FunderRole.INTERMEDIARY, "Another agency")

SIX_MONTHS = Term(TermName.RAPID_RESPONSE_MONTHS, 6, date(2006, 1, 1), "the fund's guideline")
TODAY = date(2020, 6, 22)


@pytest.mark.parametrize(
    "text, project, application, window",
    [
        ("20-UF-IOM-027", "20-UF-IOM-027", None, "underfunded_emergencies"),
        ("14-UFE-CEF-129", "14-UFE-CEF-129", None, "underfunded_emergencies"),
        ("20-RR-IOM-001", "20-RR-IOM-001", None, "rapid_response"),
        ("part of 20-RR-FPA-022/UOH46", "20-RR-FPA-022", None, "rapid_response"),
        ("23-RR-AFG-61441", None, "23-RR-AFG-61441", "rapid_response"),
        ("CERF-GTM-26-RR-1521", None, "CERF-GTM-26-RR-1521", "rapid_response"),
        ("cerf-gtm-26-rr-1521 ", None, "CERF-GTM-26-RR-1521", "rapid_response"),
        (
            "20-RR-IOM-027 (application 20-RR-BGD-43712)",
            "20-RR-IOM-027",
            "20-RR-BGD-43712",
            "rapid_response",
        ),
        ("20-rr-iom-027", "20-RR-IOM-027", None, "rapid_response"),
        ("120-RR-IOM-027", None, None, None),
        ("20-RR-IOM-0271234", None, None, None),
        ("20-XX-IOM-027", None, None, None),
        ("٢٠-RR-IOM-027", None, None, None),
        ("", None, None, None),
        (None, None, None, None),
    ],
)
def test_codes_are_found_in_whatever_stands_around_them(
    text: str | None, project: str | None, application: str | None, window: str | None
) -> None:
    assert find_codes(text) == CerfCodes(
        project, application, None if window is None else Window(window)
    )


def test_the_window_is_read_from_the_code() -> None:
    codes = find_codes("20-UF-IOM-027")
    assert rules.cerf_window(Source.CERF, None, codes) is Window.UNDERFUNDED_EMERGENCIES


def test_a_window_that_the_code_contradicts_is_refused() -> None:
    with pytest.raises(CodeMismatchError):
        rules.cerf_window(Source.CERF, Window.RAPID_RESPONSE, find_codes("20-UF-IOM-027"))


def test_a_cerf_grant_without_any_window_is_refused() -> None:
    with pytest.raises(CodeMismatchError):
        rules.cerf_window(Source.CERF, None, CerfCodes())


def test_a_window_outside_cerf_is_refused() -> None:
    with pytest.raises(CodeMismatchError):
        rules.cerf_window(Source.DONOR, Window.RAPID_RESPONSE, CerfCodes())


@pytest.mark.parametrize(
    "day, months, then",
    [
        (date(2020, 6, 19), 6, date(2020, 12, 19)),
        (date(2020, 8, 31), 6, date(2021, 2, 28)),
        (date(2019, 8, 31), 6, date(2020, 2, 29)),
        (date(2020, 12, 31), 12, date(2021, 12, 31)),
        (date(2020, 1, 31), 1, date(2020, 2, 29)),
    ],
)
def test_months_later_is_the_same_day_or_the_months_last(
    day: date, months: int, then: date
) -> None:
    assert months_after(day, months) == then


def test_rapid_response_counts_six_months_from_the_funds_payment() -> None:
    ends = rules.deadline(Window.RAPID_RESPONSE, date(2020, 6, 19), None, [SIX_MONTHS])
    assert ends == rules.Deadline(date(2020, 12, 19), "the fund's guideline")


def test_a_deadline_agreed_in_writing_goes_before_the_windows_rule() -> None:
    ends = rules.deadline(Window.RAPID_RESPONSE, date(2020, 6, 19), date(2021, 3, 31), [SIX_MONTHS])
    assert ends is not None
    assert ends.ends_on == date(2021, 3, 31)


def test_there_is_no_deadline_before_the_fund_paid() -> None:
    assert rules.deadline(Window.RAPID_RESPONSE, None, None, [SIX_MONTHS]) is None


ROUNDS = [
    Term(TermName.UNDERFUNDED_FIRST_ROUND_MONTHS, 12, date(2006, 1, 1), "the first round's rule"),
    Term(TermName.UNDERFUNDED_SECOND_ROUND_MONTHS, 18, date(2006, 1, 1), "the second's"),
]


@pytest.mark.parametrize(
    "cerf_round, ends_on", [(1, date(2020, 12, 31)), (2, date(2021, 6, 30)), (None, None)]
)
def test_underfunded_emergencies_are_spent_by_the_end_of_their_round(
    cerf_round: int | None, ends_on: date | None
) -> None:
    assert _end_of_round(cerf_round, approved_on=TODAY, disbursed_on=TODAY) == ends_on


@pytest.mark.parametrize("cerf_round, ends_on", [(1, date(2020, 12, 31)), (2, date(2021, 6, 30))])
def test_a_round_keeps_its_year_when_the_fund_pays_in_the_next(
    cerf_round: int, ends_on: date
) -> None:
    approved_on, disbursed_on = date(2020, 9, 15), date(2021, 1, 12)
    assert _end_of_round(cerf_round, approved_on, disbursed_on) == ends_on


def test_a_round_comes_with_the_approval_that_tells_its_year() -> None:
    rules.must_tell_its_year(2, TODAY)
    rules.must_tell_its_year(None, None)
    with pytest.raises(DatesError) as refused:
        rules.must_tell_its_year(2, None)
    assert [place.pointer for place in refused.value.places] == ["/approved_on"]


def test_the_rounds_rule_is_the_one_that_held_when_the_fund_approved() -> None:
    newer = Term(TermName.UNDERFUNDED_SECOND_ROUND_MONTHS, 24, date(2021, 1, 1), "a newer rule")
    approved_on, disbursed_on = date(2020, 9, 15), date(2021, 1, 12)
    assert _end_of_round(2, approved_on, disbursed_on, [*ROUNDS, newer]) == date(2021, 6, 30)


def _end_of_round(
    cerf_round: int | None,
    approved_on: date,
    disbursed_on: date,
    terms: Sequence[Term] = ROUNDS,
) -> date | None:
    ends = rules.deadline(
        Window.UNDERFUNDED_EMERGENCIES,
        disbursed_on,
        None,
        terms,
        approved_on=approved_on,
        cerf_round=cerf_round,
    )
    return ends.ends_on if ends else None


def test_a_later_rule_in_months_goes_before_the_rounds() -> None:
    later = Term(TermName.UNDERFUNDED_MONTHS, 9, date(2020, 1, 1), "a later guideline")
    ends = rules.deadline(
        Window.UNDERFUNDED_EMERGENCIES,
        TODAY,
        None,
        [*ROUNDS, later],
        approved_on=TODAY,
        cerf_round=1,
    )
    assert ends == rules.Deadline(date(2021, 3, 22), "a later guideline")


@pytest.mark.parametrize("window", [Window.RAPID_RESPONSE, None])
def test_only_underfunded_emergencies_have_rounds(window: Window | None) -> None:
    rules.must_have_rounds(Window.UNDERFUNDED_EMERGENCIES, 1)
    rules.must_have_rounds(window, None)
    with pytest.raises(CodeMismatchError):
        rules.must_have_rounds(window, 1)


def test_the_term_that_held_on_the_day_counts() -> None:
    longer = Term(TermName.RAPID_RESPONSE_MONTHS, 9, date(2020, 7, 1), "a later guideline")
    terms = [longer, SIX_MONTHS]
    assert term(terms, TermName.RAPID_RESPONSE_MONTHS, date(2020, 6, 30)) is SIX_MONTHS
    assert term(terms, TermName.RAPID_RESPONSE_MONTHS, date(2020, 7, 1)) is longer


def test_a_day_that_no_term_covers_is_refused() -> None:
    with pytest.raises(UnknownTermError):
        term([SIX_MONTHS], TermName.RAPID_RESPONSE_MONTHS, date(2005, 12, 31))


@pytest.mark.parametrize("source", list(Source))
def test_each_source_has_a_usual_chain(source: Source) -> None:
    assert rules.funding_chain(source, []) == rules.funding_chain(
        source, rules.funding_chain(source, [])
    )


@pytest.mark.parametrize(
    "source, funders",
    [
        (Source.CERF, [FUND]),
        (Source.CERF, [FUND, DONOR]),
        (Source.CERF, [DONOR]),
        (Source.CERF, [DONOR, FUND, FUND]),
        (Source.DONOR, [DONOR, FUND]),
        (Source.DONOR, [BETWEEN]),
    ],
)
def test_a_chain_that_does_not_hold_together_is_refused(
    source: Source, funders: list[Funder]
) -> None:
    with pytest.raises(ChainError):
        rules.funding_chain(source, funders)


@pytest.mark.parametrize(
    "chain, fund, donor",
    [
        ([DONOR, FUND], 1, 2),
        ([DONOR, FUND, BETWEEN], 2, 3),
        ([DONOR], None, 1),
        ([DONOR, BETWEEN], None, 2),
    ],
)
def test_layers_are_counted_from_the_fund_and_from_the_donor(
    chain: list[Funder], fund: int | None, donor: int | None
) -> None:
    assert rules.layers_from(chain, FunderRole.FUND) == fund
    assert rules.layers_from(chain, FunderRole.DONOR) == donor


def test_receipts_up_to_the_grant_fit() -> None:
    rules.must_fit(_usd(40), _usd(60), _usd(100))


def test_receipts_beyond_the_grant_are_refused() -> None:
    with pytest.raises(BeyondGrantError):
        rules.must_fit(_usd("40.01"), _usd(60), _usd(100))


@pytest.mark.parametrize(
    "approved, disbursed",
    [
        (date(2020, 6, 23), None),
        (None, date(2020, 6, 23)),
        (date(2020, 6, 12), date(2020, 6, 11)),
    ],
)
def test_dates_that_cannot_be_are_refused(approved: date | None, disbursed: date | None) -> None:
    with pytest.raises(DatesError):
        rules.must_be_in_order(approved, disbursed, TODAY)


def _usd(amount: int | str) -> Money:
    return Money(Decimal(amount), "USD")
