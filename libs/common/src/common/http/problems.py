"""Everything that is refused, as RFC 9457 `application/problem+json`.

`DomainError` knows no HTTP; here is the one table that gives each kind its status. What FastAPI and
Starlette refuse by themselves (validation, routing) takes the same shape. An unexpected exception
says nothing about our insides: its trace id leads to the log.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common.errors import (
    DomainError,
    ForbiddenError,
    InvalidError,
    Kind,
    MalformedError,
    NotFoundError,
    Place,
    UnauthenticatedError,
)
from common.http.replies import Answer
from common.telemetry import traces

STATUS: dict[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.CONFLICT: 409,
    Kind.STALE: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.INVALID: 422,
    Kind.PRECONDITION_REQUIRED: 428,
    Kind.UNAVAILABLE: 503,
}
_BY_STATUS = {status: kind for kind, status in STATUS.items()}

MAX_PLACES = 20
_RESERVED = {"type", "title", "status", "detail", "code", "errors", "trace_id"}


class MethodNotAllowedError(DomainError):
    code = "method_not_allowed"
    kind = Kind.METHOD_NOT_ALLOWED
    title = "This resource is not used that way"


class TooLargeError(DomainError):
    code = "too_large"
    kind = Kind.TOO_LARGE
    title = "The request is too large"


class UnsupportedMediaTypeError(DomainError):
    code = "unsupported_media_type"
    kind = Kind.UNSUPPORTED
    title = "This media type is not read here"


def type_of(code: str) -> str:
    """The stable identifier of a kind of problem."""
    return f"urn:frontline:problem:{code}"


def answer_of(error: DomainError, trace_id: str | None) -> Answer:
    """The problem document of a refusal."""
    status = STATUS[error.kind]
    problem: dict[str, Any] = {
        "type": type_of(error.code),
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.places:
        problem["errors"] = [_place(place) for place in error.places[:MAX_PLACES]]
    if trace_id is not None:
        problem["trace_id"] = trace_id
    problem.update({key: value for key, value in error.facts.items() if key not in _RESERVED})
    return Answer(status, encode(problem), headers=tuple(_headers(error)))


def unexpected(trace_id: str | None) -> Answer:
    """What a client sees of a fault of ours: nothing but where to look."""
    problem = {
        "type": type_of("internal_error"),
        "title": "Something went wrong on our side",
        "status": 500,
        "detail": "The request was not carried out. Tell the operators the trace id.",
        "code": "internal_error",
        "trace_id": trace_id,
    }
    return Answer(500, encode(problem))


def encode(problem: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; half a surrogate pair that a client sent is written as an escape."""
    text = json.dumps(problem, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "backslashreplace")


async def on_refusal(request: Request, error: Exception) -> Response:
    """The handler for `DomainError`."""
    assert isinstance(error, DomainError)
    return answer_of(error, trace_id()).response()


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """The handler for FastAPI's own validation of body and parameters."""
    assert isinstance(error, RequestValidationError)
    return answer_of(refusal_of(error.errors(), error.body), trace_id()).response()


async def on_http_exception(request: Request, error: Exception) -> Response:
    """The handler for what the router refuses: no such path, no such method, an unreadable body."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == STATUS[Kind.METHOD_NOT_ALLOWED]:
        headers["Allow"] = _allowed(request)
    answer = answer_of(_from_http(request, error, headers), trace_id())
    return answer.response(*headers.items())


def trace_id() -> str | None:
    """The trace of the request at hand."""
    trace = traces.current.get()
    return None if trace is None else trace.trace_id


def refusal_of(errors: Iterable[Any], body: Any = None) -> DomainError:
    """The refusal for errors in pydantic's form, pointing at each place."""
    found = list(errors)
    broken = next((each for each in found if each["type"] == "json_invalid"), None)
    if broken is not None:
        reason = broken.get("ctx", {}).get("error", "it is broken")
        at = broken["loc"][-1]
        return MalformedError(f"The body is not JSON: {reason} (at character {at}).")
    places = [
        Place(_pointer(each, body), _sentence(each), _code(each)) for each in found[:MAX_PLACES]
    ]
    first = f"{places[0].pointer}: {places[0].message}"
    if len(found) == 1:
        return InvalidError(first, places=places)
    return InvalidError(f"{len(found)} places need mending; the first is {first}", places=places)


def _place(place: Place) -> dict[str, str]:
    pointer = place.pointer
    if pointer.startswith("/"):
        pointer = f"#{pointer}"
    elif not pointer.startswith("#") and ":" not in pointer:
        pointer = f"#/{pointer}"
    return {"pointer": pointer, "message": place.message, "code": place.code}


def _headers(error: DomainError) -> Iterable[tuple[str, str]]:
    if error.retry_after_seconds is not None:
        yield "Retry-After", str(error.retry_after_seconds)
    if isinstance(error, UnauthenticatedError):
        invalid = ', error="invalid_token"' if error.code == "invalid_token" else ""
        yield "WWW-Authenticate", f'Bearer realm="frontline"{invalid}'
    elif error.code == "missing_scope":
        scope = error.facts.get("scope", "")
        lacking = f'error="insufficient_scope", scope="{scope}"'
        yield "WWW-Authenticate", f'Bearer realm="frontline", {lacking}'


def _allowed(request: Request) -> str:
    """The methods of every route at this path; Starlette names those of the first one only."""
    routes = [each for each in request.app.routes if isinstance(each, Route)]
    here = (each for each in routes if each.path_regex.match(request.scope["path"]))
    return ", ".join(sorted({method for each in here for method in each.methods or ()}))


def _from_http(request: Request, error: HTTPException, headers: Mapping[str, str]) -> DomainError:
    path = request.url.path
    match _BY_STATUS.get(error.status_code):
        case Kind.NOT_FOUND:
            return NotFoundError(f"There is nothing at {path}.")
        case Kind.METHOD_NOT_ALLOWED:
            return MethodNotAllowedError(
                f"{path} does not take {request.method:.20}; it takes {headers['Allow']}."
            )
        case Kind.TOO_LARGE:
            return TooLargeError(str(error.detail))
        case Kind.FORBIDDEN:
            return ForbiddenError(str(error.detail))
        case Kind.UNAUTHENTICATED:
            return UnauthenticatedError(str(error.detail))
        case Kind.MALFORMED | None if error.status_code < 500:
            return MalformedError("The body cannot be read; check its encoding and nesting.")
    raise error


_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a field here; remove it or check its spelling",
    "string_too_long": "is too long; at most {max_length} characters",
    "string_too_short": "is too short; at least {min_length} characters",
    "too_long": "has too many entries; at most {max_length}",
    "too_short": "has too few entries; at least {min_length}",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "uuid_parsing": "must be an identifier (a UUID)",
    "uuid_type": "must be an identifier (a UUID)",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def _sentence(error: Mapping[str, Any]) -> str:
    """What is wrong and what would be right, for a person."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context.get("error", error["msg"]))
    known = _SENTENCES.get(error["type"])
    if known is not None:
        return known.format_map(context)
    text = str(error["msg"])
    return f"must{text.removeprefix('Input should')}" if text.startswith("Input should") else text


def _code(error: Mapping[str, Any]) -> str:
    kind = str(error["type"])
    return {"extra_forbidden": "unknown_field", "value_error": "invalid"}.get(kind, kind)


def _pointer(error: Mapping[str, Any], body: Any) -> str:
    """Where it is: `#/lines/0/amount` in the body, `query:limit` elsewhere.

    Pydantic names union members on the way; steps that the body does not have are left out.
    """
    place, *steps = error["loc"]
    if place != "body":
        return ":".join(str(part) for part in (place, *steps))
    kept: list[str] = []
    here = body
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            if not last and isinstance(step, str):
                continue
            here = None
        kept.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "#" + "".join(f"/{quote(step, safe='~', errors='backslashreplace')}" for step in kept)


def _plain(value: object) -> str:
    return str(value)
