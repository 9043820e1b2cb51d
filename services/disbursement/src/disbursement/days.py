"""Calendar days as clients write them: text in ISO 8601, within this century, so that reckoning
never overflows.
"""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_DAY = r"^20\d{2}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def _from_text(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(_DAY, value, re.ASCII):
        raise ValueError("write a day as YYYY-MM-DD, between 2000 and 2099")
    return value


Day = Annotated[
    date,
    BeforeValidator(_from_text),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date", "pattern": _DAY, "examples": ["2020-06-22"]}
    ),
]
"""A calendar day (UTC) from 2000 to 2099."""
