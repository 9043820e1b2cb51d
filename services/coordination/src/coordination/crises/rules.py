"""When a crisis is open, and what a GLIDE number looks like.

A GLIDE number (glidenumber.net) names a disaster across systems: hazard, year, running number,
country. Many crises, conflicts above all, have none, so it is never required.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from common.codes import is_country
from common.errors import InvalidError, Place
from common.states import move

_GLIDE = re.compile(r"([A-Z]{2})-(\d{4})-(\d{6})-([A-Z]{3})", re.ASCII)

HAZARDS: Mapping[str, str] = MappingProxyType(
    {
        "AC": "technological disaster",
        "AV": "snow avalanche",
        "CE": "complex emergency",
        "CW": "cold wave",
        "DR": "drought",
        "EC": "extratropical cyclone",
        "EP": "epidemic",
        "EQ": "earthquake",
        "ET": "extreme temperature",
        "FA": "famine",
        "FF": "flash flood",
        "FL": "flood",
        "FR": "fire",
        "HT": "heat wave",
        "IN": "insect infestation",
        "LS": "landslide",
        "MS": "mudslide",
        "OT": "other",
        "SL": "slide",
        "SS": "storm surge",
        "ST": "severe local storm",
        "TC": "tropical cyclone",
        "TO": "tornado",
        "TS": "tsunami",
        "VO": "volcano",
        "VW": "violent wind",
        "WF": "wildfire",
        "WV": "wave or surge",
    }
)
"""The hazard codes that a GLIDE number begins with (glidenumber.net)."""


class CrisisStatus(StrEnum):
    """OPEN: clusters may be activated for it. CLOSED: the response to it has ended."""

    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS: Mapping[CrisisStatus, frozenset[CrisisStatus]] = MappingProxyType(
    {
        CrisisStatus.OPEN: frozenset({CrisisStatus.CLOSED}),
        CrisisStatus.CLOSED: frozenset({CrisisStatus.OPEN}),
    }
)


@dataclass(frozen=True)
class Crisis:
    """A crisis. `countries`: ISO 3166-1 alpha-3, sorted. `sequence`: its version."""

    id: UUID
    sequence: str
    glide: str | None
    name: str
    onset_on: date
    countries: tuple[str, ...]
    status: CrisisStatus


def known_glide(text: str) -> str:
    """`text`, when it is a GLIDE number. Raises ValueError with what is wrong about it."""
    match = _GLIDE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a GLIDE number: hazard, year, six digits and country, "
            "such as FL-2024-000123-BGD"
        )
    hazard, country = match[1], match[4]
    if hazard not in HAZARDS:
        raise ValueError(f"{hazard} is not a hazard that GLIDE numbers know")
    if not is_country(country):
        raise ValueError(f"{country} is not an ISO 3166-1 alpha-3 country code")
    return text


def glide_country(glide: str) -> str:
    """The country that a GLIDE number ends with."""
    return glide[-3:]


def declare(crisis: Crisis, *, latest: date) -> Crisis:
    """`crisis`, when it may be declared; `latest` is the latest date on earth.

    Raises InvalidError pointing at what is wrong.
    """
    places = []
    if crisis.onset_on > latest:
        places.append(Place("/onset_on", "A crisis cannot begin in the future.", "in_the_future"))
    if crisis.glide is not None and glide_country(crisis.glide) not in crisis.countries:
        places.append(
            Place(
                "/glide",
                f"The GLIDE number is of {glide_country(crisis.glide)}, "
                f"which is not among the countries of the crisis.",
                "foreign_glide",
            )
        )
    if places:
        raise InvalidError("The crisis cannot be declared like this.", places=places)
    return crisis


def close(crisis: Crisis) -> Crisis:
    """`crisis`, closed. Raises IllegalMoveError."""
    return _moved(crisis, CrisisStatus.CLOSED)


def reopen(crisis: Crisis) -> Crisis:
    """`crisis`, open again. Raises IllegalMoveError."""
    return _moved(crisis, CrisisStatus.OPEN)


def _moved(crisis: Crisis, target: CrisisStatus) -> Crisis:
    return replace(crisis, status=move(TRANSITIONS, crisis.status, target, noun="crisis"))
