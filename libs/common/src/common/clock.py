"""The one place that reads the time. Everything else is handed a clock: tests decide the day."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

_FIRST_TO_BEGIN_A_DAY = timezone(timedelta(hours=14))


class Clock(Protocol):
    """Tells the time, always in UTC with microseconds."""

    def now(self) -> datetime:
        """The current moment, timezone-aware UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock:
    """A clock that stands where it is put; for tests and replays."""

    def __init__(self, at: datetime) -> None:
        self._at = utc(at)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move on by `by` (may be negative: another machine's clock can be wrong)."""
        self._at += by


def utc(moment: datetime) -> datetime:
    """`moment` in UTC. Raises ValueError for a naive time: which moment would it be?"""
    if moment.tzinfo is None:
        raise ValueError("a time without a timezone is not a moment; give it in UTC")
    return moment.astimezone(UTC)


def latest_date(now: datetime) -> date:
    """The latest date that it is anywhere on earth at `now`: that of UTC+14.

    Beyond it a day is still to come for everybody. What has happened is dated where it happened:
    measured in UTC, whoever is east of Greenwich would be refused their own today for hours. What
    we date ourselves, deadlines and lapses go by UTC.
    """
    return now.astimezone(_FIRST_TO_BEGIN_A_DAY).date()
