"""The outermost layer of an app: trace, metrics, security headers, and the last net under errors.

Plain ASGI: Starlette's own middleware base class would put every request into a second task.
"""

from time import perf_counter

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.http.problems import unexpected
from common.ids import Ids
from common.telemetry import traces

log = structlog.get_logger(__name__)

SLOW_SECONDS = 2.0
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
]
_UNLESS_SET = [
    (b"cache-control", b"private, no-cache"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class Edge:
    """Begins a trace for each request and sees to it that each gets an answer."""

    def __init__(self, app: ASGIApp, ids: Ids, registry: CollectorRegistry) -> None:
        self._app = app
        self._ids = ids
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to answer, by route template",
            ("method", "route", "status"),
            registry=registry,
            buckets=_BUCKETS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        trace = traces.begin(self._ids, _traceparent(scope))
        token = traces.current.set(trace)
        trace_header = (b"trace-id", trace.trace_id.encode())
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                given = {name for name, _ in headers}
                headers.extend(_HEADERS)
                headers.extend(each for each in _UNLESS_SET if each[0] not in given)
                headers.append(trace_header)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("request_failed", method=scope["method"], route=_route(scope))
            if status:
                raise  # the answer has begun: cutting it off is all that is left to say
            await unexpected(trace.trace_id).response()(scope, receive, sending)
        finally:
            self._measure(scope, status, perf_counter() - began)
            traces.current.reset(token)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = _route(scope)
        self._seconds.labels(method, route, str(status)).observe(seconds)
        if status >= 500 or seconds > SLOW_SECONDS:
            log.warning("request", method=method, route=route, status=status, seconds=seconds)


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value, "latin-1")
    return None


def _route(scope: Scope) -> str:
    """The template, never the path: a label per identifier would grow without end."""
    return getattr(scope.get("route"), "path", "unmatched")
