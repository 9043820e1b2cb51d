"""When a crisis is open, and what a GLIDE number looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from common.errors import IllegalMoveError, InvalidError
from coordination.crises import rules
from coordination.crises.rules import TRANSITIONS, Crisis, CrisisStatus

FLOOD = Crisis(
    id=UUID(int=1),
    sequence="0001-0000000001",
    glide="FL-2024-000123-BGD",
    name="Floods",
    onset_on=date(2024, 6, 17),
    countries=("BGD", "MMR"),
    status=CrisisStatus.OPEN,
)


@pytest.mark.parametrize("text", ["FL-2024-000123-BGD", "EP-2020-000012-HTI", "CE-2013-000148-SSD"])
def test_a_glide_number_is_hazard_year_number_country(text: str) -> None:
    assert rules.known_glide(text) == text


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "not a GLIDE number"),
        ("FL-2024-123-BGD", "not a GLIDE number"),
        ("FL-24-000123-BGD", "not a GLIDE number"),
        ("fl-2024-000123-bgd", "not a GLIDE number"),
        ("FL-2024-000123-BGD ", "not a GLIDE number"),
        ("FL-2024-000123-BGD\n", "not a GLIDE number"),
        ("FL-٢٠٢٤-000123-BGD", "not a GLIDE number"),
        ("XX-2024-000123-BGD", "XX is not a hazard"),
        ("FL-2024-000123-ZZZ", "ZZZ is not an ISO 3166-1"),
    ],
)
def test_a_wrong_glide_number_is_told_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rules.known_glide(text)


def test_a_crisis_may_begin_today() -> None:
    assert rules.declare(FLOOD, latest=FLOOD.onset_on) == FLOOD


def test_a_crisis_cannot_begin_tomorrow() -> None:
    with pytest.raises(InvalidError) as refused:
        rules.declare(FLOOD, latest=date(2024, 6, 16))
    assert [place.pointer for place in refused.value.places] == ["/onset_on"]


def test_the_glide_number_is_of_one_of_the_countries() -> None:
    with pytest.raises(InvalidError) as refused:
        rules.declare(replace(FLOOD, countries=("MMR",)), latest=date(2024, 7, 1))
    assert [place.pointer for place in refused.value.places] == ["/glide"]


def test_a_conflict_needs_no_glide_number() -> None:
    conflict = replace(FLOOD, glide=None, countries=("MMR",))
    assert rules.declare(conflict, latest=date(2024, 7, 1)) == conflict


DEEDS = {CrisisStatus.CLOSED: rules.close, CrisisStatus.OPEN: rules.reopen}


@pytest.mark.parametrize("present", CrisisStatus)
@pytest.mark.parametrize("target", CrisisStatus)
def test_every_pair_of_states_is_allowed_or_refused_by_the_table(
    present: CrisisStatus, target: CrisisStatus
) -> None:
    crisis = replace(FLOOD, status=present)
    if target in TRANSITIONS[present]:
        assert DEEDS[target](crisis).status is target
    else:
        with pytest.raises(IllegalMoveError) as refused:
            DEEDS[target](crisis)
        assert refused.value.facts["state"] == present.value


def test_the_table_names_every_state() -> None:
    assert set(TRANSITIONS) == set(CrisisStatus)
