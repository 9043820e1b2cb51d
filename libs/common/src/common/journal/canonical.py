"""The one way a journal row is written as bytes, so that its hash means the same everywhere.

`hash_version` 1: a JSON object of every column of the journal, canonical by RFC 8785
(keys sorted, no blanks, shortest escapes): times in UTC with six decimals, `private` in lowercase
hex, and `data` as a string, in the text form that PostgreSQL gives a jsonb value. That form is
canonical itself, and taking it as it is spares every verifier the question how numbers are written.
`hash = SHA-256(previous hash ‖ the object in UTF-8)`.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC
from json.encoder import encode_basestring
from typing import Any

HASH_VERSION = 1
GENESIS = bytes(32)
"""What stands before the first row's hash."""

# The columns of the canonical row, as a statement selects them.
COLUMNS = (
    "entry, id, stream_type, stream, epoch, version, type, occurred_at, actor, reason, "
    "correlation_id, causation_id, traceparent, data::text AS data, private, hash_version"
)

# A string as RFC 8785 writes it; the tests compare with that RFC's own library.
_text = encode_basestring


class UnknownHashVersionError(ValueError):
    """A row says that it was hashed in a way this program does not know."""


def canonical_row(row: Mapping[str, Any]) -> bytes:
    """The bytes of a journal row, given its `COLUMNS`. Raises UnknownHashVersionError."""
    if row["hash_version"] != HASH_VERSION:
        raise UnknownHashVersionError(f"hash version {row['hash_version']}")
    moment = row["occurred_at"].astimezone(UTC).isoformat(timespec="microseconds")
    return (
        f'{{"actor":{_text(row["actor"])}'
        f',"causation_id":{_maybe(row["causation_id"])}'
        f',"correlation_id":{_text(row["correlation_id"])}'
        f',"data":{_text(row["data"])}'
        f',"entry":{row["entry"]}'
        f',"epoch":{row["epoch"]}'
        f',"hash_version":{HASH_VERSION}'
        f',"id":"{row["id"]}"'
        f',"occurred_at":"{moment[:26]}Z"'
        f',"private":{_hex(row["private"])}'
        f',"reason":{_maybe(row["reason"])}'
        f',"stream":"{row["stream"]}"'
        f',"stream_type":{_text(row["stream_type"])}'
        f',"traceparent":{_maybe(row["traceparent"])}'
        f',"type":{_text(row["type"])}'
        f',"version":{row["version"]}}}'
    ).encode()


def chained(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of `row` after the row with the hash `previous`. Raises UnknownHashVersionError."""
    return hashlib.sha256(previous + canonical_row(row)).digest()


def _maybe(text: str | None) -> str:
    return "null" if text is None else _text(text)


def _hex(value: bytes | None) -> str:
    return "null" if value is None else f'"{value.hex()}"'
