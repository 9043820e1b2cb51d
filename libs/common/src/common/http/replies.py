"""What an endpoint answers, and the bytes that go out for it.

A `Reply` is what a slice's `api.py` returns; an `Answer` is its serialised form, made inside the
transaction so that the very same bytes can be stored and replayed.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from common.http.etags import etag
from common.sequence import Sequence

T = TypeVar("T")

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An endpoint's answer. `sequence` becomes the ETag, `at` the Location."""

    value: T
    status: int = 200
    sequence: Sequence | str | None = None
    at: str | None = None

    @classmethod
    def ok(cls, value: T, *, sequence: Sequence | str | None = None) -> "Reply[T]":
        """200: here it is, in this version."""
        return cls(value, 200, sequence)

    @classmethod
    def created(cls, value: T, *, at: str, sequence: Sequence | str | None = None) -> "Reply[T]":
        """201: made, and found from now on at the path `at`."""
        return cls(value, 201, sequence, at)

    @classmethod
    def page(cls, value: T) -> "Reply[T]":
        """200: one page of a list; `value` is a `Page`."""
        return cls(value, 200)

    @classmethod
    def no_content(cls, *, sequence: Sequence | str | None = None) -> "Reply[None]":
        """204: done, nothing to say."""
        return Reply(None, 204, sequence)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it is sent, stored and replayed."""

    status: int
    body: bytes
    etag: str | None = None
    location: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, reply: Reply[Any]) -> "Answer":
        """`reply`, serialised."""
        value = reply.value
        if isinstance(value, BaseModel):
            body = value.model_dump_json().encode()
        elif value is None:
            body = b""
        else:
            raise TypeError(f"an answer is a model, not {type(value).__name__}")
        tag = None if reply.sequence is None else etag(reply.sequence)
        return cls(reply.status, body, tag, reply.at)

    def response(self, *extra: tuple[str, str]) -> Response:
        """The HTTP response, with `extra` headers."""
        headers = dict(self.headers)
        if self.etag is not None:
            headers["ETag"] = self.etag
        if self.location is not None:
            headers["Location"] = self.location
        headers.update(extra)
        media_type = None if self.status in (204, 304) else PROBLEM if self.status >= 400 else JSON
        return Response(self.body, self.status, headers, media_type)
