"""Numbers that other registers gave. The check digits here are real, the holders are not ours."""

from __future__ import annotations

import pytest

from registry.partners.rules.identifiers import IATI_LISTS, Scheme, iati_list, identifier


@pytest.mark.parametrize(
    "scheme, text, value",
    [
        (Scheme.IATI, "BD-NAB-1234", "BD-NAB-1234"),
        (Scheme.IATI, " GB-CHC-123456 ", "GB-CHC-123456"),
        (Scheme.IATI, "SD-COA-77", "SD-COA-77"),
        (Scheme.LEI, "5493001kjtiigc8y1r12", "5493001KJTIIGC8Y1R12"),
        (Scheme.ROR, "02mhbdp94", "https://ror.org/02mhbdp94"),
        (Scheme.ROR, "https://ror.org/02mhbdp94", "https://ror.org/02mhbdp94"),
        (Scheme.UNPP, "40211", "40211"),
        (Scheme.FTS, "2917", "2917"),
        (Scheme.ERP_VENDOR, "v-1009", "V-1009"),
        (Scheme.NATIONAL_REGISTRATION, "No.  12 / 1998", "No. 12 / 1998"),
    ],
)
def test_each_scheme_has_one_spelling(scheme: Scheme, text: str, value: str) -> None:
    assert identifier(scheme, text).value == value


@pytest.mark.parametrize(
    "scheme, text",
    [
        (Scheme.IATI, "BD-NAB"),
        (Scheme.IATI, "BD-NAB-"),
        (Scheme.IATI, "BD-XYZ-12"),
        (Scheme.IATI, "BD-NAB-1 2"),
        (Scheme.IATI, "BD-NAB-1/2"),
        (Scheme.IATI, "1234"),
        (Scheme.LEI, "5493001KJTIIGC8Y1R13"),
        (Scheme.LEI, "5493001KJTIIGC8Y1R1"),
        (Scheme.LEI, "5493001KJTIIGC8Y1R1٢"),
        (Scheme.ROR, "02mhbdp95"),
        (Scheme.ROR, "12mhbdp94"),
        (Scheme.UNPP, "0"),
        (Scheme.UNPP, "12a"),
        (Scheme.FTS, "١٢"),
        (Scheme.ERP_VENDOR, "V 1"),
        (Scheme.NATIONAL_REGISTRATION, " "),
    ],
)
def test_what_is_not_well_formed_is_refused(scheme: Scheme, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        identifier(scheme, text)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("BD-NAB-12-34-5", ("BD-NAB", "12-34-5")),
        ("CA-CRA_ACR-1-RR-2", ("CA-CRA_ACR", "1-RR-2")),
        ("UG-204CBO-9", ("UG-204CBO", "9")),
        ("XI-IATI-BD-NAB-7", ("XI-IATI", "BD-NAB-7")),
    ],
)
def test_numbers_may_hold_hyphens(text: str, parts: tuple[str, str]) -> None:
    assert iati_list(text) == parts


def test_the_longest_known_list_begins_the_number() -> None:
    assert "XM-DAC" in IATI_LISTS
    assert iati_list("XM-DAC-XM-OCHA-1") == ("XM-DAC", "XM-OCHA-1")
