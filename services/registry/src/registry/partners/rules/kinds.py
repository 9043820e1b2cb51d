"""The kinds of partner, and what each is called in the systems that we exchange data with.

No other system tells all eleven apart, so a code of theirs rarely leads back to one kind; only the
way out is a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What sort of civil society organisation a partner is."""

    INTERNATIONAL_NGO = "international_ngo"
    NATIONAL_NGO = "national_ngo"
    LOCAL_NGO = "local_ngo"
    COMMUNITY_BASED_ORGANIZATION = "community_based_organization"
    INTERNATIONALLY_AFFILIATED_NGO = "internationally_affiliated_ngo"
    RCRC_NATIONAL_SOCIETY = "rcrc_national_society"
    RCRC_INTERNATIONAL = "rcrc_international"
    UNIVERSITY_RESEARCH = "university_research"
    PHILANTHROPIC_FOUNDATION = "philanthropic_foundation"
    NON_PROFIT_MEDIA = "non_profit_media"
    PROFESSIONAL_ASSOCIATION = "professional_association"


@dataclass(frozen=True)
class Crosswalk:
    """One kind in the words of others. None: that system has no such kind.

    `iati`: IATI organisation type. `hdx`: Humanitarian Data Exchange organisation type id.
    `fts`: Financial Tracking Service type / subtype. `unpp`: UN Partner Portal type.
    """

    iati: str
    hdx: str
    fts: str | None
    unpp: str | None


CROSSWALK: Mapping[Kind, Crosswalk] = MappingProxyType(
    {
        Kind.INTERNATIONAL_NGO: Crosswalk("21", "437", "NGO/International NGO", "Int"),
        Kind.NATIONAL_NGO: Crosswalk("24", "441", "NGO/National NGO", "NGO"),
        Kind.LOCAL_NGO: Crosswalk("24", "441", "NGO/Local NGO", "NGO"),
        Kind.COMMUNITY_BASED_ORGANIZATION: Crosswalk("24", "441", "NGO/Local NGO", "CBO"),
        Kind.INTERNATIONALLY_AFFILIATED_NGO: Crosswalk("22", "441", "NGO/Affiliated NGO", "NGO"),
        Kind.RCRC_NATIONAL_SOCIETY: Crosswalk("22", "445", "RCRC/National Society", "RCC"),
        Kind.RCRC_INTERNATIONAL: Crosswalk("40", "445", "RCRC/International Society", None),
        Kind.UNIVERSITY_RESEARCH: Crosswalk("80", "431", None, "Aca"),
        Kind.PHILANTHROPIC_FOUNDATION: Crosswalk(
            "60", "444", "Private organization/foundation", None
        ),
        Kind.NON_PROFIT_MEDIA: Crosswalk("90", "439", "Other", None),
        Kind.PROFESSIONAL_ASSOCIATION: Crosswalk("90", "443", "Other", None),
    }
)
