"""Writing a journal row: the one statement that every change of every service ends with."""

import json
from collections.abc import Mapping
from collections.abc import Sequence as Listing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.aggregate import Aggregate, Change
from common.crypto.envelope import Envelope
from common.errors import ConflictError, InvalidError
from common.models import PublicModel
from common.sequence import Sequence

MAX_DATA_BYTES = 256 * 1024
MAX_PRIVATE_BYTES = 64 * 1024

# Sent on the driver's connection inside the transaction: the one statement every write pays for.
INSERT = """
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor, reason,
                     correlation_id, causation_id, traceparent, data, private)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
WITH_KEY = "WITH new_key AS (INSERT INTO stream_key VALUES ($3, $15))"
INSERT_WITH_KEY = WITH_KEY + INSERT

INSERT_MANY = """
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor, reason,
                     correlation_id, causation_id, traceparent, data)
SELECT id, $1, stream, $2, version, type, $3, $4, reason, $5, $6, $7, data::jsonb
FROM unnest($8::uuid[], $9::uuid[], $10::bigint[], $11::text[], $12::text[], $13::text[])
    WITH ORDINALITY AS row (id, stream, version, type, reason, data, place)
ORDER BY place
"""


class TooLargeForJournalError(InvalidError):
    code = "state_too_large"
    title = "More than one event may carry"


class ErasedStreamError(ConflictError):
    code = "erased"
    title = "It has been erased"


@dataclass(frozen=True)
class Context:
    """Why a change happens: the request or event behind it, for whoever reads the trail."""

    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Entry:
    """A journal row about to be written. `private` is encrypted before it reaches the database."""

    id: UUID
    aggregate: Aggregate
    stream: UUID
    sequence: Sequence
    occurred_at: datetime
    actor: str
    context: Context
    change: Change
    state: PublicModel
    reason: str | None = None
    private: Mapping[str, Any] | None = None


async def insert(driver: Any, envelope: Envelope, entry: Entry) -> None:
    """Write `entry` on `driver` (an asyncpg connection inside a transaction).

    Raises TooLargeForJournalError above 256 KiB of public data, ErasedStreamError when something
    private is to be said of a stream whose key was dropped.
    """
    data = _data(entry)
    private, new_key = await _seal_private(driver, envelope, entry)
    values = (
        entry.id,
        entry.aggregate.name,
        entry.stream,
        entry.sequence.epoch,
        entry.sequence.version,
        entry.aggregate.event_type(entry.change),
        entry.occurred_at,
        entry.actor,
        entry.reason,
        entry.context.correlation_id,
        entry.context.causation_id,
        entry.context.traceparent,
        data,
        private,
    )
    if new_key is None:
        await driver.execute(INSERT, *values)
    else:
        await driver.execute(INSERT_WITH_KEY, *values, new_key)


async def insert_many(driver: Any, entries: Listing[Entry]) -> None:
    """Write `entries` in one statement, in their order: changes of one kind by one cause.

    They share aggregate, epoch, time, actor and context, and have nothing private. Raises
    ValueError otherwise, TooLargeForJournalError as `insert` does.
    """
    if not entries:
        return
    first = entries[0]
    common = (first.aggregate, first.sequence.epoch, first.occurred_at, first.actor, first.context)
    for entry in entries:
        own = (entry.aggregate, entry.sequence.epoch, entry.occurred_at, entry.actor, entry.context)
        if own != common or entry.private:
            raise ValueError("many entries share their cause and have nothing private")
    await driver.execute(
        INSERT_MANY,
        first.aggregate.name,
        first.sequence.epoch,
        first.occurred_at,
        first.actor,
        first.context.correlation_id,
        first.context.causation_id,
        first.context.traceparent,
        [entry.id for entry in entries],
        [entry.stream for entry in entries],
        [entry.sequence.version for entry in entries],
        [entry.aggregate.event_type(entry.change) for entry in entries],
        [entry.reason for entry in entries],
        [_data(entry) for entry in entries],
    )


def _data(entry: Entry) -> str:
    """What leaves: the state after the change, and the change."""
    data = (
        f'{{"{entry.aggregate.name}":{entry.state.model_dump_json()},'
        f'"change":{entry.change.model_dump_json()}}}'
    )
    if len(data.encode()) > MAX_DATA_BYTES:
        raise TooLargeForJournalError(
            f"The {entry.aggregate.name} would be larger than {MAX_DATA_BYTES // 1024} KiB; "
            "shorten its lists."
        )
    return data


async def _seal_private(
    driver: Any, envelope: Envelope, entry: Entry
) -> tuple[bytes | None, bytes | None]:
    """The private part, encrypted, and the wrapped key when this entry is the first to need one."""
    if not entry.private:
        return None, None
    plain = json.dumps(entry.private, ensure_ascii=False, sort_keys=True, default=str).encode()
    if len(plain) > MAX_PRIVATE_BYTES:
        raise TooLargeForJournalError("The written reason is too long; keep it under 60,000 bytes.")
    owner = entry.stream.bytes
    row = None
    if entry.sequence != Sequence(1, 1):  # a first version cannot have a key yet: no look-up
        row = await driver.fetchrow(
            "SELECT wrapped FROM stream_key WHERE stream = $1", entry.stream
        )
    if row is None:
        key, wrapped = envelope.new_key(owner)
        return envelope.seal(key, plain, entry.id.bytes), wrapped
    if row["wrapped"] is None:
        raise ErasedStreamError(f"This {entry.aggregate.name} has been erased.")
    key = envelope.unwrap(row["wrapped"], owner)
    return envelope.seal(key, plain, entry.id.bytes), None
