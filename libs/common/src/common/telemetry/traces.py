"""The thread that ties a request, its events and what other services do about it together.

W3C Trace Context: `traceparent` is read from the request or begun here, kept in a context variable
for logs, and written into the journal. No spans are recorded or sent anywhere.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass

from common.ids import Ids

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16


@dataclass(frozen=True, slots=True)
class Trace:
    """One step (`span_id`, 16 hex digits) of one story (`trace_id`, 32 hex digits)."""

    trace_id: str
    span_id: str
    flags: str = "01"

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


current: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the work at hand, for whoever logs."""


def parse(traceparent: str | None) -> Trace | None:
    """The trace in a `traceparent`, or None when there is none or it is not one."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or match[1] == "ff" or match[2] == _NO_TRACE or match[3] == _NO_SPAN:
        return None
    return Trace(match[2], match[3], match[4])


def begin(ids: Ids, traceparent: str | None = None) -> Trace:
    """A new step, of the story in `traceparent` or of a new one."""
    fresh = ids.new().hex
    parent = parse(traceparent)
    if parent is None:
        return Trace(fresh, fresh[16:])
    return Trace(parent.trace_id, fresh[16:], parent.flags)
