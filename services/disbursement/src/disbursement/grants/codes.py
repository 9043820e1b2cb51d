"""CERF's codes, found in whatever text they arrive in, and what an emergency's code looks like.

Real ones come wrapped in other words, in either case, or not at all, and one project code spans
several flows: they help people find a grant and are never a key. Two families exist: project codes
by agency (`20-UF-IOM-027`, `14-UFE-CEF-129`) and application codes by country (`23-RR-AFG-61441`,
newer `CERF-GTM-26-RR-1521`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

Emergency = Annotated[
    str, Field(max_length=40, pattern=r"^[A-Z0-9]+(-[A-Z0-9]+)*$", examples=["EP-2020-000012-BGD"])
]
"""A GLIDE number or another code: capitals, digits and hyphens, so that it is no text."""


class Window(StrEnum):
    """The two windows of CERF."""

    RAPID_RESPONSE = "rapid_response"
    UNDERFUNDED_EMERGENCIES = "underfunded_emergencies"


_PROJECT = re.compile(r"(?<![A-Z0-9])\d{2}-(RR|UFE?)-[A-Z]{3}-\d{3}(?!\d)", re.ASCII)
_APPLICATION = re.compile(r"(?<![A-Z0-9])\d{2}-(RR|UFE?)-[A-Z]{3}-\d{4,6}(?!\d)", re.ASCII)
_NEWER = re.compile(r"(?<![A-Z0-9])CERF-[A-Z]{3}-\d{2}-(RR|UFE?)-\d{1,6}(?!\d)", re.ASCII)


@dataclass(frozen=True)
class CerfCodes:
    """What a text holds: each part None when it is not there; `window` is the first code's."""

    project_code: str | None = None
    application_code: str | None = None
    window: Window | None = None


def find_codes(text: str | None) -> CerfCodes:
    """The first code of each family in `text`."""
    upper = (text or "").upper()
    project = _PROJECT.search(upper)
    application = _NEWER.search(upper) or _APPLICATION.search(upper)
    first = project or application
    if first is None:
        return CerfCodes()
    window = Window.RAPID_RESPONSE if first[1] == "RR" else Window.UNDERFUNDED_EMERGENCIES
    return CerfCodes(project and project[0], application and application[0], window)
