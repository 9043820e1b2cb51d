"""The code list of clusters: eleven clusters and protection's four areas of responsibility.

Codes, names and identifiers follow the Global Coordination Groups list on HDX (CC0); who leads is
settled by the Inter-Agency Standing Committee. The list is data of the world, not of a deployment:
it changes with a release.

Identifiers are a trap. FTS uses HDX's numbers for the eleven clusters only; for the areas of
responsibility it has its own (12 to 15), and its number 5406 is a *country's* cluster for COVID-19,
not mine action. Both are kept, so that nobody joins one list to the other by number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Setting(StrEnum):
    """What a cluster responds to, where its global lead depends on it."""

    CONFLICT = "conflict"
    DISASTER = "disaster"


class LeadPart(StrEnum):
    """LEAD: accountable as global lead. CONVENER: convenes, without being last resort."""

    LEAD = "lead"
    CONVENER = "convener"


@dataclass(frozen=True)
class GlobalLead:
    """An agency that leads a cluster globally; `setting` is None where it leads in every one."""

    agency: str
    setting: Setting | None = None
    part: LeadPart = LeadPart.LEAD


@dataclass(frozen=True)
class CatalogueCluster:
    """One entry. `parent` is set on an area of responsibility: the cluster it belongs to."""

    code: str
    name_en: str
    name_fr: str
    leads: tuple[GlobalLead, ...]
    hdx_id: int
    fts_id: int
    parent: str | None = None


def _cluster(number: int, code: str, en: str, fr: str, *leads: GlobalLead) -> CatalogueCluster:
    return CatalogueCluster(code, en, fr, leads, hdx_id=number, fts_id=number)


def _area(hdx_id: int, fts_id: int, code: str, en: str, fr: str, agency: str) -> CatalogueCluster:
    return CatalogueCluster(
        code, en, fr, (GlobalLead(agency),), hdx_id=hdx_id, fts_id=fts_id, parent="PRO"
    )


_ENTRIES = (
    _cluster(
        1,
        "CCM",
        "Camp Coordination and Camp Management",
        "Coordination et gestion des camps",
        GlobalLead("UNHCR", Setting.CONFLICT),
        GlobalLead("IOM", Setting.DISASTER),
    ),
    _cluster(2, "ERY", "Early Recovery", "Relèvement rapide", GlobalLead("UNDP")),
    _cluster(
        3, "EDU", "Education", "Éducation", GlobalLead("UNICEF"), GlobalLead("Save the Children")
    ),
    _cluster(
        4,
        "SHL",
        "Emergency Shelter and NFI",
        "Abris d'urgence et articles non alimentaires",
        GlobalLead("UNHCR", Setting.CONFLICT),
        GlobalLead("IFRC", Setting.DISASTER, LeadPart.CONVENER),
    ),
    _cluster(
        5,
        "TEL",
        "Emergency Telecommunications",
        "Télécommunications d'urgence",
        GlobalLead("WFP"),
    ),
    _cluster(
        6, "FSC", "Food Security", "Sécurité alimentaire", GlobalLead("FAO"), GlobalLead("WFP")
    ),
    _cluster(7, "HEA", "Health", "Santé", GlobalLead("WHO")),
    _cluster(8, "LOG", "Logistics", "Logistique", GlobalLead("WFP")),
    _cluster(9, "NUT", "Nutrition", "Nutrition", GlobalLead("UNICEF")),
    _cluster(10, "PRO", "Protection", "Protection", GlobalLead("UNHCR")),
    _cluster(
        11,
        "WSH",
        "Water, Sanitation and Hygiene",
        "Eau, assainissement et hygiène",
        GlobalLead("UNICEF"),
    ),
    _area(5403, 12, "PRO-CPN", "Child Protection", "Protection de l'enfance", "UNICEF"),
    _area(5404, 13, "PRO-GBV", "Gender-Based Violence", "Violences basées sur le genre", "UNFPA"),
    _area(
        5405,
        14,
        "PRO-HLP",
        "Housing, Land and Property",
        "Logement, terre et biens",
        "NRC",
    ),
    _area(5406, 15, "PRO-MIN", "Mine Action", "Action contre les mines", "UNMAS"),
)

CATALOGUE: Mapping[str, CatalogueCluster] = MappingProxyType(
    {entry.code: entry for entry in _ENTRIES}
)
"""Every cluster and area of responsibility, by code."""


def known_cluster(code: str) -> str:
    """`code`, when the catalogue has it. Raises ValueError naming the codes there are."""
    if code not in CATALOGUE:
        raise ValueError(f"{code!r} is not a cluster; the codes are {', '.join(CATALOGUE)}")
    return code


def global_leads(code: str, setting: Setting | None) -> tuple[str, ...]:
    """Who leads the cluster `code` in `setting`; without one, who leads it in every setting.

    None where that depends on the setting, or where an agency convenes and none leads.
    """
    return tuple(
        lead.agency
        for lead in CATALOGUE[code].leads
        if lead.part is LeadPart.LEAD and lead.setting in (None, setting)
    )
