"""Reads over HTTP: what need not be sent again, and lists in pages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from common.http.paging import BadCursorError, Cursors
from support.api import Api, problem
from support.parcels import packed
from support.statements import counted


@pytest.mark.parametrize(
    "if_none_match, status",
    [
        ('"0001-0000000001"', 304),
        ('W/"0001-0000000001"', 304),
        ('"another", "0001-0000000001"', 304),
        ("*", 304),
        ('"0001-0000000002"', 200),
        ("0001-0000000001", 200),
        ("", 200),
    ],
)
async def test_what_the_client_holds_is_not_sent_again(
    api: Api, if_none_match: str, status: int
) -> None:
    made = await packed(api)
    answer = await api.get(made.headers["Location"], headers={"If-None-Match": if_none_match})
    assert answer.status_code == status
    assert answer.headers["ETag"] == '"0001-0000000001"'
    assert bool(answer.content) == (status == 200)


async def test_a_list_is_read_page_by_page_without_a_gap(api: Api) -> None:
    for name in "edcba":
        await packed(api, name=name)
    seen, pages, path = [], 0, "/v1/parcels?limit=2&status=packed"
    while path:
        answer = await api.get(path)
        seen += [each["name"] for each in answer.json()["items"]]
        pages += 1
        path = answer.links["next"]["url"] if "next" in answer.links else ""
        assert ("cursor" in path) == (answer.json()["next"] is not None)
    assert seen == ["a", "b", "c", "d", "e"]
    assert pages == 3


async def test_an_empty_list_is_a_page_too(api: Api) -> None:
    answer = await api.get("/v1/parcels")
    assert answer.json() == {"items": [], "next": None}
    assert "Link" not in answer.headers


async def test_a_page_that_is_just_full_has_no_next(api: Api) -> None:
    for name in "ab":
        await packed(api, name=name)
    assert (await api.get("/v1/parcels?limit=2")).json()["next"] is None


async def test_a_first_page_says_from_where_to_follow_the_feed(api: Api) -> None:
    for name in "ab":
        await packed(api, name=name)
    async with api.runtime.engine.connect() as db:
        await db.execute(text("UPDATE journal_head SET position = 41"))
        await db.commit()
    first = await api.get("/v1/parcels?limit=1")
    assert first.headers["Journal-Position"] == "1-41"
    second = await api.get(first.links["next"]["url"])
    assert "Journal-Position" not in second.headers  # following from there would miss changes


async def test_a_page_costs_one_statement_and_the_first_one_more(api: Api) -> None:
    for name in "ab":
        await packed(api, name=name)
    first = await api.get("/v1/parcels?limit=1")
    async with counted(api.runtime.engine) as statements:
        await api.get(first.links["next"]["url"])
    assert len(statements) == 1, statements
    async with counted(api.runtime.engine) as statements:
        await api.get("/v1/parcels?limit=1")
    assert len(statements) == 2, statements


@pytest.mark.parametrize("cursor", ["x", "é", "====", "AAAA", "W10", "a" * 1400])
async def test_an_invented_cursor_is_refused(api: Api, cursor: str) -> None:
    answer = await api.get("/v1/parcels", params={"cursor": cursor})
    document = problem(answer, 422, "bad_cursor")
    assert document["errors"][0]["pointer"] == "query:cursor"


async def test_an_export_answers_by_itself(api: Api) -> None:
    await packed(api)
    answer = await api.get("/v1/parcels.txt")
    assert answer.text == "Blankets\n"
    assert answer.headers["Content-Type"].startswith("text/plain")


KEYS = st.tuples(
    st.text(max_size=20),
    st.integers(),
    st.booleans(),
    st.none(),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


@given(KEYS)
def test_a_cursor_brings_back_the_very_sort_key(key: tuple[Any, ...]) -> None:
    cursors = Cursors(b"secret")
    back = cursors.read("list", cursors.write("list", key))
    assert back == key
    assert [type(each) for each in back] == [type(each) for each in key]


@pytest.mark.parametrize(
    "key, operation", [(b"another secret", "list"), (b"secret", "another list")]
)
def test_a_cursor_holds_only_for_its_list_and_service(key: bytes, operation: str) -> None:
    cursor = Cursors(b"secret").write("list", (UUID(int=7), date(2020, 6, 1), Decimal("1.50")))
    with pytest.raises(BadCursorError):
        Cursors(key).read(operation, cursor)


def test_a_sort_key_of_an_unknown_type_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="float"):
        Cursors(b"secret").write("list", (1.5, datetime(2020, 1, 1, tzinfo=UTC)))
