"""W3C Trace Context: a story is carried on or begun, and nonsense begins a new one."""

from __future__ import annotations

import pytest

from common.ids import Uuid7Ids
from common.telemetry.traces import begin, parse

STORY, STEP = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_story_is_carried_on_with_a_step_of_our_own() -> None:
    trace = begin(Uuid7Ids(), f"00-{STORY}-{STEP}-00")
    assert trace.trace_id == STORY
    assert trace.span_id != STEP
    assert trace.flags == "00"
    assert parse(str(trace)) == trace


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "nonsense",
        f"ff-{STORY}-{STEP}-01",
        f"00-{'0' * 32}-{STEP}-01",
        f"00-{STORY}-{'0' * 16}-01",
        f"00-{STORY.upper()}-{STEP}-01",
        f"00-{STORY}-{STEP}-01-more",
    ],
)
def test_nonsense_begins_a_new_story(given: str | None) -> None:
    assert parse(given) is None
    trace = begin(Uuid7Ids(), given)
    assert trace.trace_id != STORY
    assert parse(str(trace)) == trace
