"""Where and when a process can be struck, and that nobody can be struck by mistake."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from pydantic import ValidationError

from common.points import Point, Strike, reached, strikes
from common.settings import CommonSettings

PRODUCTION = {
    "database_url": "postgresql+asyncpg://x/y",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "issuer": "https://issuer.example.org",
    "jwks_url": "https://issuer.example.org/keys",
    "journal_key": "a-key",
}
DEVELOPMENT = {**PRODUCTION, "profile": "development"}


@pytest.mark.parametrize("fault", ["kill_at", "pause_at"])
def test_no_fault_can_be_asked_for_outside_development(fault: str) -> None:
    CommonSettings(**_with(DEVELOPMENT, fault, "before_commit:2"))
    with pytest.raises(ValidationError, match="development profile only"):
        CommonSettings(**_with(PRODUCTION, fault, "before_commit:2"))


@pytest.mark.parametrize("text", ["before_comit", "before_commit:0", "before_commit:often", ":1"])
def test_what_is_no_point_or_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        CommonSettings(**_with(DEVELOPMENT, "kill_at", text))


def test_a_strike_falls_at_the_passage_it_says_and_only_there() -> None:
    fallen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: fallen.append(number))
    try:
        strike = Strike.parse("before_cursor:2", signal.SIGUSR1)
        for point, times in (
            (Point.BEFORE_CURSOR, 0),
            (Point.AFTER_COMMIT, 0),
            (Point.BEFORE_CURSOR, 1),
            (Point.BEFORE_CURSOR, 1),
        ):
            strike.pass_by(point)
            assert len(fallen) == times
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_process_that_was_told_nothing_passes_every_point() -> None:
    assert strikes(kill_at="", pause_at="") == []
    for point in Point:
        reached(point)


def _with(settings: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    return {**settings, name: value}
