"""The canonical row: RFC 8785, one form for one row."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from common.journal.canonical import GENESIS, UnknownHashVersionError, canonical_row, chained

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
maybe = st.none() | text
rows = st.fixed_dictionaries(
    {
        "entry": st.integers(1, 2**53 - 1),
        "id": st.uuids(),
        "stream_type": text,
        "stream": st.uuids(),
        "epoch": st.integers(1, 9999),
        "version": st.integers(1, 9_999_999_999),
        "type": text,
        "occurred_at": st.datetimes(timezones=st.just(UTC)),
        "actor": text,
        "reason": maybe,
        "correlation_id": text,
        "causation_id": maybe,
        "traceparent": maybe,
        "data": text,
        "private": st.none() | st.binary(max_size=60),
        "hash_version": st.just(1),
    }
)
ROW: dict[str, Any] = {
    "entry": 7,
    "id": UUID(int=1),
    "stream_type": "thing",
    "stream": UUID(int=2),
    "epoch": 1,
    "version": 3,
    "type": "int.iom.test.thing.renamed.v1",
    "occurred_at": datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC),
    "actor": "éditeur",
    "reason": None,
    "correlation_id": "c",
    "causation_id": None,
    "traceparent": None,
    "data": '{"a": 1.10}',
    "private": b"\x00\xff",
    "hash_version": 1,
}


@settings(deadline=None)
@given(rows)
def test_a_row_is_written_as_rfc_8785_writes_it(row: dict[str, Any]) -> None:
    plain = {
        **row,
        "id": str(row["id"]),
        "stream": str(row["stream"]),
        "occurred_at": row["occurred_at"].isoformat(timespec="microseconds")[:26] + "Z",
        "private": None if row["private"] is None else row["private"].hex(),
    }
    assert canonical_row(row) == rfc8785.dumps(plain)


@settings(deadline=None)
@given(rows, rows)
def test_two_different_rows_never_look_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (canonical_row(one) == canonical_row(other)) == (one == other)


def test_the_form_of_hash_version_1_never_changes() -> None:
    assert canonical_row(ROW).decode() == (
        '{"actor":"éditeur","causation_id":null,"correlation_id":"c","data":"{\\"a\\": 1.10}",'
        '"entry":7,"epoch":1,"hash_version":1,"id":"00000000-0000-0000-0000-000000000001",'
        '"occurred_at":"2026-03-01T12:00:00.000007Z","private":"00ff","reason":null,'
        '"stream":"00000000-0000-0000-0000-000000000002","stream_type":"thing","traceparent":null,'
        '"type":"int.iom.test.thing.renamed.v1","version":3}'
    )


def test_every_column_but_position_and_hash_is_in_it() -> None:
    assert set(json.loads(canonical_row(ROW))) == set(ROW)


def test_the_same_moment_in_another_zone_is_the_same_row() -> None:
    moved = ROW["occurred_at"].astimezone(timezone(timedelta(hours=6)))
    assert canonical_row({**ROW, "occurred_at": moved}) == canonical_row(ROW)


def test_a_hash_is_that_of_the_hash_before_and_the_row() -> None:
    assert chained(GENESIS, ROW) == hashlib.sha256(bytes(32) + canonical_row(ROW)).digest()


def test_a_hash_version_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(UnknownHashVersionError, match="hash version 2"):
        canonical_row({**ROW, "hash_version": 2})
