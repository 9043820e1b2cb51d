"""From a Kafka record to what it says about one mirror's row. Pure: it writes nothing.

A record that cannot be read still says something: that there is news about its key which we do not
know, and, when the header survives, as of which version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ValidationError, create_model

from common.aggregate import NAMESPACE
from common.kafka import cloudevents
from common.kafka.cloudevents import UnreadableRecordError
from common.kafka.watermarks import Watermark
from common.mirrors.mirror import Mirror
from common.models import ReadingModel
from common.sequence import Sequence

MAX_ERROR = 2000
"""Characters of an error that are kept beside a parked record."""


class KafkaRecord(cloudevents.Arrived, Protocol):
    """A consumed record (aiokafka's ConsumerRecord is one). `timestamp`: milliseconds, the
    broker's.
    """

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Item:
    """What one record says about the row `id` (None: the key is no aggregate's id).

    `state`: the facts as a JSON object, None when they are not known; `gone`: the owner erased it.
    `sequence`: None when not known. `error`: why it could not be read, None when it could.
    """

    record: KafkaRecord
    id: UUID | None
    sequence: str | None
    state: str | None
    gone: bool
    event_id: str
    traceparent: str | None = None
    error: str | None = None


def read_watermark(record: KafkaRecord) -> Watermark:
    """The watermark in `record`, its time being the earlier of the publisher's and the broker's
    clock, so that neither can make a mirror look fresher than it is.

    Raises UnreadableRecordError; then the mirror simply ages on.
    """
    mark = Watermark.read(record.value)
    if not (1 <= mark.epoch <= 9999 and 0 <= mark.position < 2**63):
        raise UnreadableRecordError(f"not a place in a journal: {mark.epoch}, {mark.position}")
    broker = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return replace(
        mark, head_hash=_clean(mark.head_hash)[:64], time=min(mark.time.astimezone(UTC), broker)
    )


def read_item(record: KafkaRecord, mirror: Mirror) -> Item:
    """What `record` says about its row of `mirror`. Never raises on anything a record can hold."""
    try:
        event = cloudevents.read(record)
        if not _is_about(mirror, event.type):
            raise UnreadableRecordError(f"an event of type {event.type!r} does not belong here")
        state = "{}" if event.gone else _state(mirror, event.data or b"")
    except UnreadableRecordError as error:
        return _unreadable(record, str(error))
    return Item(
        record=record,
        id=event.subject,
        sequence=str(event.sequence),
        state=state,
        gone=event.gone,
        event_id=_clean(event.id),
        traceparent=None if event.traceparent is None else _clean(event.traceparent),
    )


def unreadable(item: Item, error: str) -> Item:
    """`item`, which the database would not take, as if it had not been readable."""
    return replace(item, state=None, gone=False, error=_clean(error))


def _unreadable(record: KafkaRecord, error: str) -> Item:
    """A tombstone needs no headers to be understood; anything else stays not understood."""
    headers = _headers(record.headers)
    tombstone = record.value is None
    subject = _key(record.key)
    return Item(
        record=record,
        id=subject,
        sequence=_sequence(headers.get("ce_sequence")),
        state="{}" if tombstone and subject else None,
        gone=tombstone and subject is not None,
        event_id=headers.get("ce_id") or f"{record.topic}/{record.partition}/{record.offset}",
        traceparent=headers.get("traceparent"),
        error=None if tombstone and subject else _clean(error),
    )


def _is_about(mirror: Mirror, event_type: str) -> bool:
    """Any change of the aggregate will do, also one we have never heard of: the state is
    complete.
    """
    return event_type.startswith(f"{NAMESPACE}.{mirror.topic.rpartition('.')[0]}.")


def _state(mirror: Mirror, data: bytes) -> str:
    try:
        event = _event_model(mirror).model_validate_json(data)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the value'}: {problem['msg']}"
            for problem in error.errors(
                include_url=False, include_context=False, include_input=False
            )
        )
        raise UnreadableRecordError(places) from error
    state: BaseModel = getattr(event, mirror.aggregate)
    return state.model_dump_json()


@cache
def _event_model(mirror: Mirror) -> type[ReadingModel]:
    fields: dict[str, Any] = {mirror.aggregate: (mirror.model, ...)}
    return create_model(f"{mirror.name}_event", __base__=ReadingModel, **fields)


def _key(key: bytes | None) -> UUID | None:
    try:
        return UUID((key or b"").decode())
    except ValueError:
        return None


def _sequence(text: str | None) -> str | None:
    try:
        return None if text is None else str(Sequence.parse(text))
    except ValueError:
        return None


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> Mapping[str, str]:
    """Whatever can be made out of broken headers. Of a repeated one the first counts."""
    found: dict[str, str] = {}
    for name, value in headers:
        if value is not None:
            found.setdefault(name, _clean(value.decode(errors="replace")))
    return found


def _clean(text: str) -> str:
    return text.replace("\0", "\N{SYMBOL FOR NULL}")[:MAX_ERROR]
