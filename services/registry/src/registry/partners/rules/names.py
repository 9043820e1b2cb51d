"""What partners are called, in any script, and when two names are the same name.

`normal` is the form that uniqueness, import and search compare. It keeps letters and forgets how
they were dressed: capitals, accents, punctuation, spacing, typographic quotes, Arabic vowel marks.
It does not transliterate, drop legal forms or mend spelling; search is tolerant by other means.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import pycountry

MAX_NAME = 300
MAX_NAMES = 30
MAX_NORMAL_BYTES = 1500
"""Of a normal form: some letters stand for whole phrases, and an index entry has its limit."""

_NOT_ASCII_WORD = re.compile(r"[^0-9a-z]+")

_PLAIN = str.maketrans(
    {
        # letters that Unicode does not decompose
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ł": "l",
        "ħ": "h",
        "ı": "i",
        # Arabic script: one letter, two keyboards or two habits
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
        "ـ": "",
        # apostrophes that are part of a word's spelling, not between words
        "ʼ": "",
        "ʻ": "",
        "ʿ": "",
        "ʾ": "",
        # joiners that shape letters and are not seen
        "\u200c": "",
        "\u200d": "",
    }
)

_SCRIPTS = {
    "LATIN": "Latn",
    "ARABIC": "Arab",
    "BENGALI": "Beng",
    "CYRILLIC": "Cyrl",
    "DEVANAGARI": "Deva",
    "ETHIOPIC": "Ethi",
    "GREEK": "Grek",
    "HEBREW": "Hebr",
    "MYANMAR": "Mymr",
    "KHMER": "Khmr",
    "LAO": "Laoo",
    "THAI": "Thai",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "SINHALA": "Sinh",
    "GEORGIAN": "Geor",
    "ARMENIAN": "Armn",
    "CJK": "Hani",
    "HIRAGANA": "Hira",
    "KATAKANA": "Kana",
    "HANGUL": "Hang",
    "NKO": "Nkoo",
    "TIFINAGH": "Tfng",
    "THAANA": "Thaa",
}


class NameKind(StrEnum):
    """LEGAL: as registered (one per language or script). FORMER: no longer borne."""

    LEGAL = "legal"
    FORMER = "former"
    ALIAS = "alias"
    ACRONYM = "acronym"


@dataclass(frozen=True)
class Name:
    """One name. `language`: ISO 639 code. `script`: ISO 15924 code, seen from the letters."""

    text: str
    kind: NameKind
    language: str | None = None

    @property
    def script(self) -> str | None:
        """Its ISO 15924 code; None for digits alone, or a script that we do not know."""
        return script_of(self.text)


@lru_cache(maxsize=4096)  # one name is compared, stored and split within moments
def normal(text: str) -> str:
    """`text` as names are compared: words in lower case without marks, single spaces between."""
    if text.isascii():  # most are: the same, without asking after every letter
        return _NOT_ASCII_WORD.sub(" ", text.lower()).strip()
    decomposed = unicodedata.normalize("NFKD", text.casefold()).translate(_PLAIN)
    letters = (
        letter
        if letter.isalnum() or unicodedata.combining(letter) or _is_vowel_sign(letter)
        else " "
        for letter in decomposed
        if not _is_mark(letter)
    )
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).split())


def trouble_with(name: str) -> str | None:
    """A sentence when `name` cannot be a name, else None."""
    if not normal(name):
        return "A name needs at least one letter or digit."
    if len(name) > MAX_NAME or len(normal(name).encode()) > MAX_NORMAL_BYTES:
        return f"The name is longer than {MAX_NAME} letters."
    return None


def words(names: Iterable[str]) -> tuple[str, ...]:
    """The distinct words of `names` as search knows them, sorted."""
    return tuple(sorted({word for name in names for word in normal(name).split()}))


@lru_cache(maxsize=4096)  # a page shows the same names again and again
def script_of(text: str) -> str | None:
    """The ISO 15924 code of the script that most letters of `text` are in, or None."""
    if text.isascii():
        return "Latn" if any(map(str.isalpha, text)) else None
    seen = Counter(
        unicodedata.name(letter, "").split(" ")[0].split("-")[0]
        for letter in text
        if letter.isalpha()
    )
    return _SCRIPTS.get(seen.most_common(1)[0][0]) if seen else None


def known_language(code: str) -> str:
    """`code`, when ISO 639 has it (two letters, or three). Raises ValueError."""
    field = "alpha_2" if len(code) == 2 else "alpha_3"
    found = pycountry.languages.get(**{field: code})
    if found is None or getattr(found, field) != code:  # pycountry also finds "FR"
        raise ValueError(f"{code!r} is not an ISO 639 language code, such as fr or prs")
    return code


def _is_mark(letter: str) -> bool:
    """Whether `letter` is a mark that one may leave out: accents, Hebrew points, Arabic vowels.

    By combining class: the signs without which an Indic word is another word have other classes.
    """
    place = unicodedata.combining(letter)
    return 10 <= place <= 35 or place >= 200


def _is_vowel_sign(letter: str) -> bool:
    return unicodedata.category(letter) in ("Mc", "Mn")
