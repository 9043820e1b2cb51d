"""CloudEvents: one mapping of attributes, and a reader that forgives only what does no harm."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from common.journal.reader import SealedRow
from common.kafka.cloudevents import (
    CloudEvents,
    UnknownStreamError,
    UnreadableRecordError,
    as_headers,
    read,
)
from common.sequence import Sequence
from kafka_kit import thing_of

STREAM = UUID("0190b3a4-0000-7000-8000-000000000001")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _row(kind: str = "made", trace: str | None = TRACE, stream_type: str = "thing") -> SealedRow:
    return SealedRow(
        position=7,
        id=UUID("0190b3a4-0000-7000-8000-0000000000ff"),
        stream_type=stream_type,
        stream=STREAM,
        sequence=Sequence(2, 31),
        type=f"int.iom.test.thing.{kind}.v1",
        occurred_at=datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC),
        traceparent=trace,
        data='{"thing":{"name":"Nuru"},"change":{}}',
    )


EVENTS = CloudEvents("test", (thing_of("test"),), "https://test.example.org/")


@dataclass
class Arrival:
    key: bytes | None = str(STREAM).encode()
    value: bytes | None = b"{}"
    headers: list[tuple[str, bytes]] = field(
        default_factory=lambda: list(EVENTS.record(_row()).headers)
    )

    def with_header(self, name: str, value: bytes | None) -> Arrival:
        """The header replaced, or left out for None."""
        self.headers = [pair for pair in self.headers if pair[0] != name]
        if value is not None:
            self.headers.append((name, value))
        return self


def test_attributes_are_those_of_the_specification() -> None:
    assert EVENTS.attributes(_row()) == {
        "specversion": "1.0",
        "id": "0190b3a4-0000-7000-8000-0000000000ff",
        "source": "/test",
        "type": "int.iom.test.thing.made.v1",
        "subject": str(STREAM),
        "time": "2026-03-01T12:00:00.000007Z",
        "datacontenttype": "application/json",
        "dataschema": "https://test.example.org/schemas/int.iom.test.thing.made.v1.json",
        "partitionkey": str(STREAM),
        "sequence": "0002-0000000031",
        "traceparent": TRACE,
    }


def test_kafka_and_the_feed_share_one_mapping() -> None:
    assert EVENTS.record(_row()).headers == as_headers(EVENTS.attributes(_row()))


def test_a_record_without_a_trace_has_no_trace_header() -> None:
    assert "traceparent" not in dict(EVENTS.record(_row(trace=None)).headers)


def test_the_value_is_the_journals_data_byte_for_byte() -> None:
    assert EVENTS.record(_row()).value == _row().data.encode()


def test_a_row_of_an_undeclared_aggregate_is_refused() -> None:
    with pytest.raises(UnknownStreamError, match="'novelty'"):
        EVENTS.record(_row(stream_type="novelty"))


def test_an_event_is_read_as_it_was_written() -> None:
    event = read(Arrival())
    assert (event.id, event.source, event.type) == (
        "0190b3a4-0000-7000-8000-0000000000ff",
        "/test",
        "int.iom.test.thing.made.v1",
    )
    assert (event.subject, event.sequence) == (STREAM, Sequence(2, 31))
    assert (event.traceparent, event.data, event.gone) == (TRACE, b"{}", False)


@pytest.mark.parametrize(
    "arrival",
    [
        Arrival().with_header("ce_time", None),
        Arrival().with_header("ce_time", b"yesterday"),
        Arrival().with_header("ce_dataschema", None),
        Arrival().with_header("ce_specversion", None),
        Arrival().with_header("content-type", None),
        Arrival().with_header("traceparent", None),
        Arrival().with_header("ce_novelty", b"\xff"),
        Arrival().with_header("x-proxy", b"\xff"),
    ],
)
def test_what_does_no_harm_is_forgiven(arrival: Arrival) -> None:
    assert read(arrival).sequence == Sequence(2, 31)


def test_the_first_of_a_repeated_header_counts() -> None:
    arrival = Arrival()
    arrival.headers.append(("ce_sequence", b"0009-0000000001"))
    assert read(arrival).sequence == Sequence(2, 31)


@pytest.mark.parametrize(
    "arrival, said",
    [
        (Arrival(headers=[]), "ce_subject is missing"),
        (Arrival().with_header("ce_id", None), "ce_id is missing"),
        (Arrival().with_header("ce_id", b""), "ce_id is missing"),
        (Arrival().with_header("ce_source", None), "ce_source is missing"),
        (Arrival().with_header("ce_type", None), "ce_type is missing"),
        (Arrival().with_header("ce_sequence", None), "ce_sequence is missing"),
        (Arrival().with_header("ce_sequence", b"31"), "ce_sequence: not a sequence"),
        (Arrival().with_header("ce_subject", b"Nuru"), "ce_subject is not a UUID"),
        (Arrival().with_header("ce_type", b"\xff"), "ce_type is not UTF-8"),
        (Arrival(key=None), "is not the ce_subject"),
        (Arrival(key=b"another"), "is not the ce_subject"),
    ],
)
def test_what_cannot_be_trusted_is_refused_by_name(arrival: Arrival, said: str) -> None:
    with pytest.raises(UnreadableRecordError, match=said):
        read(arrival)


def test_a_grave_says_that_its_aggregate_is_gone() -> None:
    record = EVENTS.record(_row("erased"))
    assert read(Arrival(headers=record.headers, value=record.value)).gone


def test_a_tombstone_says_it_with_the_sequence_of_the_grave() -> None:
    record = EVENTS.tombstone(_row("erased"))
    event = read(Arrival(headers=record.headers, value=record.value))
    assert (event.gone, event.data, event.sequence) == (True, None, Sequence(2, 31))
