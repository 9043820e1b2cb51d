"""How a declared operation is carried out: unit of work, idempotency, preconditions, the answer.

Routes open the unit of work themselves. A `yield` dependency would commit after the response is
sent, and could not run again when the database asks for it. The answer is serialised inside the
transaction: a 2xx means committed, a refusal means that nothing was written.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from common.actor import Actor
from common.aggregate import Aggregate
from common.errors import DomainError
from common.http.auth import Tokens
from common.http.etags import expected_version, is_known
from common.http.export import MAX_EXPORTS, PAGE, Export, Form, form_of
from common.http.idempotency import Attempt, Key, attempt, is_remembered
from common.http.listing import Listing, not_together
from common.http.paging import Cursors, Page
from common.http.problems import answer_of, trace_id
from common.http.replies import Answer, Reply
from common.journal.record import Context
from common.telemetry import traces
from common.uow import UnitOfWork, UnitsOfWork

Work = Callable[..., Awaitable[Any]]

MAX_BODY_BYTES = 1024 * 1024
"""The largest request body, unless an operation says otherwise (a bulk import)."""


@dataclass(frozen=True)
class Site:
    """What every request of one app shares; kept in `app.state.site`."""

    units: UnitsOfWork
    tokens: Tokens
    cursors: Cursors
    runtime: Any
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_EXPORTS))


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, for operations that open their own units of work."""

    request: Request
    site: Site
    actor: Actor
    context: Context


@dataclass(frozen=True)
class Operation:
    """One declared endpoint. `work` is the slice's function; `versioned`: its answers can have an
    ETag; `lists`: the aggregate whose list it is, and the model of one in it."""

    name: str
    method: str
    path: str
    scope: str
    work: Work
    statuses: tuple[int, ...]
    paged: bool = False
    lists: tuple[Aggregate, type[BaseModel]] | None = None
    versioned: bool = False
    match: bool = False
    key: Key = Key.NONE
    uploads: tuple[str, ...] = ()
    max_body_bytes: int = MAX_BODY_BYTES


async def run_command(operation: Operation, request: Request, values: dict[str, Any]) -> Response:
    """Carry out a change, once, and answer when it is committed."""
    call = call_of(request)
    tried = await _attempt(operation, call, values)
    work = _Command(operation, request, values, tried)
    try:
        answer = await call.site.units.run(work, actor=call.actor, context=call.context)
    except DomainError as error:
        if tried is None or not is_remembered(error):
            raise
        answer = await _remember(call, tried, answer_of(error, trace_id()))
    return answer.response()


async def run_query(operation: Operation, request: Request, values: dict[str, Any]) -> Response:
    """Answer a read."""
    call = call_of(request)
    if operation.paged:
        return await _run_list(operation, call, values)

    async def read(uow: UnitOfWork) -> Answer:
        reply = _checked(operation, await operation.work(uow=uow, **values))
        answer = Answer.of(reply)
        if answer.etag is not None and is_known(request.headers.get("if-none-match"), answer.etag):
            return Answer(304, b"", answer.etag)
        return answer

    answer = await call.site.units.read(read, actor=call.actor, context=call.context)
    return answer.response()


async def _run_list(operation: Operation, call: Call, values: dict[str, Any]) -> Response:
    """Answer with one page of a list, or with all of it in the form that the client accepts."""
    kind = "" if operation.lists is None else operation.lists[0].name
    asked = Listing.asked(operation.name, kind, call.site.cursors, values)
    if operation.lists is not None:
        form = form_of(call.request.headers.get("accept"))
        if form is not Form.JSON:
            return await _export(operation, call, values, asked, form)
    reply, headers = await _read_page(operation, call, values, asked)
    page = reply.value
    if page.next is not None:
        headers["Link"] = _next_link(call.request, page.next)
    return Answer.of(reply).response(*headers.items())


async def _export(
    operation: Operation, call: Call, values: dict[str, Any], asked: Listing, form: Form
) -> Response:
    """Raises InvalidError, and what the first page refuses."""
    assert operation.lists is not None
    for name in ("limit", "cursor"):
        if name in call.request.query_params:
            raise not_together(name, "an export holds the whole list")
    asked = replace(asked, limit=PAGE, whole=True)
    first, headers = await _read_page(operation, call, values, asked)

    async def following(cursor: str) -> Page[Any]:
        reply, _ = await _read_page(operation, call, values, asked.following(cursor))
        return reply.value

    item = operation.lists[1]
    return Export(form, item, first.value, following, call.site.exports, headers)


async def _read_page(
    operation: Operation, call: Call, values: dict[str, Any], asked: Listing
) -> tuple[Reply[Page[Any]], dict[str, str]]:
    """One page, in a read of its own, and what is told beside it."""

    async def read(uow: UnitOfWork) -> tuple[Reply[Page[Any]], str | None]:
        page, position = await asked.page(uow)
        return _checked(operation, await operation.work(uow=uow, **values, page=page)), position

    reply, position = await call.site.units.read(read, actor=call.actor, context=call.context)
    headers = {} if position is None else {"Journal-Position": position}
    if operation.lists is not None:
        headers["Vary"] = "Accept"
    return reply, headers


async def run_plain(operation: Operation, request: Request, values: dict[str, Any]) -> Response:
    """An operation that answers by itself: a stream, a long poll."""
    response = await operation.work(call=call_of(request), **values)
    assert isinstance(response, Response)
    return response


def call_of(request: Request) -> Call:
    """The request as edge and guard left it: with its trace, and authenticated."""
    trace = traces.current.get()
    assert trace is not None, "the edge begins a trace for every request"
    context = Context(correlation_id=trace.trace_id, traceparent=str(trace))
    return Call(request, request.app.state.site, request.scope["actor"], context)


class _Command:
    """The unit of work of one command; it can run again from the start."""

    __slots__ = ("operation", "request", "tried", "values")

    def __init__(
        self, operation: Operation, request: Request, values: dict[str, Any], tried: Attempt | None
    ) -> None:
        self.operation = operation
        self.request = request
        self.values = values
        self.tried = tried

    async def __call__(self, uow: UnitOfWork) -> Answer:
        if self.tried is not None:
            standing = await self.tried.claim(uow)
            if standing is not None:
                return standing
        values = self.values
        if self.operation.match:
            values = {**values, "expected": expected_version(self.request.headers.get("if-match"))}
        for name in self.operation.uploads:
            await values[name].seek(0)
        reply = _checked(self.operation, await self.operation.work(uow=uow, **values))
        answer = Answer.of(reply)
        if self.tried is not None:
            await self.tried.store(uow, answer)
        return answer


async def _attempt(operation: Operation, call: Call, values: dict[str, Any]) -> Attempt | None:
    key = call.request.headers.get("idempotency-key")
    if operation.key is Key.NONE or (key is None and operation.key is Key.OPTIONAL):
        return None
    given = {name: await _content(value) for name, value in values.items()}
    return attempt(key, operation.key, call.actor, operation.name, given)


async def _content(value: Any) -> Any:
    return await value.read() if isinstance(value, UploadFile) else value


async def _remember(call: Call, tried: Attempt, refusal: Answer) -> Answer:
    async def store(uow: UnitOfWork) -> Answer:
        return await tried.store_refusal(uow, refusal)

    return await call.site.units.run(store, actor=call.actor, context=call.context)


def _checked(operation: Operation, reply: Any) -> Reply[Any]:
    if not isinstance(reply, Reply) or reply.status not in operation.statuses:
        raise TypeError(
            f"{operation.name} declares {operation.statuses} and answered {reply!r:.80}; "
            "name its statuses in the decorator: statuses=(201,)"
        )
    if reply.sequence is not None and not operation.versioned:
        raise TypeError(
            f"{operation.name} answers with a version that cannot be read off its code; "
            "give `sequence=` to a maker of Reply in it"
        )
    return reply


def _next_link(request: Request, cursor: str) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    return f'<{request.url.path}?{query}>; rel="next"'
