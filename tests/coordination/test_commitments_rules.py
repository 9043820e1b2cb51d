"""The minimum commitments, by version."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from coordination.commitments.rules import CATALOGUE, in_force

FIRST = CATALOGUE[0]
SECOND = replace(FIRST, version=FIRST.version + 1, since_on=date(2021, 1, 1))


def test_there_are_ten_commitments_in_two_languages() -> None:
    assert len(FIRST.items) == 10
    assert all(item.text_en and item.text_fr for item in FIRST.items)


@pytest.mark.parametrize("code", ["interpretation", "psea"])
def test_interpretation_and_protection_from_abuse_are_among_them(code: str) -> None:
    assert code in {item.code for item in FIRST.items}


def test_versions_are_counted_from_one_without_gaps() -> None:
    assert [each.version for each in CATALOGUE] == list(range(1, len(CATALOGUE) + 1))


def test_a_new_version_is_in_force_from_its_day() -> None:
    assert in_force((FIRST, SECOND), date(2020, 12, 31)) is FIRST
    assert in_force((FIRST, SECOND), date(2021, 1, 1)) is SECOND


def test_before_the_first_version_nothing_is_in_force() -> None:
    with pytest.raises(LookupError):
        in_force((FIRST,), date(2019, 12, 31))
