"""Numbers that a funder or an agency sets and changes: effective-dated, each with its source.

They are configuration, never constants in a rule: a decision made last year must still be explained
by the number that held then.
"""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from disbursement.errors import UnknownTermError


class TermName(StrEnum):
    """What a number limits; the unit is the name's last word."""

    RAPID_RESPONSE_MONTHS = "rapid_response_months"
    SIMPLIFIED_AGREEMENT_MONTHS = "simplified_agreement_months"


@dataclass(frozen=True)
class Term:
    """`value` held from `since` until the next term of the same name; `source` says who set it."""

    name: TermName
    value: int
    since: date
    source: str


def term(terms: Iterable[Term], name: TermName, on: date) -> Term:
    """The term of `name` that held on that day. Raises UnknownTermError when none did."""
    held = [each for each in terms if each.name is name and each.since <= on]
    if not held:
        raise UnknownTermError(
            f"No {name.value.replace('_', ' ')} is configured for {on.isoformat()}.",
            term=name.value,
        )
    return max(held, key=lambda each: each.since)


def months_after(day: date, months: int) -> date:
    """The same day of the month `months` later, or that month's last day when it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
