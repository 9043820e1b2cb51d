"""Which date it is somewhere on earth."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from common.clock import latest_date


@pytest.mark.parametrize(
    "now, latest",
    [
        (datetime(2020, 7, 6, 0, 0, tzinfo=UTC), date(2020, 7, 6)),
        (datetime(2020, 7, 6, 9, 59, 59, 999_999, tzinfo=UTC), date(2020, 7, 6)),
        (datetime(2020, 7, 6, 10, 0, tzinfo=UTC), date(2020, 7, 7)),
        (datetime(2020, 7, 6, 23, 30, tzinfo=UTC), date(2020, 7, 7)),
        (datetime(2020, 7, 6, 23, 30, tzinfo=timezone(timedelta(hours=-12))), date(2020, 7, 8)),
    ],
)
def test_the_latest_date_on_earth_is_that_of_utc_plus_14(now: datetime, latest: date) -> None:
    assert latest_date(now) == latest
