"""State machines as tables: a `StrEnum`, the allowed moves, and `move`, which refuses the rest."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from common.errors import IllegalMoveError

S = TypeVar("S", bound=StrEnum)


def move(transitions: Mapping[S, frozenset[S]], present: S, target: S, *, noun: str) -> S:
    """`target`, when `transitions` allow it from `present`.

    Raises IllegalMoveError naming the state and every allowed move.
    """
    allowed = transitions[present]
    if target in allowed:
        return target
    names = sorted(state.value for state in allowed)
    could = f"it can become {', '.join(names)}" if names else "that state is final"
    raise IllegalMoveError(
        f"A {noun} that is {_words(present)} cannot become {_words(target)}; {could}.",
        state=present.value,
        allowed=names,
    )


def _words(state: StrEnum) -> str:
    return state.value.replace("_", " ")
