"""Working days, shares and localities."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disbursement.transparency.rules import (
    Days,
    Gift,
    Locality,
    days_between,
    locality,
    shares,
    summary,
)

FRIDAY = date(2020, 6, 19)


@pytest.mark.parametrize(
    "start, end, calendar, working",
    [
        (FRIDAY, FRIDAY, 0, 0),
        (FRIDAY, date(2020, 6, 20), 1, 0),
        (FRIDAY, date(2020, 6, 22), 3, 1),
        (FRIDAY, date(2020, 6, 26), 7, 5),
        (FRIDAY, date(2020, 7, 6), 17, 11),
        (date(2020, 6, 20), date(2020, 6, 21), 1, 0),
        (date(2020, 6, 22), FRIDAY, -3, -1),
    ],
)
def test_days_are_counted_on_the_calendar_and_at_work(
    start: date, end: date, calendar: int, working: int
) -> None:
    assert days_between(start, end) == Days(calendar, working)


@given(st.dates(date(2000, 1, 1), date(2050, 1, 1)), st.integers(0, 400))
def test_working_days_are_the_weekdays_after_the_first_day(start: date, length: int) -> None:
    counted = sum((start + timedelta(days=n)).weekday() < 5 for n in range(1, length + 1))
    assert days_between(start, start + timedelta(days=length)) == Days(length, counted)


@pytest.mark.parametrize(
    "seen, expected",
    [
        ("yes", Locality.YES),
        ("no", Locality.NO),
        ("undetermined", Locality.UNDETERMINED),
        ("perhaps", Locality.UNDETERMINED),
        (None, Locality.UNDETERMINED),
    ],
)
def test_what_the_registry_does_not_say_is_undetermined(
    seen: str | None, expected: Locality
) -> None:
    assert locality(seen) is expected


def test_the_undetermined_are_counted_on_neither_side() -> None:
    found = shares(
        (gift, gift.paid)
        for gift in (
            _gift(60, "local_ngo", Locality.YES),
            _gift(30, "international_ngo", Locality.NO),
            _gift(10, None, Locality.UNDETERMINED),
        )
    )
    assert [found.to_local, found.not_local, found.undetermined] == [Decimal(60), 30, 10]
    assert found.share(found.to_local) == Decimal("0.6000")


def test_a_kind_that_we_do_not_know_is_not_civil_society() -> None:
    gifts = [_gift(50, "ministry", Locality.NO), _gift(50, "local_ngo", Locality.YES)]
    found = shares((gift, gift.paid) for gift in gifts)
    assert found.to_civil_society == 50


def test_a_share_of_nothing_is_none() -> None:
    found = shares([])
    assert found.share(found.to_local) is None


def test_median_and_mean_have_one_decimal() -> None:
    found = summary([10, 11, 20, 21])
    assert found is not None
    assert (found.count, str(found.median), str(found.mean)) == (4, "15.5", "15.5")


def test_there_is_no_median_of_nothing() -> None:
    assert summary([]) is None


def _gift(paid: int, kind: str | None, local: Locality) -> Gift:
    return Gift(committed=Decimal(paid), paid=Decimal(paid), kind=kind, local=local)
