"""Numbers that other registers gave to a partner, checked as far as the number itself allows.

That it is well formed says nothing about whose it is; only a look into that register does. Every
scheme is optional: several countries have no register of NGOs at all.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MAX_IDENTIFIERS = 20


class Scheme(StrEnum):
    """Who gave the number."""

    IATI = "iati"
    LEI = "lei"
    ROR = "ror"
    UNPP = "unpp"
    FTS = "fts"
    ERP_VENDOR = "erp_vendor"
    NATIONAL_REGISTRATION = "national_registration"


PRIVATE_SCHEMES = frozenset({Scheme.ERP_VENDOR})
"""Known to our finance system only; never published."""
NATIONAL_SCHEMES = frozenset({Scheme.NATIONAL_REGISTRATION})
"""Each country counts for itself: the same number elsewhere is somebody else's."""

ANYWHERE = "*"

# International numbers; then the countries of the responses at hand and their neighbours (several
# have no register of NGOs); then those where many international partners have their headquarters.
_LISTS = """
    XI-DUNS XI-EORI XI-GRID XI-IATI XI-LEI XI-PB XI-PID XI-ROR XI-WIKIDATA XM-DAC XM-OCHA

    AF-CBR AF-MOE AF-TIN BD-NAB BD-ROC BF-MATD BI-NIF CD-MJDH CI-MOI CM-NIU EG-CR EG-MOSS ET-CSA
    ET-MFA ET-MOT GH-DSW GH-RGD HN-RTN ID-KHH IN-MCA IN-MHA IQ-NGO JO-CCD JO-MSD KE-NCB KE-RCO
    KE-RSO KH-INGO KH-NNGO LB-MOI LK-NGO LR-MFDPNGO MG-NIF ML-MAT MM-MHA MW-CNM MW-NBM MZ-MOJ
    NG-CAC NP-SWC PH-SEC PK-PCP PK-SEC PK-VSWA PS-MOI RW-RGB SL-NRA SN-NINEA SO-MPND SS-RRC TN-RNE
    TR-MOI TZ-NNCB UA-EDR UG-204CBO UG-NGB UG-NGO YE-MSAL ZA-NPO ZA-PBO ZM-RNGO ZW-PVO

    AT-ZVR AU-ABN AU-ACNC BE-BCE_KBO CA-CC CA-CRA_ACR CH-FDJP CZ-ICO DE-CR DK-CVR ES-MDJ ES-NIF
    FI-PRO FR-INSEE FR-RCS GB-CHC GB-COH GB-NIC GB-SC IE-CHY IE-CRO IT-CF JP-JCN KR-BRN LU-RCS
    NL-KVK NO-BRC PL-KRS PT-NIPPC SE-ON US-DOS US-EIN
"""
IATI_LISTS = frozenset(_LISTS.split())
"""The organisation lists (org-id.guide) that we accept; `<country>-COA` is known for every
country."""

_COA = re.compile(r"[A-Z]{2}-COA", re.ASCII)
_IATI_NUMBER = re.compile(r"[^\s/&|?]{1,60}")
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ROR = re.compile(r"(?:https://ror\.org/)?(0[a-hj-km-np-tv-z0-9]{6}\d{2})", re.ASCII)
_LEI = re.compile(r"[A-Z0-9]{18}\d{2}", re.ASCII)
_DIGITS = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_VENDOR = re.compile(r"[A-Z0-9][A-Z0-9-]{0,19}", re.ASCII)


@dataclass(frozen=True, order=True)
class Identifier:
    """A number of `scheme`, written the one way that the scheme writes it."""

    scheme: Scheme
    value: str

    def known_in(self, country: str) -> str:
        """Where nobody else has this number of a partner in `country`: there, or anywhere."""
        return country if self.scheme in NATIONAL_SCHEMES else ANYWHERE


def identifier(scheme: Scheme, text: str) -> Identifier:
    """The identifier that `text` writes. Raises ValueError with what is wrong about it."""
    return Identifier(scheme, _READERS[scheme](text.strip()))


def iati_list(text: str) -> tuple[str, str]:
    """`text` as (list code, number). The longest known list code wins: numbers contain hyphens.

    Raises ValueError when no known list begins it or the number breaks the IATI standard's rule
    (no spaces and none of / & | ?).
    """
    known = [
        text[:cut] for cut, letter in enumerate(text) if letter == "-" and _is_list(text[:cut])
    ]
    if not known:
        raise ValueError(
            f"{text!r} does not begin with a known organisation list, such as BD-NAB or GB-CHC"
        )
    code = max(known, key=len)
    number = text[len(code) + 1 :]
    if not _IATI_NUMBER.fullmatch(number):
        raise ValueError(
            f"the number after {code}- is missing, too long, or holds / & | ? or a space"
        )
    return code, number


def _is_list(code: str) -> bool:
    return code in IATI_LISTS or _COA.fullmatch(code) is not None


def _iati(text: str) -> str:
    code, number = iati_list(text)
    return f"{code}-{number}"


def _lei(text: str) -> str:
    """ISO 17442: 20 characters whose check digits make the whole 1 modulo 97 (ISO 7064)."""
    code = text.upper().replace(" ", "")
    if not _LEI.fullmatch(code):
        raise ValueError("an LEI has 18 letters or digits and two check digits")
    if int("".join(str(int(letter, 36)) for letter in code)) % 97 != 1:
        raise ValueError("the check digits of this LEI do not fit; look for a slip of the pen")
    return code


def _ror(text: str) -> str:
    """Research Organization Registry: Crockford base 32 with two check digits (ISO 7064)."""
    match = _ROR.fullmatch(text.lower())
    if match is None:
        raise ValueError("a ROR id looks like https://ror.org/02mhbdp94")
    body, check = match[1][:7], match[1][7:]
    number = 0
    for letter in body:
        number = number * 32 + _CROCKFORD.index(letter)
    if 98 - (number * 100) % 97 != int(check):
        raise ValueError("the check digits of this ROR id do not fit; look for a slip of the pen")
    return f"https://ror.org/{match[1]}"


def _number(text: str) -> str:
    if not _DIGITS.fullmatch(text):
        raise ValueError("this id is a number of at most ten digits")
    return text


def _vendor(text: str) -> str:
    if not _VENDOR.fullmatch(text.upper()):
        raise ValueError("a vendor number has at most 20 letters, digits or hyphens")
    return text.upper()


def _registration(text: str) -> str:
    value = " ".join(text.split())
    if not 1 <= len(value) <= 60:
        raise ValueError("a registration number has 1 to 60 characters")
    return value


_READERS: Mapping[Scheme, Callable[[str], str]] = MappingProxyType(
    {
        Scheme.IATI: _iati,
        Scheme.LEI: _lei,
        Scheme.ROR: _ror,
        Scheme.UNPP: _number,
        Scheme.FTS: _number,
        Scheme.ERP_VENDOR: _vendor,
        Scheme.NATIONAL_REGISTRATION: _registration,
    }
)
