"""Logs as one JSON object per line, each with the trace of the request or event behind it.

Everything goes through here, also what uvicorn, SQLAlchemy and aiokafka say. Tokens and secrets are
struck out by name; bodies and headers are never logged.
"""

import logging
import logging.config
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from common.telemetry import traces

_SECRET_NAME = re.compile(
    r"authorization|token|secret|password|passwd|api_?key|cookie|private|journal_key", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"(?i)\bbearer\s+\S+|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
# What PostgreSQL quotes of a row, up to the next part of its message.
_QUOTED_ROW = re.compile(r"(?s)\bDETAIL:.*?(?=\n(?:HINT:|\[SQL:|\s*\n)|\Z)")
_STRUCK_OUT = "***"
OUTAGE_SECONDS = 60.0
"""A complaint that is not repeated for so long is over; repeated later it is a new one."""
MAX_COMPLAINTS, MAX_COMPLAINT = 200, 100
"""How many are remembered, the oldest forgotten first, and how many characters of each."""
MAX_DEPTH = 8
"""Lists and dicts inside each other that a line shows; deeper ones are struck out unseen."""

Event = MutableMapping[str, Any]


def configure_logs(
    service: str, level: str = "INFO", log_format: str = "json", stream: TextIO | None = None
) -> None:
    """Send every log line to `stream`, standard error unless named.

    `log_format`: `json`, or `console` for people.
    """

    def name_service(logger: Any, method: str, event: Event) -> Event:
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        name_service,
        add_trace,
    ]
    # A failure is written out before secrets are struck out, and without local values.
    finish: list[Any] = [structlog.processors.format_exc_info, strike_out]
    if log_format == "json":
        finish.append(structlog.processors.JSONRenderer(ensure_ascii=False, default=str))
    else:
        plain = structlog.dev.plain_traceback
        finish.append(structlog.dev.ConsoleRenderer(exception_formatter=plain))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(OncePerOutage("aiokafka"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _quieten()


def add_trace(logger: Any, method: str, event: Event) -> Event:
    """Add `trace_id` while a request or reaction is at work."""
    trace = traces.current.get()
    if trace is not None:
        event.setdefault("trace_id", trace.trace_id)
    return event


def strike_out(logger: Any, method: str, event: Event) -> Event:
    """Replace what looks like a secret, by its name or by its form."""
    for name, value in event.items():
        event[name] = _STRUCK_OUT if _SECRET_NAME.search(name) else _cleaned(value, MAX_DEPTH)
    return event


def _cleaned(value: Any, depth: int) -> Any:
    """`value` without secrets, itself unchanged."""
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_STRUCK_OUT, _QUOTED_ROW.sub(f"DETAIL: {_STRUCK_OUT}", value))
    if isinstance(value, (Mapping, list, tuple, set, frozenset)) and depth == 0:
        return _STRUCK_OUT
    if isinstance(value, Mapping):
        return {
            name: _STRUCK_OUT if _SECRET_NAME.search(str(name)) else _cleaned(each, depth - 1)
            for name, each in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(each, depth - 1) for each in value]
    return value


class OncePerOutage(logging.Filter):
    """Lets a library complain of the same thing once, not as often as it tries again.

    While the broker is away aiokafka complains several times a second from each of its loggers.
    What we do about it, and how long we wait, our own lines tell.
    """

    def __init__(self, library: str) -> None:
        super().__init__()
        self._library = library
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is printed: of the library only what begins an outage."""
        if record.name.partition(".")[0] != self._library or record.levelno < logging.WARNING:
            return True
        complaint = (record.name, str(record.msg)[:MAX_COMPLAINT])
        over = record.created - OUTAGE_SECONDS
        begins = self._last.pop(complaint, over) <= over
        self._last[complaint] = record.created
        while len(self._last) > MAX_COMPLAINTS:
            del self._last[next(iter(self._last))]
        return begins


def _quieten() -> None:
    """Libraries log through the root; the chatty ones only from a warning on."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("uvicorn.access", "httpx", "httpcore", "aiokafka", "sqlalchemy.engine", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
