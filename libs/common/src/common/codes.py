"""Code lists that every service shares, as field types with a helpful refusal."""

from typing import Annotated

import pycountry
from pydantic import AfterValidator, WithJsonSchema


def is_country(code: str) -> bool:
    """Whether ISO 3166-1 lists `code` as an alpha-3 country code."""
    found = pycountry.countries.get(alpha_3=code)
    return found is not None and found.alpha_3 == code  # pycountry also finds "bgd"


def _known_country(code: str) -> str:
    if not is_country(code):
        raise ValueError(f"{code!r} is not an ISO 3166-1 alpha-3 country code, such as BGD")
    return code


Country = Annotated[
    str,
    AfterValidator(_known_country),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["BGD"]}),
]
"""A country, by its ISO 3166-1 alpha-3 code."""
