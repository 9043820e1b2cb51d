"""Is this partner a local or national actor? Three values, each with its evidence.

The test (Grand Bargain and INEE wording): headquartered and working in its own aid-recipient
country, and not affiliated to an international NGO. Belonging to a network is no affiliation while
governance and fundraising are independent; an international organisation that is registered
nationally is not local. Where the sources give no agreed answer (cross-border actors, universities)
neither do we.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from registry.partners.rules.kinds import Kind

# Least developed; other low and lower middle income; upper middle income.
_RECIPIENTS = """
    AFG AGO BDI BEN BFA BGD CAF COD COM DJI ERI ETH GIN GMB GNB HTI KHM KIR LAO LBR LSO MDG MLI
    MMR MOZ MRT MWI NER NPL RWA SDN SEN SLB SLE SOM SSD STP TCD TGO TLS TUV TZA UGA YEM ZMB

    BOL BTN CIV CMR COG CPV DZA EGY FSM GHA HND IDN IND IRN JOR KEN KGZ LBN LKA MAR MNG NGA NIC
    PAK PHL PNG PRK PSE SLV SWZ SYR TJK TKL TUN UKR UZB VNM VUT WSM ZWE

    ALB ARG ARM AZE BIH BLR BLZ BRA BWA CHN COL CRI CUB DMA DOM ECU FJI GAB GEO GNQ GRD GTM GUY
    IRQ JAM KAZ LBY LCA MDA MDV MEX MHL MKD MNE MSR MUS MYS NAM NIU NRU PAN PER PLW PRY SHN SRB
    SUR THA TKM TON TUR VCT VEN WLF ZAF
"""
AID_RECIPIENTS = frozenset(_RECIPIENTS.split())
"""ISO alpha-3 codes of the OECD DAC list of ODA recipients for reporting on 2024 and 2025 flows. It
is revised every three years; Kosovo, which is on it, has no ISO code."""


class Local(StrEnum):
    """Whether a partner counts as a local or national actor."""

    YES = "yes"
    NO = "no"
    UNDETERMINED = "undetermined"


class Affiliation(StrEnum):
    """NETWORK: a member whose governance and fundraising are its own."""

    NONE = "none"
    NETWORK = "network"
    INTERNATIONAL_NGO = "international_ngo"


class Evidence(StrEnum):
    """What the answer rests on."""

    INTERNATIONAL_BY_KIND = "international_by_kind"
    HEADQUARTERS_IN_RECIPIENT_COUNTRY = "headquarters_in_recipient_country"
    HEADQUARTERS_ELSEWHERE = "headquarters_elsewhere"
    WORKS_AT_HOME = "works_at_home"
    WORKS_ONLY_ABROAD = "works_only_abroad"
    PRESENCE_NOT_STATED = "presence_not_stated"
    INDEPENDENT = "independent"
    INDEPENDENT_IN_NETWORK = "independent_in_network"
    AFFILIATED_TO_INTERNATIONAL_NGO = "affiliated_to_international_ngo"
    AFFILIATION_NOT_STATED = "affiliation_not_stated"
    NATIONAL_SOCIETY = "national_society"
    NO_AGREED_ANSWER_FOR_KIND = "no_agreed_answer_for_kind"
    DECIDED_BY_A_PERSON = "decided_by_a_person"


@dataclass(frozen=True)
class Localisation:
    """The answer and the facts that gave it."""

    local: Local
    evidence: tuple[Evidence, ...]


_BY_KIND = frozenset(
    {
        Kind.INTERNATIONAL_NGO,
        Kind.INTERNATIONALLY_AFFILIATED_NGO,
        Kind.RCRC_INTERNATIONAL,
    }
)

_AFFILIATION: Mapping[Affiliation | None, tuple[Local, Evidence]] = MappingProxyType(
    {
        Affiliation.NONE: (Local.YES, Evidence.INDEPENDENT),
        Affiliation.NETWORK: (Local.YES, Evidence.INDEPENDENT_IN_NETWORK),
        Affiliation.INTERNATIONAL_NGO: (Local.NO, Evidence.AFFILIATED_TO_INTERNATIONAL_NGO),
        None: (Local.UNDETERMINED, Evidence.AFFILIATION_NOT_STATED),
    }
)


def localise(
    kind: Kind,
    *,
    country: str,
    countries: Collection[str],
    affiliation: Affiliation | None,
    office: bool = False,
) -> Localisation:
    """The answer for a partner headquartered in `country` and working in `countries`.

    `office`: it is an office in `country` of an organisation headquartered in another. A clear no
    wins over what is not known; what is not known wins over yes.
    """
    if kind in _BY_KIND:
        return Localisation(Local.NO, (Evidence.INTERNATIONAL_BY_KIND,))
    if office or country not in AID_RECIPIENTS:
        return Localisation(Local.NO, (Evidence.HEADQUARTERS_ELSEWHERE,))
    home = Evidence.HEADQUARTERS_IN_RECIPIENT_COUNTRY
    if kind is Kind.UNIVERSITY_RESEARCH:
        return Localisation(Local.UNDETERMINED, (home, Evidence.NO_AGREED_ANSWER_FOR_KIND))
    works, presence = _presence(country, countries)
    if kind is Kind.RCRC_NATIONAL_SOCIETY:  # a component of the Movement, independent by statute
        return Localisation(works, (home, presence, Evidence.NATIONAL_SOCIETY))
    free, standing = _AFFILIATION[affiliation]
    return Localisation(_weakest(works, free), (home, presence, standing))


def _presence(country: str, countries: Collection[str]) -> tuple[Local, Evidence]:
    if country in countries:
        return Local.YES, Evidence.WORKS_AT_HOME
    if countries:
        return Local.UNDETERMINED, Evidence.WORKS_ONLY_ABROAD
    return Local.UNDETERMINED, Evidence.PRESENCE_NOT_STATED


def _weakest(*answers: Local) -> Local:
    if Local.NO in answers:
        return Local.NO
    return Local.UNDETERMINED if Local.UNDETERMINED in answers else Local.YES
