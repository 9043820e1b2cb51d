"""Who may be worked with on a given day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from registry.eligibility.rules import Eligibility, Reason, Verdict, decide

TODAY = date(2020, 6, 22)


def test_verified_and_without_objection_is_eligible() -> None:
    verdict = decide((), verified=True, holds_until=None, today=TODAY)
    assert verdict == Verdict(Eligibility.ELIGIBLE)


def test_the_last_day_is_told() -> None:
    verdict = decide((), verified=True, holds_until=date(2025, 6, 21), today=TODAY)
    assert verdict.eligible_until == date(2025, 6, 21)


@pytest.mark.parametrize(
    "holds_until, eligible",
    [
        (TODAY - timedelta(days=1), False),
        (TODAY, True),
        (TODAY + timedelta(days=1), True),
    ],
)
def test_due_diligence_holds_to_the_end_of_its_last_day(holds_until: date, eligible: bool) -> None:
    verdict = decide((), verified=True, holds_until=holds_until, today=TODAY)
    assert (verdict.eligibility is Eligibility.ELIGIBLE) == eligible
    assert (verdict.reasons == (Reason.EXPIRED,)) != eligible


def test_without_a_verification_nobody_is_eligible() -> None:
    verdict = decide((), verified=False, holds_until=None, today=TODAY)
    assert verdict == Verdict(Eligibility.INELIGIBLE, (Reason.NOT_VERIFIED,))


@pytest.mark.parametrize("reason", Reason)
def test_any_objection_makes_ineligible(reason: Reason) -> None:
    verdict = decide((reason,), verified=True, holds_until=None, today=TODAY)
    assert verdict == Verdict(Eligibility.INELIGIBLE, (reason,))


def test_reasons_are_told_once_and_the_gravest_first() -> None:
    verdict = decide(
        (Reason.INCOMPLETE, Reason.LOCKED, Reason.INCOMPLETE),
        verified=False,
        holds_until=TODAY - timedelta(days=900),
        today=TODAY,
    )
    assert verdict.reasons == (Reason.LOCKED, Reason.INCOMPLETE, Reason.NOT_VERIFIED)


def test_who_is_not_eligible_has_no_last_day() -> None:
    verdict = decide((Reason.SUSPENDED,), verified=True, holds_until=date(2025, 1, 1), today=TODAY)
    assert verdict.eligible_until is None
