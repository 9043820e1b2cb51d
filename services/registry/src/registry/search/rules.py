"""How alike a partner's names are to what somebody typed.

Both are compared word by word in their normal form, so neither the order of words, nor accents, nor
a slip within a word hides a partner. Likeness of two words is pg_trgm's similarity, 0 to 1.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from registry.partners.rules.names import normal

MAX_WORDS = 8
MAX_QUERY = 200


@dataclass(frozen=True)
class Wanted:
    """A typed word and the words that names bear which are like it, with their likeness."""

    word: str
    alike: Mapping[str, float]


def typed_words(query: str) -> tuple[str, ...]:
    """The distinct words of `query` in order, at most MAX_WORDS."""
    return tuple(dict.fromkeys(normal(query).split()))[:MAX_WORDS]


def likeness(wanted: Sequence[Wanted], words: Collection[str]) -> float:
    """How well names made of `words` answer what was typed: 1 when every typed word is borne."""
    if not wanted:
        return 0.0
    best = (max((each.alike.get(word, 0.0) for word in words), default=0.0) for each in wanted)
    return sum(best) / len(wanted)
