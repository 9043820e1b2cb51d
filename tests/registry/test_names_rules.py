"""When two names are the same name."""

from __future__ import annotations

import pytest

from registry.partners.rules.names import known_language, normal, script_of, words


@pytest.mark.parametrize(
    "one, other",
    [
        ("Médecins d’Afrique", "MEDECINS D'AFRIQUE"),
        ("Fundación  Sol – Naciente", "fundacion sol naciente"),
        ("Çağrı Derneği", "Cagri Dernegi"),
        ("Łódź Aid", "Lodz Aid"),
        ("Straßenkinder e.V.", "STRASSENKINDER E V"),
        ("İnsan Vakfı", "insan vakfi"),
        ("منظمة الأمل", "منظمه الامل"),
        ("مُنَظَّمَةُ الأَمَلِ", "منظمة الامل"),
        ("سازمان یاری", "سازمان ياري"),
        ("Ｆｕｌｌ Ｗｉｄｔｈ", "full width"),
        ("Ka'apor Aid", "Ka’apor aid"),
    ],
)
def test_dress_does_not_make_another_name(one: str, other: str) -> None:
    assert normal(one) == normal(other) != ""


@pytest.mark.parametrize(
    "one, other",
    [
        ("শাপলা সমিতি", "শপল সমত"),  # vowel signs are letters
        ("কুমিল্লা", "কিমিল্লা"),
        ("Help Sudan", "Help South Sudan"),
        ("Aid 1", "Aid 2"),
    ],
)
def test_letters_do(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@pytest.mark.parametrize("text", ["", "   ", "—!?", "«»"])
def test_what_has_no_letter_is_no_name(text: str) -> None:
    assert normal(text) == ""


def test_search_knows_every_word_of_every_name_once() -> None:
    assert words(["Aid for Aid", "AID", "Médecins"]) == ("aid", "for", "medecins")


@pytest.mark.parametrize(
    "text, script",
    [
        ("Shapla", "Latn"),
        ("শাপলা (SHS)", "Beng"),
        ("منظمة", "Arab"),
        ("የእርዳታ", "Ethi"),
        ("Допомога", "Cyrl"),
        ("2020", None),
    ],
)
def test_the_script_is_seen_from_the_letters(text: str, script: str | None) -> None:
    assert script_of(text) == script


@pytest.mark.parametrize("code", ["fr", "prs", "bn"])
def test_languages_are_known_by_their_code(code: str) -> None:
    assert known_language(code) == code


@pytest.mark.parametrize("code", ["FR", "xx", "fra-", "french"])
def test_other_codes_are_refused(code: str) -> None:
    with pytest.raises(ValueError, match="ISO 639"):
        known_language(code)
