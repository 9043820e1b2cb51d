"""The catalogue, and the life of a cluster in a country."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from common.errors import IllegalMoveError, InvalidError
from coordination.clusters import rules
from coordination.clusters.catalogue import CATALOGUE, Setting, global_leads, known_cluster
from coordination.clusters.rules import (
    TRANSITIONS,
    Cluster,
    ClusterNotLiveError,
    ClusterStatus,
    CrisisClosedError,
    CrisisElsewhereError,
    Joinability,
)
from coordination.crises.rules import Crisis, CrisisStatus

TODAY = date(2024, 6, 20)
HEALTH = Cluster(
    id=UUID(int=2),
    sequence="0001-0000000001",
    crisis_id=None,
    code="HEA",
    country="BGD",
    status=ClusterStatus.ACTIVATED,
    setting=None,
    lead_agencies=("WHO",),
    joinability=Joinability.MODERATED,
    activated_on=TODAY,
)
FLOOD = Crisis(
    id=UUID(int=1),
    sequence="0001-0000000001",
    glide=None,
    name="Floods",
    onset_on=date(2024, 6, 17),
    countries=("BGD",),
    status=CrisisStatus.OPEN,
)


# --- the catalogue ------------------------------------------------------------------------------


def test_there_are_eleven_clusters_and_four_areas_of_protection() -> None:
    clusters = [entry for entry in CATALOGUE.values() if entry.parent is None]
    areas = [entry for entry in CATALOGUE.values() if entry.parent is not None]
    assert len(clusters) == 11
    assert sorted(area.code for area in areas) == ["PRO-CPN", "PRO-GBV", "PRO-HLP", "PRO-MIN"]
    assert {area.parent for area in areas} == {"PRO"}


def test_hdx_and_fts_agree_on_the_eleven_clusters() -> None:
    numbers = [entry.hdx_id for entry in CATALOGUE.values() if entry.parent is None]
    assert numbers == list(range(1, 12))
    assert all(e.hdx_id == e.fts_id for e in CATALOGUE.values() if e.parent is None)


@pytest.mark.parametrize(
    "code, hdx_id, fts_id",
    [
        ("PRO-CPN", 5403, 12),
        ("PRO-GBV", 5404, 13),
        ("PRO-HLP", 5405, 14),
        ("PRO-MIN", 5406, 15),
    ],
)
def test_hdx_and_fts_disagree_on_the_areas(code: str, hdx_id: int, fts_id: int) -> None:
    assert (CATALOGUE[code].hdx_id, CATALOGUE[code].fts_id) == (hdx_id, fts_id)


def test_no_number_is_used_twice_within_a_list() -> None:
    assert len({entry.hdx_id for entry in CATALOGUE.values()}) == 15
    assert len({entry.fts_id for entry in CATALOGUE.values()}) == 15


def test_every_entry_has_an_english_and_a_french_name() -> None:
    assert all(entry.name_en and entry.name_fr for entry in CATALOGUE.values())
    assert CATALOGUE["WSH"].name_fr == "Eau, assainissement et hygiène"


@pytest.mark.parametrize(
    "code, setting, leads",
    [
        ("CCM", Setting.DISASTER, ("IOM",)),
        ("CCM", Setting.CONFLICT, ("UNHCR",)),
        ("CCM", None, ()),
        ("SHL", Setting.CONFLICT, ("UNHCR",)),
        ("SHL", Setting.DISASTER, ()),  # IFRC convenes, and convening is not leading
        ("FSC", Setting.DISASTER, ("FAO", "WFP")),
        ("HEA", None, ("WHO",)),
    ],
)
def test_who_leads_globally_can_depend_on_the_setting(
    code: str, setting: Setting | None, leads: tuple[str, ...]
) -> None:
    assert global_leads(code, setting) == leads


def test_an_unknown_code_is_told_the_codes_there_are() -> None:
    with pytest.raises(ValueError, match="HEA"):
        known_cluster("WASH")


# --- activation ---------------------------------------------------------------------------------


def test_camp_coordination_in_a_disaster_is_led_by_iom() -> None:
    camps = replace(HEALTH, code="CCM", setting=Setting.DISASTER, lead_agencies=())
    assert rules.activate(camps, None).iom_led


def test_camp_coordination_in_a_conflict_is_not_led_by_iom() -> None:
    camps = replace(HEALTH, code="CCM", setting=Setting.CONFLICT, lead_agencies=())
    assert not rules.activate(camps, None).iom_led


def test_a_named_lead_agency_stands_before_the_global_lead() -> None:
    named = replace(HEALTH, lead_agencies=("IOM", "WHO"))
    assert rules.activate(named, None).lead_agencies == ("IOM", "WHO")


def test_camp_coordination_is_led_by_nobody_until_the_setting_is_known() -> None:
    with pytest.raises(InvalidError) as refused:
        rules.activate(replace(HEALTH, code="CCM", lead_agencies=()), None)
    assert [place.pointer for place in refused.value.places] == ["/setting"]


def test_no_cluster_is_activated_for_a_closed_crisis() -> None:
    with pytest.raises(CrisisClosedError):
        rules.activate(HEALTH, replace(FLOOD, status=CrisisStatus.CLOSED))


def test_no_cluster_is_activated_outside_its_crisis() -> None:
    with pytest.raises(CrisisElsewhereError):
        rules.activate(replace(HEALTH, country="MMR"), FLOOD)


# --- its life -----------------------------------------------------------------------------------

DEEDS: dict[ClusterStatus, Callable[[Cluster], Cluster]] = {
    ClusterStatus.ACTIVATED: rules.resume,
    ClusterStatus.TRANSITIONING: rules.begin_transition,
    ClusterStatus.DEACTIVATED: lambda cluster: rules.deactivate(cluster, today=TODAY),
}


@pytest.mark.parametrize("present", ClusterStatus)
@pytest.mark.parametrize("target", ClusterStatus)
def test_every_pair_of_states_is_allowed_or_refused_by_the_table(
    present: ClusterStatus, target: ClusterStatus
) -> None:
    cluster = replace(HEALTH, status=present)
    if target in TRANSITIONS[present]:
        assert DEEDS[target](cluster).status is target
    else:
        with pytest.raises(IllegalMoveError) as refused:
            DEEDS[target](cluster)
        allowed = sorted(state.value for state in TRANSITIONS[present])
        assert refused.value.facts == {"state": present.value, "allowed": allowed}


def test_the_table_names_every_state() -> None:
    assert set(TRANSITIONS) == set(ClusterStatus)


def test_deactivation_has_its_day() -> None:
    assert rules.deactivate(HEALTH, today=TODAY).deactivated_on == TODAY


@pytest.mark.parametrize("status", [ClusterStatus.ACTIVATED, ClusterStatus.TRANSITIONING])
def test_a_cluster_that_is_handed_over_still_has_its_table(status: ClusterStatus) -> None:
    rules.must_be_live(replace(HEALTH, status=status))


def test_a_deactivated_cluster_has_no_table() -> None:
    with pytest.raises(ClusterNotLiveError):
        rules.must_be_live(rules.deactivate(HEALTH, today=TODAY))
