"""How a slice declares its endpoints, and how the declaration becomes a FastAPI route.

A slice writes a function from a unit of work and typed input to a `Reply`. The decorator says what
cannot be seen from the types: the scope, the idempotency key, the precondition, the refusals.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from common.aggregate import Aggregate
from common.errors import DomainError
from common.http import openapi
from common.http.endpoint import (
    MAX_BODY_BYTES,
    Call,
    Operation,
    run_command,
    run_plain,
    run_query,
)
from common.http.guard import GuardedRoute
from common.http.idempotency import Key
from common.http.listing import PARAMETERS, SINCE
from common.http.paging import Page, PageQuery
from common.http.replies import Reply
from common.uow import UnitOfWork

Method = Literal["POST", "PUT", "PATCH", "DELETE"]
Function = TypeVar("Function", bound=Callable[..., Awaitable[Any]])

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_STATUS_OF_REPLY = {"ok": 200, "page": 200, "created": 201, "no_content": 204}


@dataclass(frozen=True)
class Declared:
    """An operation with what FastAPI and the OpenAPI need to know of it."""

    operation: Operation
    endpoint: Callable[..., Awaitable[Response]]
    answer: Any
    refuses: tuple[type[DomainError], ...]
    media_type: str | None
    headers: Mapping[str, str]


class Routes:
    """The endpoints of one slice, under one tag and path prefix."""

    def __init__(self, tag: str, prefix: str = "/v1", description: str = "") -> None:
        self.tag = tag
        self.prefix = prefix
        self.description = description
        self.declared: list[Declared] = []

    def command(
        self,
        method: Method,
        path: str,
        *,
        scope: str,
        key: Key | None = None,
        match: bool = False,
        refuses: tuple[type[DomainError], ...] = (),
        statuses: tuple[int, ...] | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Callable[[Function], Function]:
        """Declare a change. It runs in one transaction, committed before the answer is sent.

        `key`: POSTs take an Idempotency-Key unless told otherwise. `match`: If-Match is needed and
        arrives as `expected: Sequence`. `statuses`: only where they cannot be read off the `Reply`
        that the function makes. `max_body_bytes`: for larger bodies than usual.
        """
        if key is None:
            key = Key.OPTIONAL if method == "POST" else Key.NONE

        def declare(work: Function) -> Function:
            operation = Operation(
                name=work.__name__,
                method=method,
                path=self.prefix + path,
                scope=scope,
                work=work,
                statuses=statuses or _statuses(work),
                versioned=_is_versioned(work),
                match=match,
                key=key,
                uploads=_uploads(work),
                max_body_bytes=max_body_bytes,
            )
            self._add(operation, run_command, refuses)
            return work

        return declare

    def query(
        self,
        path: str,
        *,
        scope: str,
        of: Aggregate | None = None,
        refuses: tuple[type[DomainError], ...] = (),
    ) -> Callable[[Function], Function]:
        """Declare a read. No transaction: each statement sees the newest commit.

        `of`: it is the list of this aggregate, so it can be asked what changed since a position and
        is exported as NDJSON and CSV. Its query leaves the page to `PageQuery.cut`.
        """

        def declare(work: Function) -> Function:
            operation = Operation(
                name=work.__name__,
                method="GET",
                path=self.prefix + path,
                scope=scope,
                work=work,
                statuses=_statuses(work),
                paged=PageQuery in _hints(work).values(),
                lists=None if of is None else (of, _item_model(work)),
                versioned=_is_versioned(work),
            )
            self._add(operation, run_query, refuses)
            return work

        return declare

    def plain(
        self,
        method: Literal["GET"],
        path: str,
        *,
        scope: str,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        refuses: tuple[type[DomainError], ...] = (),
    ) -> Callable[[Function], Function]:
        """Declare an operation that takes a `call: Call`, opens its own units of work and returns a
        Response: a stream, an export, a long poll. `headers`: what each of its own tells."""

        def declare(work: Function) -> Function:
            operation = Operation(
                name=work.__name__,
                method=method,
                path=self.prefix + path,
                scope=scope,
                work=work,
                statuses=(200,),
            )
            self._add(operation, run_plain, refuses, media_type, headers or _NO_HEADERS)
            return work

        return declare

    def mount(self, app: FastAPI) -> None:
        """Add every operation to `app`."""
        app.router.routes.extend(self._built)

    @cached_property
    def _built(self) -> list[BaseRoute]:
        """The routes, built once: they belong to no app, and building them takes long."""
        router = APIRouter()
        for each in self.declared:
            operation = each.operation
            summary, description = _prose(operation.work)
            router.add_api_route(
                operation.path,
                each.endpoint,
                methods=[operation.method],
                name=operation.name,
                operation_id=operation.name,
                tags=[self.tag],
                summary=summary,
                description=description,
                status_code=operation.statuses[0],
                response_model=each.answer,
                response_description=openapi.DESCRIPTIONS[operation.statuses[0]],
                responses=openapi.responses(
                    operation, each.answer, each.refuses, each.media_type, each.headers
                ),
                openapi_extra=openapi.additions(operation),
                route_class_override=partial(GuardedRoute, operation),  # type: ignore[arg-type]
            )
        return router.routes

    def _add(
        self,
        operation: Operation,
        run: Callable[[Operation, Request, dict[str, Any]], Awaitable[Response]],
        refuses: tuple[type[DomainError], ...],
        media_type: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        async def endpoint(request_: Request, **values: Any) -> Response:
            return await run(operation, request_, values)

        hints = _hints(operation.work)
        endpoint.__signature__ = _signature(operation, hints)  # type: ignore[attr-defined]
        endpoint.__name__ = endpoint.__qualname__ = operation.name
        endpoint.__module__ = operation.work.__module__
        endpoint.__doc__ = operation.work.__doc__
        self.declared.append(
            Declared(
                operation, endpoint, _answer_model(operation, hints), refuses, media_type, headers
            )
        )


def _hints(work: Callable[..., Any]) -> dict[str, Any]:
    """The types of `work`, resolved. Raises NameError for names imported for type checkers only."""
    return typing.get_type_hints(work, include_extras=True)


def _signature(operation: Operation, hints: dict[str, Any]) -> inspect.Signature:
    """What FastAPI is to see: the request, and `work`'s parameters less those that we supply."""
    parameters = [inspect.Parameter("request_", inspect.Parameter.KEYWORD_ONLY, annotation=Request)]
    for name, parameter in inspect.signature(operation.work).parameters.items():
        annotation = hints.get(name, parameter.annotation)
        if annotation in (UnitOfWork, Call) or (operation.match and name == "expected"):
            continue
        if annotation is PageQuery:
            if name != "page":
                raise TypeError(f"{operation.name}: call its PageQuery `page`")
            parameters += (_parameter(each, *given) for each, given in PARAMETERS.items())
            if operation.lists is not None:
                parameters.append(_parameter("changed_since", SINCE, None))
            continue
        parameters.append(_parameter(name, annotation, parameter.default))
    return inspect.Signature(parameters)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


def _answer_model(operation: Operation, hints: dict[str, Any]) -> Any:
    """The model inside `Reply[…]`, or None when there is no body."""
    answer = hints.get("return")
    if get_origin(answer) is Reply:
        (model,) = get_args(answer)
        return None if model is type(None) else model
    return None


def _item_model(work: Callable[..., Any]) -> type[BaseModel]:
    """The model of one item of the `Page` that `work` replies with."""
    (page,) = get_args(_hints(work)["return"])
    assert issubclass(page, Page)
    (item,) = get_args(page.model_fields["items"].annotation)
    assert isinstance(item, type)
    assert issubclass(item, BaseModel)
    return item


def _statuses(work: Callable[..., Any]) -> tuple[int, ...]:
    """The statuses that `work` answers with, read off the makers of `Reply` that it names."""
    names = work.__code__.co_names
    found = {_STATUS_OF_REPLY[name] for name in names if name in _STATUS_OF_REPLY}
    return tuple(sorted(found, reverse=True)) or (200,)


def _is_versioned(work: Callable[..., Any]) -> bool:
    """Whether the `Reply` that `work` makes is given a sequence. One that another function makes
    for it is taken to be: that is the thing itself, in its version."""
    if Reply.__name__ not in work.__code__.co_names:
        return True
    arguments = (each for each in work.__code__.co_consts if isinstance(each, tuple))
    return any("sequence" in names for names in arguments)


def _uploads(work: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of `work` that are uploaded files."""
    return tuple(
        name
        for name, hint in _hints(work).items()
        if isinstance(base := get_args(hint)[0] if get_origin(hint) is Annotated else hint, type)
        and issubclass(base, UploadFile)
    )


def _prose(work: Callable[..., Any]) -> tuple[str, str]:
    """The first line of the docstring, and the rest."""
    first, _, rest = inspect.cleandoc(work.__doc__ or "").partition("\n")
    if not first:
        raise TypeError(f"{work.__name__} needs a docstring: its first line is the summary")
    return first.rstrip("."), rest.strip()
