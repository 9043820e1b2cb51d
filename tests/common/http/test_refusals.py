"""What cannot be read or breaks a rule of form: a problem with a place and a sentence."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.api import Api, problem
from support.parcels import PACKING, count


@pytest.mark.parametrize(
    "changes, pointer, code, says",
    [
        ({"colour": "red"}, "#/colour", "unknown_field", "is not a field here"),
        ({"name": None}, "#/name", "string_type", "must be text"),
        ({"name": "x" * 41}, "#/name", "string_too_long", "at most 40 characters"),
        ({"name": "  "}, "#/name", "string_too_short", "at least 1"),
        ({"name": "nul\x00"}, "#/name", "control_character", "U+0000 at position 4"),
        ({"name": "two\nlines"}, "#/name", "control_character", "a single line"),
        ({"name": 7}, "#/name", "string_type", "must be text"),
        ({"note": "bell\x07"}, "#/note", "control_character", "U+0007"),
        ({"country": "ZZZ"}, "#/country", "invalid", "ISO 3166-1"),
        ({"currency": "XXY"}, "#/currency", "invalid", "ISO 4217"),
        ({"worth": 120.0}, "#/worth", "invalid", "as text"),
        ({"worth": "1e3"}, "#/worth", "invalid", "plain digits"),
        ({"worth": "-1"}, "#/worth", "invalid", "plain digits"),
        ({"worth": "0.00"}, "#/worth", "invalid", "more than zero"),
        ({"worth": "1.00001"}, "#/worth", "invalid", "four after"),
        (
            {"contents": [{"what": "tin", "pieces": 0}]},
            "#/contents/0/pieces",
            "greater_than_equal",
            "1 or more",
        ),
        ({"contents": [{"pieces": 1}]}, "#/contents/0/what", "missing", "is required"),
        ({"contents": [{"what": "x"}] * 51}, "#/contents", "too_long", "at most 50"),
        ({"a/b~c": 1}, "#/a~1b~0c", "unknown_field", "is not a field here"),
    ],
)
async def test_a_broken_field_is_pointed_at(
    api: Api, changes: dict[str, Any], pointer: str, code: str, says: str
) -> None:
    document = problem(await api.post("/v1/parcels", json={**PACKING, **changes}), 422, "invalid")
    (error,) = document["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert says in error["message"]
    assert await count(api) == 0


async def test_every_broken_field_is_named_at_once(api: Api) -> None:
    document = problem(await api.post("/v1/parcels", json={"name": 1}), 422, "invalid")
    pointers = {error["pointer"] for error in document["errors"]}
    assert pointers == {"#/name", "#/country", "#/worth"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'name': 1}",
        b'{"name": "\xff"}',
        b'{"name": "a"} x',
        b"[" * 100_000,
        b'{"name": NaN}',
        b'{"name": "a", "name": "b"}',
    ],
)
async def test_broken_json_is_malformed(api: Api, body: bytes) -> None:
    answer = await api.post(
        "/v1/parcels", content=body, headers={"Content-Type": "application/json"}
    )
    problem(answer, 400, "malformed")


async def test_half_a_surrogate_pair_is_no_text(api: Api) -> None:
    answer = await api.post(
        "/v1/parcels",
        content=json.dumps({**PACKING, "name": "\ud800"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    problem(answer, 422, "invalid")


async def test_a_strange_field_name_is_pointed_at_in_valid_json(api: Api) -> None:
    answer = await api.post(
        "/v1/parcels",
        content=json.dumps({**PACKING, "\ud800": 1}).encode(),
        headers={"Content-Type": "application/json"},
    )
    problem(answer, 422, "invalid")


async def test_a_missing_body_is_asked_for(api: Api) -> None:
    document = problem(await api.post("/v1/parcels"), 422, "invalid")
    assert document["errors"] == [{"pointer": "#", "message": "is required", "code": "missing"}]


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "json"]
)
async def test_another_media_type_is_not_read(api: Api, media_type: str) -> None:
    answer = await api.post(
        "/v1/parcels", content=json.dumps(PACKING), headers={"Content-Type": media_type}
    )
    problem(answer, 415, "unsupported_media_type")


async def test_a_body_of_more_than_a_mebibyte_is_refused_by_its_length(api: Api) -> None:
    answer = await api.post("/v1/parcels", json={**PACKING, "note": "x" * (1024 * 1024)})
    problem(answer, 413, "too_large")


async def test_a_body_that_grows_beyond_a_mebibyte_in_chunks_is_refused(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1025):
            yield b"x" * 1024

    answer = await api.post(
        "/v1/parcels", content=chunks(), headers={"Content-Type": "application/json"}
    )
    problem(answer, 413, "too_large")


async def test_an_operation_can_take_larger_files(api: Api) -> None:
    lines = b"blanket\n" * 150_000
    answer = await api.post("/v1/parcels/import", files={"file": ("names.txt", lines)})
    assert answer.json() == {"count": 150_000}


async def test_a_file_is_read_again_under_an_idempotency_key(api: Api) -> None:
    for _ in range(2):
        answer = await api.post(
            "/v1/parcels/import",
            files={"file": ("names.txt", b"one\ntwo\n")},
            headers={"Idempotency-Key": "file"},
        )
        assert answer.json() == {"count": 2}
    other = await api.post(
        "/v1/parcels/import",
        files={"file": ("names.txt", b"one\n")},
        headers={"Idempotency-Key": "file"},
    )
    problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/parcels/", 404, "not_found"),
        ("PUT", "/v1/parcels", 405, "method_not_allowed"),
        ("BREW", "/v1/parcels", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = await api.client.request(method, path, headers=api.token())
    problem(answer, status, code)


async def test_a_wrong_method_is_told_the_right_ones(api: Api) -> None:
    answer = await api.put("/v1/parcels/0199aaaa-0000-7000-8000-000000000000")
    assert set(answer.headers["Allow"].split(", ")) >= {"GET"}


@pytest.mark.parametrize(
    "query, pointer",
    [
        ("limit=0", "query:limit"),
        ("limit=201", "query:limit"),
        ("limit=many", "query:limit"),
        ("status=lost", "query:status"),
        ("stauts=sent", "query:stauts"),
        ("cursor=" + "x" * 4097, "query:cursor"),
    ],
)
async def test_a_broken_parameter_is_pointed_at(api: Api, query: str, pointer: str) -> None:
    answer = await api.get(f"/v1/parcels?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_broken_path_parameter_is_pointed_at(api: Api) -> None:
    document = problem(await api.get("/v1/parcels/seven"), 422, "invalid")
    assert document["errors"][0]["pointer"] == "path:parcel_id"
    assert document["errors"][0]["message"] == "must be an identifier (a UUID)"


async def test_a_nul_in_the_query_never_reaches_the_database(api: Api) -> None:
    problem(await api.get("/v1/parcels?status=%00"), 400, "malformed")
