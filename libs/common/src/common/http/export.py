"""A whole list as one file: NDJSON or CSV, as the client accepts it.

An export is its list, page after page: the same function under the same access and filters, so
both hold the same. Each page is a read of its own, with no snapshot held open in between, and one
page is all that lies in memory. What is added or changed meanwhile is in it or not, as in a list
that is read by hand; what the whole time was there is in it once.

The first page is read before the answer begins, so that a refusal is still one. If a later one
fails the answer breaks off without its end: a short file never looks like a whole one.
"""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from common.errors import UnavailableError
from common.http.paging import MAX_LIMIT, Page

PAGE = MAX_LIMIT
MAX_EXPORTS = 8
"""Exports that one process serves at the same time."""
SEND_SECONDS = 60.0
"""How long a reader may leave a page lying before it is given up."""

_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_LIKE_A_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


class Form(StrEnum):
    """What a list can be answered as, by media type."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


class TooManyExportsError(UnavailableError):
    code = "too_many_exports"
    title = "Too many exports are running here"
    retry_after_seconds = 30


def form_of(accept: str | None) -> Form:
    """The form that an `Accept` header likes best; JSON when it does not say, or says nothing ours.

    Of forms liked equally a named one counts more than `text/*` or `*/*`, then JSON.
    """
    best, chosen = (0.0, 0), Form.JSON
    for form in Form:
        for named, liking in _likings(accept or ""):
            exactness = {form.value: 2, f"{form.value.partition('/')[0]}/*": 1, "*/*": 0}.get(named)
            if exactness is not None and liking > 0 and (liking, exactness) > best:
                best, chosen = (liking, exactness), form
    return chosen


def _likings(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        named, *parameters = (each.strip().lower() for each in part.split(";"))
        liking = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            yield named, float(liking)
        except ValueError:
            yield named, 0.0


class Export(StreamingResponse):
    """The rest of a list behind its `first` page. `following` reads the page that a cursor leads
    to; `free` bounds how many run."""

    def __init__(
        self,
        form: Form,
        item: type[BaseModel],
        first: Page[Any],
        following: Callable[[str], Awaitable[Page[Any]]],
        free: asyncio.Semaphore,
        headers: Mapping[str, str],
    ) -> None:
        write = ndjson if form is Form.NDJSON else Csv(item)
        self._free = free
        super().__init__(_written(write, first, following), 200, headers, form.value)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as one of those that are served at the same time.

        Raises TooManyExportsError, before anything is sent, when there are enough of them.
        """
        if self._free.locked():
            raise TooManyExportsError("Ask again in a moment, or read the list in pages.")
        async with self._free:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send it. A reader that stands still is given up: TimeoutError, and the answer breaks."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        await super().stream_response(bounded)


async def _written(
    write: Callable[[Page[Any]], bytes],
    page: Page[Any],
    following: Callable[[str], Awaitable[Page[Any]]],
) -> AsyncIterator[bytes]:
    yield write(page)
    while page.next is not None:
        page = await following(page.next)
        yield write(page)


def ndjson(page: Page[Any]) -> bytes:
    """One JSON object a line, each as it stands in `items`."""
    return "".join(f"{item.model_dump_json()}\n" for item in page.items).encode()


class Csv:
    """Writes the items of pages as CSV (RFC 4180, UTF-8), the names of the columns first.

    A column per field; an object inside has a column per field of its own, `name.field`, and a list
    is one cell of JSON. Amounts are the exact text that JSON has, nothing is an empty cell. Text
    that a spreadsheet would run as a formula gets an apostrophe in front.
    """

    def __init__(self, item: type[BaseModel]) -> None:
        self.columns = tuple(columns(item))
        self._headed = False

    def __call__(self, page: Page[Any]) -> bytes:
        """The next lines."""
        text = io.StringIO()
        lines = csv.writer(text)
        if not self._headed:
            lines.writerow(".".join(path) for path in self.columns)
            self._headed = True
        for item in page.items:
            made = item.model_dump(mode="json")
            lines.writerow(cell(_at(made, path)) for path in self.columns)
        return text.getvalue().encode()


def columns(model: type[BaseModel], *above: str) -> Iterator[tuple[str, ...]]:
    """The path of each column of `model`, in the order of its fields."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            yield (*above, name)
        else:
            yield from columns(inner, *above, name)


def cell(value: Any) -> str:
    """A value of JSON as the text of a cell."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if _LIKE_A_FORMULA.match(value) and not _PLAIN_NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a field that holds one, or one or nothing."""
    union = get_origin(annotation) in (Union, UnionType)
    parts = get_args(annotation) if union else (annotation,)
    parts = tuple(each for each in parts if each is not type(None))
    if len(parts) == 1 and isinstance(parts[0], type) and issubclass(parts[0], BaseModel):
        return parts[0]
    return None


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if value is None:
            return None
        value = value[name]
    return value
