"""What stands before every operation: token and scope first, then what can be read at all.

Unauthenticated requests are turned away before their body is read. The body is counted while it
arrives, so a chunked one cannot be larger than the limit either.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Scope

from common.errors import InvalidError, MalformedError, Place
from common.http.auth import must_have_scope
from common.http.endpoint import Operation, Site
from common.http.problems import UnsupportedMediaTypeError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class UnknownParameterError(InvalidError):
    code = "unknown_parameter"
    title = "There is no such query parameter"


class GuardedRoute(APIRoute):
    """A route of one `Operation`."""

    def __init__(self, operation: Operation, path: str, endpoint: Any, **options: Any) -> None:
        self.operation = operation
        self._beginning = path.partition("{")[0]
        super().__init__(path, endpoint, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As in FastAPI, which asks route after route: most are ruled out by how they begin."""
        if self._beginning not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, behind the guard."""
        handle = super().get_route_handler()
        operation = self.operation
        accepts = None if self.body_field is None else _media_type(self.body_field.field_info)
        known = _query_names(self.dependant)

        async def guarded(request: Request) -> Response:
            site: Site = request.app.state.site
            actor = await site.tokens.actor(request.headers.get("authorization"))
            must_have_scope(actor, operation.scope)
            request.scope["actor"] = actor
            if request.scope["query_string"]:
                _check_query(request, known)
            if accepts is not None:
                _check_body(request, accepts, operation.max_body_bytes)
                request = _counted(request, operation.max_body_bytes)
            return await handle(request)

        return guarded


def _query_names(dependant: Dependant) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*(_query_names(each) for each in dependant.dependencies))


def _media_type(field: Any) -> str:
    return str(getattr(field, "media_type", "application/json"))


def _check_query(request: Request, known: set[str]) -> None:
    """Raises UnknownParameterError: a misspelt filter would silently show everything."""
    if b"%00" in request.scope["query_string"]:
        raise MalformedError("The query holds a NUL character.")
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        takes = ", ".join(sorted(known)) or "none"
        raise UnknownParameterError(
            f"This list knows no parameter {unknown[0]!r:.60}; it takes {takes}.",
            places=[Place(f"query:{name:.60}", "is not known here") for name in unknown],
        )


def _check_body(request: Request, accepts: str, limit: int) -> None:
    """Raises UnsupportedMediaTypeError, and HTTPException 413 when the length says so already."""
    headers = request.headers
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    if length in ("", "0") and "transfer-encoding" not in headers:
        return
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    suffixed = given.startswith("application/") and given.endswith("+json")
    if given != accepts and not (suffixed and accepts == "application/json"):
        raise UnsupportedMediaTypeError(
            f"Send the body as {accepts}, not {given or 'without a Content-Type'}."
        )


def _counted(request: Request, limit: int) -> Request:
    """`request`, whose body ends with a 413 beyond `limit` bytes."""
    receive = request.receive
    size = 0

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(limit)
        return message

    return JsonRequest(request.scope, counting)


class JsonRequest(Request):
    """A request whose JSON is read strictly: no NaN, and no member given twice."""

    async def json(self) -> Any:
        return _read_strictly((await self.body()).decode("utf-8"))


def _no_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise json.JSONDecodeError(f"{twice!r:.60} is given twice", twice, 0)
    return made


_read_strictly = json.JSONDecoder(
    parse_constant=_no_constant, object_pairs_hook=_no_duplicates
).decode


def _too_large(limit: int) -> HTTPException:
    # an HTTPException: FastAPI takes any other error while it reads the body for a broken body
    says = f"The body may have {limit:,} bytes at most."
    return HTTPException(413, says, {"Connection": "close"})
