"""Which events a token may see: those of its countries, and those that belong to no country.

The rule reads the public state alone, by two names that every state uses for this and nothing else:
`country` (one code) and `countries` (several). One country in common is enough. What was erased has
no state any more; it is judged by the last one that it had.
"""

import json
from collections.abc import Mapping
from typing import Any

from common.actor import EVERYWHERE, Actor
from common.errors import ForbiddenError


def must_not_be_bound(actor: Actor) -> None:
    """Raises ForbiddenError: what is read here tells of every partner."""
    if actor.partner is not None:
        raise ForbiddenError("Your access is bound to one partner; this tells of all of them.")


def sees_everything(actor: Actor) -> bool:
    """Whether no country is closed to `actor`."""
    return EVERYWHERE in actor.countries


def is_visible(actor: Actor, stream_type: str, data: str) -> bool:
    """Whether `actor` may see an event of a `stream_type`, given its data in JSON."""
    if sees_everything(actor):
        return True
    countries = countries_of(json.loads(data).get(stream_type) or {})
    return not countries or not actor.countries.isdisjoint(countries)


def countries_of(state: Mapping[str, Any]) -> set[str]:
    """The countries that a public state names."""
    one = state.get("country")
    return {*(state.get("countries") or ()), *(() if one is None else (one,))}
