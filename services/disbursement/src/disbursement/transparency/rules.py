"""Reckoning for the reports: working days, shares, and what counts as civil society or local.

The shares are those that IOM and the Grand Bargain report on: to civil society, and to local and
national actors. A chain with one intermediary is never called direct; we count layers and say from
where.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from statistics import mean, median

CIVIL_SOCIETY = frozenset(
    {
        "international_ngo",
        "national_ngo",
        "local_ngo",
        "community_based_organization",
        "internationally_affiliated_ngo",
        "rcrc_national_society",
        "rcrc_international",
        "university_research",
        "philanthropic_foundation",
        "non_profit_media",
        "professional_association",
    }
)
"""The registry's kinds of civil society organisation.

A kind that we do not know is not counted as one.
"""


class Locality(StrEnum):
    """Whether the recipient is a local or national actor; the undetermined are shown apart."""

    YES = "yes"
    NO = "no"
    UNDETERMINED = "undetermined"


def locality(seen: str | None) -> Locality:
    """What the registry says, or undetermined when it says nothing that we know."""
    return Locality(seen) if seen in {each.value for each in Locality} else Locality.UNDETERMINED


@dataclass(frozen=True)
class Gift:
    """What one agreement, or all alike in this, committed and paid, and to whom."""

    committed: Decimal
    paid: Decimal
    kind: str | None
    local: Locality


@dataclass(frozen=True)
class Shares:
    """Amounts of one currency, and what fraction of `total` each is (None of nothing).

    `to_local`, `not_local` and `undetermined` sum to `total`.
    """

    total: Decimal
    to_civil_society: Decimal
    to_local: Decimal
    not_local: Decimal
    undetermined: Decimal

    def share(self, part: Decimal) -> Decimal | None:
        """`part` of the total as a fraction with four decimals."""
        if self.total == 0:
            return None
        return (part / self.total).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


def shares(amounts: Iterable[tuple[Gift, Decimal]]) -> Shares:
    """Add up `(gift, amount)`: the amount is its committed or its paid one, never both."""
    listed = list(amounts)

    def of(locality_: Locality) -> Decimal:
        return sum((amount for gift, amount in listed if gift.local is locality_), Decimal(0))

    return Shares(
        total=sum((amount for _, amount in listed), Decimal(0)),
        to_civil_society=sum(
            (amount for gift, amount in listed if gift.kind in CIVIL_SOCIETY), Decimal(0)
        ),
        to_local=of(Locality.YES),
        not_local=of(Locality.NO),
        undetermined=of(Locality.UNDETERMINED),
    )


@dataclass(frozen=True)
class Days:
    """A stretch of time in calendar days and in working days (Monday to Friday, holidays not
    known).
    """

    calendar: int
    working: int


def days_between(start: date, end: date) -> Days:
    """From `start` to `end`; negative when `end` is earlier. The first day is not counted."""
    if end < start:
        back = days_between(end, start)
        return Days(-back.calendar, -back.working)
    calendar = (end - start).days
    weeks, rest = divmod(calendar, 7)
    tail = (start + timedelta(days=weeks * 7 + offset) for offset in range(1, rest + 1))
    return Days(calendar, weeks * 5 + sum(day.weekday() < 5 for day in tail))


@dataclass(frozen=True)
class Summary:
    """Median and mean of a series, to one decimal."""

    count: int
    median: Decimal
    mean: Decimal


def summary(values: Iterable[int]) -> Summary | None:
    """The middle and the average of `values`; None of none."""
    listed = [Decimal(value) for value in values]
    if not listed:
        return None
    tenth = Decimal("0.1")
    return Summary(len(listed), median(listed).quantize(tenth), mean(listed).quantize(tenth))
