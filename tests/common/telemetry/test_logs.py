"""Log lines: one JSON object each, with their trace, whoever logs, and without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
import structlog

from common.telemetry import traces
from common.telemetry.logs import MAX_COMPLAINTS, OncePerOutage, configure_logs

TRACE = traces.Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """Logging as a service has it, undone after the test."""
    with logging_as_before():
        stream = StringIO()
        configure_logs("post", stream=stream)
        yield stream


@contextmanager
def logging_as_before() -> Iterator[None]:
    """What is configured inside ends with it."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)


def printed(lines: StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(lines.getvalue())
    return line


def test_a_line_says_what_when_who_and_in_which_story(lines: StringIO) -> None:
    token = traces.current.set(TRACE)
    structlog.get_logger("here").info("packed", parcels=2)
    traces.current.reset(token)
    line = printed(lines)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "packed",
        "parcels": 2,
        "level": "info",
        "logger": "here",
        "service": "post",
        "trace_id": TRACE.trace_id,
    }


def test_libraries_log_the_same_way(lines: StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("port %d is taken", 8000)
    line = printed(lines)
    assert line["event"] == "port 8000 is taken"
    assert line["service"] == "post"


def test_chatty_libraries_are_heard_from_a_warning_on(lines: StringIO) -> None:
    logging.getLogger("aiokafka.consumer").info("joined group")
    logging.getLogger("httpx").info("GET https://issuer.example")
    assert lines.getvalue() == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": "s3cret"},
        {"access_token": "s3cret"},
        {"password": "s3cret"},
        {"journal_key": "s3cret"},
        {"said": "Authorization: Bearer s3cret"},
        {"said": "postgresql://frontline:s3cret@db/registry"},
        {"said": "eyJhbGciOi.s3cret.s3cret"},
        {"headers": {"Authorization": "s3cret"}},
        {"tried": [{"with": {"password": "s3cret"}}]},
        {"tried": ("Bearer s3cret", 7)},
        {"deep": [[[[[[[[[[["Bearer s3cret"]]]]]]]]]]]},
        {"error": "duplicate key\nDETAIL:  Key (name)=(s3cret) already exists."},
        {"error": "null value\nDETAIL:  Failing row contains (1,\ns3cret, 2).\n[SQL: x]"},
    ],
)
def test_secrets_are_struck_out(lines: StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger().info("seen", **fields)
    assert "s3cret" not in lines.getvalue()


def test_an_exception_is_one_line_too(lines: StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError: broken" in printed(lines)["exception"]


def test_a_struck_out_line_leaves_what_was_logged_as_it_was(lines: StringIO) -> None:
    given = {"password": "s3cret", "harmless": [1, "two"]}
    structlog.get_logger().info("seen", given=given)
    assert given == {"password": "s3cret", "harmless": [1, "two"]}
    assert printed(lines)["given"] == {"password": "***", "harmless": [1, "two"]}


def complain(seconds: float, node: int = 0, logger: str = "aiokafka", text: str = "Lost") -> None:
    """Log that a node was lost, as seen at that time."""
    record = logging.LogRecord(logger, logging.ERROR, "", 0, f"{text} node %s", (node,), None)
    record.created = seconds
    logging.getLogger(logger).handle(record)


def test_a_broker_outage_is_one_line_of_each_complaint_and_logger(lines: StringIO) -> None:
    for tenth in range(3000):
        complain(tenth / 10, node=tenth % 3)
        complain(tenth / 10, logger="aiokafka.consumer")
        complain(tenth / 10, text="Cannot find")
    assert len(lines.getvalue().splitlines()) == 3


def test_the_next_outage_is_told_again(lines: StringIO) -> None:
    for seconds in (0.0, 59.0, 118.0, 178.0, 179.0):
        complain(seconds)
    assert len(lines.getvalue().splitlines()) == 2


def test_other_libraries_may_repeat_themselves(lines: StringIO) -> None:
    for _ in range(3):
        complain(0.0, logger="uvicorn.error")
    assert len(lines.getvalue().splitlines()) == 3


def test_what_is_remembered_of_complaints_is_bounded() -> None:
    outages = OncePerOutage("aiokafka")
    for number in range(1000):
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, f"no {number}", (), None)
        assert outages.filter(record)
    assert len(outages._last) == MAX_COMPLAINTS


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_failure_shows_where_it_was_and_no_values_that_lay_there(log_format: str) -> None:
    """Local values are a request's private words, keys, connections: and to print them takes
    seconds.
    """
    words = "what the partner told us"
    with logging_as_before():
        stream = StringIO()
        configure_logs("post", log_format=log_format, stream=stream)
        try:
            _fail(words)
        except ValueError:
            structlog.get_logger().exception("failed")
    assert "in _fail" in stream.getvalue()
    assert words not in stream.getvalue()


def _fail(words: str) -> None:
    raise ValueError(len(words))
