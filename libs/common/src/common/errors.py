"""Refusals. A rule that says no raises a `DomainError`; it knows no transport.

Two mappers exist: HTTP turns `kind` into a status, the reactor into "stays due" or "again".

    DomainError
    ├── MalformedError         the request cannot even be read
    ├── InvalidError           the input breaks a rule of form or sense; `places` point at it
    ├── UnauthenticatedError   we do not know who asks
    ├── ForbiddenError         we know, and they may not
    ├── NotFoundError          no such thing, or not for the one who asks
    ├── ConflictError          the state of things forbids it now
    │   └── IllegalMoveError   the state machine has no such move
    ├── StaleVersionError      decided on an older version than the present one
    └── UnavailableError       not the caller's fault; the same may succeed later (transient)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What sort of refusal it is; HTTP maps each kind to one status."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    STALE = "stale"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    PRECONDITION_REQUIRED = "precondition_required"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Place:
    """Where in the input the trouble is (`pointer`: JSON pointer, RFC 6901) and how to mend it."""

    pointer: str
    message: str
    code: str = "invalid"


class DomainError(Exception):
    """A refusal with a stable `code`, a sentence a person understands, and the facts it rests on.

    `transient`: the same request may succeed later, so the refusal is never remembered under an
    idempotency key. `from_mirror`: decided on another service's state, which may change any moment;
    never remembered either.
    """

    code: ClassVar[str] = "refused"
    kind: ClassVar[Kind] = Kind.CONFLICT
    title: ClassVar[str] = "The request was refused"
    transient: ClassVar[bool] = False
    from_mirror: ClassVar[bool] = False
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, detail: str, *, places: Iterable[Place] = (), **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.places = tuple(places)
        self.facts = facts


class MalformedError(DomainError):
    code = "malformed"
    kind = Kind.MALFORMED
    title = "The request cannot be read"


class InvalidError(DomainError):
    code = "invalid"
    kind = Kind.INVALID
    title = "The input breaks a rule"


class UnauthenticatedError(DomainError):
    code = "unauthenticated"
    kind = Kind.UNAUTHENTICATED
    title = "A valid access token is needed"


class ForbiddenError(DomainError):
    code = "forbidden"
    kind = Kind.FORBIDDEN
    title = "Not permitted"


class NotFoundError(DomainError):
    code = "not_found"
    kind = Kind.NOT_FOUND
    title = "Not found"


class ConflictError(DomainError):
    code = "conflict"
    kind = Kind.CONFLICT
    title = "The present state forbids it"


class IllegalMoveError(ConflictError):
    code = "illegal_move"
    title = "No such move from the present state"


class StaleVersionError(DomainError):
    code = "stale_version"
    kind = Kind.STALE
    title = "It has changed since you read it"


class UnavailableError(DomainError):
    code = "unavailable"
    kind = Kind.UNAVAILABLE
    title = "Not available right now"
    transient = True
    retry_after_seconds = 1
