"""Idempotency keys: the same request sent twice is carried out once and answered alike.

The answer is stored in the transaction of the change, under (subject, operation, key), with a
fingerprint of the typed input. A retry, on another replica or after a crash, gets the stored bytes.
A refusal is remembered too when it would be decided the same way again; what is transient, decided
on another service's state, or about who asks and which version they saw, is not.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, SecretStr

from common.actor import EVERYWHERE, Actor
from common.chores import Chore
from common.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    InvalidError,
    Kind,
    MalformedError,
    Place,
)
from common.http.replies import Answer
from common.uow import UnitOfWork

REMEMBERED_FOR = timedelta(days=3)
"""How long an optional key is kept. Keys of what moves or promises money never expire."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_REMEMBERED_KINDS = {Kind.CONFLICT, Kind.INVALID, Kind.MALFORMED}
_HEADER = "header:Idempotency-Key"

CLAIM = """
SELECT claimed, (standing).fingerprint, (standing).authority, (standing).status, (standing).body,
       (standing).etag, (standing).location
FROM idempotency_claim($1, $2, $3, $4, $5)
"""
# An answer that has expired makes room; one that stands wins, and nothing is returned.
STORE = """
INSERT INTO idempotency AS standing (subject, operation, key, fingerprint, authority, status, body,
                                     etag, location, answered_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (subject, operation, key) DO UPDATE
SET fingerprint = excluded.fingerprint, authority = excluded.authority, status = excluded.status,
    body = excluded.body, etag = excluded.etag, location = excluded.location,
    answered_at = excluded.answered_at, expires_at = excluded.expires_at
WHERE standing.expires_at <= excluded.answered_at
RETURNING 1
"""
FORGET = """
DELETE FROM idempotency WHERE (subject, operation, key) IN (
    SELECT subject, operation, key FROM idempotency WHERE expires_at <= $1
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


class Key(StrEnum):
    """Whether an operation takes an Idempotency-Key. REQUIRED for what moves or promises money."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class KeyMissingError(MalformedError):
    code = "idempotency_key_missing"
    title = "An Idempotency-Key is needed"


class KeyMalformedError(MalformedError):
    code = "idempotency_key_malformed"
    title = "This Idempotency-Key cannot be used"


class KeyInUseError(ConflictError):
    code = "idempotency_key_in_use"
    title = "The same request is under way"
    transient = True
    retry_after_seconds = 1


class KeyReusedError(InvalidError):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"


class AuthorityNarrowedError(ForbiddenError):
    code = "authority_narrowed"
    title = "Your access has narrowed since"


class KeyRaceError(Exception):
    """The key was taken in between: run the unit of work again, which then finds the answer."""

    sqlstate = "40001"  # read by common.db.faults: the unit of work runs again


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request under a key: who, what, and the SHA-256 of its typed input."""

    subject: str
    operation: str
    key: str
    fingerprint: bytes
    authority: str
    expires: bool

    async def claim(self, uow: UnitOfWork) -> Answer | None:
        """Take the key for this transaction; the answer that stands under it already, if any.

        Raises KeyInUseError while another request holds it, KeyReusedError when it answered other
        input, AuthorityNarrowedError when the subject may do less now than then.
        """
        row = await uow.driver.fetchrow(
            CLAIM, self._lock(), self.subject, self.operation, self.key, uow.now
        )
        if not row["claimed"]:
            raise KeyInUseError("A request with this Idempotency-Key is being carried out.")
        return None if row["status"] is None else self._replay(row)

    async def store(self, uow: UnitOfWork, answer: Answer) -> None:
        """Remember `answer` in this transaction. Raises KeyRaceError when another stands."""
        if not await self._insert(uow, answer):
            raise KeyRaceError

    async def store_refusal(self, uow: UnitOfWork, answer: Answer) -> Answer:
        """Remember a refusal whose own transaction is gone. What stands by now answers."""
        if await self._insert(uow, answer):
            return answer
        return await self.claim(uow) or answer

    async def _insert(self, uow: UnitOfWork, answer: Answer) -> bool:
        inserted = await uow.driver.fetchval(
            STORE,
            self.subject,
            self.operation,
            self.key,
            self.fingerprint,
            self.authority,
            answer.status,
            answer.body,
            answer.etag,
            answer.location,
            uow.now,
            uow.now + REMEMBERED_FOR if self.expires else None,
        )
        return inserted is not None

    def _replay(self, row: Mapping[str, Any]) -> Answer:
        if row["fingerprint"] != self.fingerprint:
            raise KeyReusedError(
                "This Idempotency-Key has answered a request with other input. Use a new key for a "
                "new request, and send a retry unchanged.",
                places=[Place(_HEADER, "belongs to another request", "reused")],
            )
        _must_cover(self.authority, row["authority"])
        return Answer(
            row["status"],
            row["body"],
            row["etag"],
            row["location"],
            headers=(("Idempotency-Replayed", "true"),),
        )

    def _lock(self) -> int:
        scope = "\0".join((self.subject, self.operation, self.key)).encode()
        return int.from_bytes(hashlib.sha256(scope).digest()[:8], "big", signed=True)


def attempt(
    key: str | None, need: Key, actor: Actor, operation: str, given: Mapping[str, Any]
) -> Attempt | None:
    """The attempt that a request makes, or None without a key.

    Raises KeyMissingError when one is required, KeyMalformedError unless it is 1 to 255 visible
    ASCII characters.
    """
    if need is Key.NONE:
        return None
    if key is None:
        if need is Key.OPTIONAL:
            return None
        raise KeyMissingError(
            "Send an Idempotency-Key of your own making (a UUID, say), the same on every retry, so "
            "that this is done once however often it is sent.",
            places=[Place(_HEADER, "is required", "missing")],
        )
    if not _KEY.fullmatch(key):
        raise KeyMalformedError(
            "An Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID.",
            places=[Place(_HEADER, "must be 1 to 255 visible ASCII characters")],
        )
    return Attempt(
        subject=actor.subject,
        operation=operation,
        key=key,
        fingerprint=fingerprint(given),
        authority=_authority(actor),
        expires=need is Key.OPTIONAL,
    )


def is_remembered(error: DomainError) -> bool:
    """Whether the same request would be refused the same way again, so that it may be stored."""
    return (
        error.kind in _REMEMBERED_KINDS
        and not error.transient
        and not error.from_mirror
        and not isinstance(error, (KeyReusedError, KeyMissingError, KeyMalformedError))
    )


FORGOTTEN_AT_ONCE = 1000


async def forget_expired(uow: UnitOfWork, limit: int = FORGOTTEN_AT_ONCE) -> int:
    """Delete at most `limit` answers that have expired; how many."""
    status: str = await uow.driver.execute(FORGET, uow.now, limit)
    return int(status.rpartition(" ")[2])


FORGETTING = Chore("forget expired answers", forget_expired, FORGOTTEN_AT_ONCE)


def fingerprint(given: Mapping[str, Any]) -> bytes:
    """SHA-256 of the typed input in canonical form: the order of fields does not count."""
    return hashlib.sha256(_canonical(given).encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain).encode


def _authority(actor: Actor) -> str:
    """Where and for whom the actor may act, as it is kept beside an answer."""
    return f"{actor.partner or EVERYWHERE} {' '.join(sorted(actor.countries))}"


def _must_cover(now: str, then: str) -> None:
    """Raises AuthorityNarrowedError unless the present reach covers that of then."""
    partner_now, *countries_now = now.split(" ")
    partner_then, *countries_then = then.split(" ")
    covers = EVERYWHERE in countries_now or set(countries_then) <= set(countries_now)
    if not covers or partner_now not in (EVERYWHERE, partner_then):
        raise AuthorityNarrowedError(
            "This was done under a wider access than yours is now, so its answer is not repeated."
        )
