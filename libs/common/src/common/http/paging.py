"""Lists in pages: keyset cursors that are opaque, signed and bound to their list.

A cursor carries the sort key of the last row seen. It is signed so that what reaches a query is a
key that we made ourselves, of the right types, and never a client's invention.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, Select, tuple_

from common.errors import InvalidError, Place
from common.journal.latest import Changed
from common.models import PublicModel

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR_LENGTH = 4096
"""Room for the longest name that is a sort key, 1,500 bytes, in base64."""

_TAG_BYTES = 12

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound="Select[*tuple[Any, ...]]")

_WRITE: dict[type, tuple[str, Callable[[Any], Any]]] = {
    str: ("s", str),
    bool: ("b", bool),
    int: ("i", int),
    UUID: ("u", lambda value: value.hex),
    datetime: ("t", datetime.isoformat),
    date: ("d", date.isoformat),
    Decimal: ("n", str),
    type(None): ("0", lambda value: None),
}
_READ: dict[str, Callable[[Any], Any]] = {
    "s": str,
    "b": bool,
    "i": int,
    "u": UUID,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "n": Decimal,
    "0": lambda value: None,
}


class BadCursorError(InvalidError):
    code = "bad_cursor"
    title = "This cursor leads nowhere"


class Cursors:
    """Writes and reads cursors under one key, the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, operation: str, key: tuple[Any, ...]) -> str:
        """The cursor that continues `operation` after the row with sort key `key`.

        Raises TypeError for a value of a type that no cursor carries (see `_WRITE`).
        """
        parts = []
        for value in key:
            kind = next((base for base in type(value).__mro__ if base in _WRITE), None)
            if kind is None:
                raise TypeError(f"a sort key cannot hold {type(value).__name__}")
            letter, write = _WRITE[kind]
            parts.append([letter, write(value)])
        body = json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._sign(operation, body) + body).decode().rstrip("=")

    def read(self, operation: str, cursor: str) -> tuple[Any, ...]:
        """The sort key in `cursor`. Raises BadCursorError unless we made it for `operation`."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._sign(operation, body)):
            raise BadCursorError(
                "The cursor was not made by this list. Start again without one.",
                places=[Place("query:cursor", "take it from `next` of the page before")],
            )
        return tuple(_READ[letter](value) for letter, value in json.loads(body))

    def _sign(self, operation: str, body: bytes) -> bytes:
        signed = operation.encode() + b"\0" + body
        return hmac.new(self._key, signed, hashlib.sha256).digest()[:_TAG_BYTES]


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is asked for: at most `limit` rows after the row with sort key `after`.

    `after` is None on the first page. Select `fetch` rows, one more than the page holds: that row
    tells whether there is a next page. `changed`: only these are asked for, in their order.
    `whole`: it is a piece of an export.
    """

    limit: int = DEFAULT_LIMIT
    after: tuple[Any, ...] | None = None
    operation: str = ""
    cursors: Cursors = field(default_factory=lambda: Cursors(b""), repr=False)
    changed: Changed | None = None
    whole: bool = False

    @property
    def fetch(self) -> int:
        """How many rows to select."""
        return self.limit + 1

    def cut(self, statement: S, *order: ColumnElement[Any]) -> S:
        """The page's part of `statement`, which has no order so far and is given this one.

        The last column of `order` is the id. The sort key of a row are its values, as `Page.of`
        takes it.
        """
        if self.changed is not None:
            return self.changed.among(statement, order[-1]).limit(self.fetch)
        if self.after is not None and len(order) == 1:
            statement = statement.where(order[0] > self.after[0])
        elif self.after is not None:
            statement = statement.where(tuple_(*order) > tuple_(*self.after))
        return statement.order_by(*order).limit(self.fetch)


class Page(PublicModel, Generic[T]):
    """One page of a list. `next` is the cursor of the following page, or null on the last."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    items: list[T]
    next: str | None = Field(None, description="give it as `cursor` to get the following page")

    @classmethod
    def of(
        cls,
        rows: Sequence[R],
        page: PageQuery,
        *,
        key: Callable[[R], tuple[Any, ...]],
        view: Callable[[R], T],
        more: bool = False,
    ) -> "Page[T]":
        """The page from the `page.fetch` rows selected: `key` gives a row's sort key, its id last.

        `more`: the selection stopped early for a reason of its own, and others follow.
        """
        shown = rows[: page.limit]
        after: tuple[Any, ...] | None = None
        if more or len(rows) > page.limit:
            after = key(shown[-1])
        if page.changed is not None:
            after = page.changed.after(None if after is None else after[-1])
        cursor = None if after is None else page.cursors.write(page.operation, after)
        return Page(items=[view(row) for row in shown], next=cursor)
