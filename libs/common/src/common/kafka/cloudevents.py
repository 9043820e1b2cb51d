"""A sealed journal row as a CloudEvent, and a Kafka record back as one.

CloudEvents 1.0, Kafka protocol binding, binary content mode: attributes travel as headers, the
value is the event's data as it stands in the journal. One mapping of attributes serves Kafka and
the HTTP feed. What is in the data is the aggregate's business, not ours.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Listing
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from common.aggregate import Aggregate, Change, Erased
from common.sequence import Sequence

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"

_BARE_HEADERS = {"datacontenttype": "content-type", "traceparent": "traceparent"}
"""Attributes whose header is not `ce_<attribute>`: the binding says so for the content type, and
tracing tools look for the plain W3C name.
"""

Headers = list[tuple[str, bytes]]


class Row(Protocol):
    """What of a sealed journal row becomes an event."""

    @property
    def id(self) -> UUID: ...
    @property
    def stream_type(self) -> str: ...
    @property
    def stream(self) -> UUID: ...
    @property
    def sequence(self) -> Sequence: ...
    @property
    def type(self) -> str: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def traceparent(self) -> str | None: ...
    @property
    def data(self) -> str: ...


class Arrived(Protocol):
    """What of a consumed record we read (aiokafka's ConsumerRecord is one)."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Listing[tuple[str, bytes]]: ...


class Record(NamedTuple):
    """A record on its way out. `value` None is a tombstone: compaction forgets the key."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers


class UnreadableRecordError(Exception):
    """A record that is not one of our events; the sentence names what is wrong with it."""


class UnknownStreamError(Exception):
    """A journal row of an aggregate that this program does not declare: it is an older one."""


class CloudEvents:
    """The events of one service: their attributes, and their Kafka records.

    `public_url` is where clients reach the service; event schemas resolve below it.
    """

    def __init__(self, service: str, aggregates: Iterable[Aggregate], public_url: str) -> None:
        self.service = service
        self._aggregates = {aggregate.name: aggregate for aggregate in aggregates}
        self._schemas = f"{public_url.rstrip('/')}/schemas"
        self._fixed: dict[str, dict[str, str]] = {}
        self._fixed_headers: dict[str, Headers] = {}

    def attributes(self, row: Row) -> dict[str, str]:
        """Every CloudEvents attribute of `row` by its name in the specification."""
        return self._of_type(row.type) | _of_row(row)

    def record(self, row: Row) -> Record:
        """`row` as a record of its aggregate's topic, keyed by the aggregate's id.

        Raises UnknownStreamError.
        """
        headers = self._fixed_headers.get(row.type)
        if headers is None:
            headers = self._fixed_headers[row.type] = as_headers(self._of_type(row.type))
        return Record(
            self.topic(row.stream_type),
            str(row.stream).encode(),
            row.data.encode(),
            headers + as_headers(_of_row(row)),
        )

    def tombstone(self, row: Row) -> Record:
        """The record that lets compaction forget the erased aggregate of `row`, an `erased` row."""
        return self.record(row)._replace(value=None)

    def is_erased(self, row: Row) -> bool:
        """Whether `row` says that its aggregate was erased. Raises UnknownStreamError."""
        return row.type == self._aggregate(row.stream_type).event_type(Erased)

    def types_of(self, change: type[Change]) -> tuple[str, ...]:
        """The event type of `change` for each aggregate of the service."""
        return tuple(aggregate.event_type(change) for aggregate in self._aggregates.values())

    def topic(self, stream_type: str) -> str:
        """The topic that rows of `stream_type` go to. Raises UnknownStreamError."""
        return self._aggregate(stream_type).topic

    def _aggregate(self, stream_type: str) -> Aggregate:
        aggregate = self._aggregates.get(stream_type)
        if aggregate is None:
            raise UnknownStreamError(
                f"the journal holds rows of {stream_type!r}, which this version of "
                f"{self.service} does not publish; run a version that does"
            )
        return aggregate

    def _of_type(self, event_type: str) -> dict[str, str]:
        fixed = self._fixed.get(event_type)
        if fixed is None:
            fixed = self._fixed[event_type] = {
                "specversion": SPEC_VERSION,
                "type": event_type,
                "source": f"/{self.service}",
                "datacontenttype": CONTENT_TYPE,
                "dataschema": f"{self._schemas}/{event_type}.json",
            }
        return fixed


def as_headers(attributes: Mapping[str, str]) -> Headers:
    """CloudEvents attributes as the headers of a Kafka record."""
    return [
        (_BARE_HEADERS.get(name) or "ce_" + name, value.encode())
        for name, value in attributes.items()
    ]


def _of_row(row: Row) -> dict[str, str]:
    stream = str(row.stream)
    own = {
        "id": str(row.id),
        "subject": stream,
        "time": timestamp(row.occurred_at),
        "partitionkey": stream,
        "sequence": str(row.sequence),
    }
    if row.traceparent is not None:
        own["traceparent"] = row.traceparent
    return own


def timestamp(moment: datetime) -> str:
    """A UTC moment by RFC 3339: `2026-03-01T08:30:00.000000Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- and back -----------------------------------------------------------------------------------


class Received(NamedTuple):
    """An event as it arrived. `data` is the JSON of the event, None for a tombstone.

    `traceparent` is for people and tools; nothing is decided on it, so it may be missing.
    """

    id: str
    source: str
    type: str
    subject: UUID
    sequence: Sequence
    traceparent: str | None
    data: bytes | None

    @property
    def gone(self) -> bool:
        """Whether the aggregate was erased: its grave (`…erased.v1`) or the tombstone after it."""
        return self.data is None or f".{Erased.happened}." in self.type


_READ = {
    **{f"ce_{name}": name for name in ("id", "source", "type", "subject", "sequence")},
    "traceparent": "traceparent",
}
"""The headers that we read, and their attributes. What else comes, or is missing, does no harm."""


def read(record: Arrived) -> Received:
    """The event in `record`.

    Raises UnreadableRecordError naming what is wrong.
    """
    attributes = _attributes(record.headers)
    subject = _uuid(attributes.get("subject"), "ce_subject")
    if record.key != str(subject).encode():
        raise UnreadableRecordError(f"the key {record.key!r} is not the ce_subject {subject}")
    sequence = _required(attributes, "sequence")
    try:
        order = Sequence.parse(sequence)
    except ValueError as error:
        raise UnreadableRecordError(f"ce_sequence: {error}") from error
    return Received(
        id=_required(attributes, "id"),
        source=_required(attributes, "source"),
        type=_required(attributes, "type"),
        subject=subject,
        sequence=order,
        traceparent=attributes.get("traceparent"),
        data=record.value,
    )


def _attributes(headers: Listing[tuple[str, bytes]]) -> dict[str, str]:
    """What we read of `headers`. Of a repeated one the first counts; the rest came on the way."""
    found: dict[str, str] = {}
    for header, value in headers:
        name = _READ.get(header)
        if name is None or name in found or value is None:
            continue
        try:
            found[name] = value.decode()
        except UnicodeDecodeError as error:
            raise UnreadableRecordError(f"the header {header} is not UTF-8") from error
    return found


def _required(attributes: Mapping[str, str], name: str) -> str:
    value = attributes.get(name)
    if not value:
        raise UnreadableRecordError(f"the header ce_{name} is missing")
    return value


def _uuid(text: str | None, header: str) -> UUID:
    if not text:
        raise UnreadableRecordError(f"the header {header} is missing")
    try:
        return UUID(text)
    except ValueError as error:
        raise UnreadableRecordError(f"{header} is not a UUID: {text!r}") from error
