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
    """From the fund's payment to us until all is spent."""

    RAPID_RESPONSE_EARLY_START_WEEKS = "rapid_response_early_start_weeks"
    """From the earliest day that the grant pays for to the fund's payment."""

    UNDERFUNDED_FIRST_ROUND_MONTHS = "underfunded_first_round_months"
    UNDERFUNDED_SECOND_ROUND_MONTHS = "underfunded_second_round_months"
    """From the beginning of the round's year, that of the approval, until all is spent."""

    UNDERFUNDED_MONTHS = "underfunded_months"
    """From the fund's payment to us, whatever the round; where it holds, it goes before those."""

    SIMPLIFIED_AGREEMENT_MONTHS = "simplified_agreement_months"
    """From an agreement's first day to its last."""


@dataclass(frozen=True)
class Term:
    """`value` held from `since` until the next term of the same name; `source` says who set it."""

    name: TermName
    value: int
    since: date
    source: str


def term(terms: Iterable[Term], name: TermName, on: date) -> Term:
    """The term of `name` that held on that day. Raises UnknownTermError when none did."""
    held = term_if_any(terms, name, on)
    if held is None:
        raise UnknownTermError(
            f"No {name.value.replace('_', ' ')} is configured for {on.isoformat()}.",
            term=name.value,
        )
    return held


def term_if_any(terms: Iterable[Term], name: TermName, on: date) -> Term | None:
    """The term of `name` that held on that day, or None where none did."""
    held = [each for each in terms if each.name is name and each.since <= on]
    return max(held, key=lambda each: each.since, default=None)


def months_after(day: date, months: int) -> date:
    """The same day of the month `months` later, or that month's last day when it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
