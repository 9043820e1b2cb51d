"""Calendar days as clients write them: text, in years that documents can have.

Anything looser lets a number through as a day, or a year in which reckoning overflows.
"""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_DAY = r"^(1[89]|20|21)\d{2}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def _written(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_DAY, value, re.ASCII):
        return value
    raise ValueError("write a day as YYYY-MM-DD, between 1800 and 2199")


Day = Annotated[
    date,
    BeforeValidator(_written),
    WithJsonSchema(
        {"type": "string", "format": "date", "pattern": _DAY, "examples": ["2020-06-22"]}
    ),
]
"""A calendar day (UTC) from 1800 to 2199."""
