"""Who is a local or national actor, and on what evidence."""

from __future__ import annotations

import pytest

from registry.partners.rules.kinds import CROSSWALK, Kind
from registry.partners.rules.localisation import (
    AID_RECIPIENTS,
    Affiliation,
    Evidence,
    Local,
    localise,
)

HOME = Evidence.HEADQUARTERS_IN_RECIPIENT_COUNTRY
YES, NO, OPEN = Local.YES, Local.NO, Local.UNDETERMINED
NONE, NETWORK = Affiliation.NONE, Affiliation.NETWORK
INGO = Affiliation.INTERNATIONAL_NGO


@pytest.mark.parametrize(
    "kind, country, countries, affiliation, local",
    [
        # the three conditions, each missing in turn
        (Kind.NATIONAL_NGO, "BGD", ["BGD"], NONE, YES),
        (Kind.NATIONAL_NGO, "NOR", ["NOR"], NONE, NO),
        (Kind.NATIONAL_NGO, "BGD", ["MMR"], NONE, OPEN),
        (Kind.NATIONAL_NGO, "BGD", ["BGD"], INGO, NO),
        # a network is no affiliation
        (Kind.LOCAL_NGO, "SSD", ["SSD"], NETWORK, YES),
        # what is not stated is not known
        (Kind.LOCAL_NGO, "SSD", ["SSD"], None, OPEN),
        (Kind.LOCAL_NGO, "SSD", [], NONE, OPEN),
        # cross-border: at home and abroad is at home
        (Kind.COMMUNITY_BASED_ORGANIZATION, "TUR", ["SYR", "TUR"], NONE, YES),
        (Kind.COMMUNITY_BASED_ORGANIZATION, "TUR", ["SYR"], NONE, OPEN),
        # a clear no wins over what is not known
        (Kind.NATIONAL_NGO, "BGD", [], INGO, NO),
        (Kind.NATIONAL_NGO, "NOR", [], None, NO),
        # international by kind, wherever it is registered
        (Kind.INTERNATIONAL_NGO, "BGD", ["BGD"], NONE, NO),
        (Kind.INTERNATIONALLY_AFFILIATED_NGO, "BGD", ["BGD"], NONE, NO),
        (Kind.RCRC_INTERNATIONAL, "CHE", ["SDN"], None, NO),
        # the Movement
        (Kind.RCRC_NATIONAL_SOCIETY, "SDN", ["SDN"], None, YES),
        (Kind.RCRC_NATIONAL_SOCIETY, "SDN", [], None, OPEN),
        (Kind.RCRC_NATIONAL_SOCIETY, "NOR", ["SDN"], None, NO),
        # by headquarters
        (Kind.UNIVERSITY_RESEARCH, "BGD", ["BGD"], NONE, OPEN),
        (Kind.UNIVERSITY_RESEARCH, "DEU", ["BGD"], NONE, NO),
        (Kind.PHILANTHROPIC_FOUNDATION, "LBY", ["LBY"], NONE, YES),
        (Kind.PHILANTHROPIC_FOUNDATION, "USA", ["LBY"], NONE, NO),
        (Kind.NON_PROFIT_MEDIA, "HTI", ["HTI"], NONE, YES),
        (Kind.PROFESSIONAL_ASSOCIATION, "CAF", ["CAF"], None, OPEN),
    ],
)
def test_who_is_local(
    kind: Kind, country: str, countries: list[str], affiliation: Affiliation | None, local: Local
) -> None:
    answer = localise(kind, country=country, countries=countries, affiliation=affiliation)
    assert answer.local is local
    assert answer.evidence


def test_a_yes_names_every_condition() -> None:
    answer = localise(Kind.LOCAL_NGO, country="HTI", countries=["HTI"], affiliation=NETWORK)
    assert answer.evidence == (HOME, Evidence.WORKS_AT_HOME, Evidence.INDEPENDENT_IN_NETWORK)


def test_an_open_answer_says_what_is_not_known() -> None:
    answer = localise(Kind.LOCAL_NGO, country="HTI", countries=[], affiliation=None)
    assert answer.evidence == (
        HOME,
        Evidence.PRESENCE_NOT_STATED,
        Evidence.AFFILIATION_NOT_STATED,
    )


def test_the_six_countries_of_the_first_response_receive_aid() -> None:
    assert {"BGD", "CAF", "HTI", "LBY", "SSD", "SDN"} <= AID_RECIPIENTS


@pytest.mark.parametrize("country", ["NOR", "DEU", "USA", "CHL", "KOR", "QAT", "POL", "ATG"])
def test_donor_countries_do_not(country: str) -> None:
    assert country not in AID_RECIPIENTS


def test_every_kind_has_its_codes_elsewhere() -> None:
    assert set(CROSSWALK) == set(Kind)


@pytest.mark.parametrize(
    "kind", [Kind.NATIONAL_NGO, Kind.RCRC_NATIONAL_SOCIETY, Kind.UNIVERSITY_RESEARCH]
)
def test_an_office_below_a_headquarters_is_not_local(kind: Kind) -> None:
    answer = localise(kind, country="BGD", countries=["BGD"], affiliation=NONE, office=True)
    assert (answer.local, answer.evidence) == (NO, (Evidence.HEADQUARTERS_ELSEWHERE,))
