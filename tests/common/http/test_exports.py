"""Exports: the same list in one file, whatever its length, or a file that is visibly broken."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from common.db.driver import borrowed
from common.http.export import MAX_EXPORTS, Csv, Form, cell, columns, form_of
from common.http.paging import Page
from common.models import PublicModel
from common.process import free_port
from support.api import Api, problem
from support.lists import CSV, NDJSON, read_list, sealed
from support.parcels import many_packed, packed
from support.statements import counted


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


# --- the whole set ------------------------------------------------------------------------------


async def test_an_export_holds_exactly_what_the_pages_hold(api: Api) -> None:
    await many_packed(api, 450)
    items = await read_list(api, "/v1/parcels", limit=200)
    assert len(items) == 450
    assert lines(await api.get("/v1/parcels", headers=NDJSON)) == items
    assert table(await api.get("/v1/parcels", headers=CSV)) == items


async def test_an_export_obeys_filters_and_countries_as_its_list_does(api: Api) -> None:
    await packed(api, name="here")
    await packed(api, name="there", country="TCD")
    there = NDJSON | api.token(countries=["TCD"])
    assert [each["name"] for each in lines(await api.get("/v1/parcels", headers=there))] == [
        "there"
    ]
    assert lines(await api.get("/v1/parcels?status=sent", headers=NDJSON)) == []


async def test_an_export_needs_the_lists_own_scope(api: Api) -> None:
    answer = await api.get("/v1/parcels", headers=CSV | api.token("post.parcels.write"))
    problem(answer, 403, "missing_scope")


async def test_an_empty_export_is_an_empty_file_or_the_names_of_the_columns(api: Api) -> None:
    assert (await api.get("/v1/parcels", headers=NDJSON)).text == ""
    assert (await api.get("/v1/parcels", headers=CSV)).text == "id,name,country,status,worth\r\n"


async def test_an_export_says_from_where_to_follow(api: Api) -> None:
    await packed(api)
    position = await sealed(api)
    answer = await api.get("/v1/parcels", headers=NDJSON)
    assert answer.headers["Journal-Position"] == position
    assert answer.headers["Vary"] == "Accept"


async def test_changes_are_exported_too(api: Api) -> None:
    await many_packed(api, 1030)
    since = await sealed(api)
    await packed(api, name="new")
    await sealed(api)
    path = "/v1/parcels?changed_since="
    assert len(lines(await api.get(f"{path}0", headers=NDJSON))) == 1031
    assert [each["name"] for each in table(await api.get(path + since, headers=CSV))] == ["new"]


@pytest.mark.parametrize("parameter", ["limit=10", "cursor=x"])
async def test_part_of_an_export_is_not_to_be_had(api: Api, parameter: str) -> None:
    answer = await api.get(f"/v1/parcels?{parameter}", headers=NDJSON)
    problem(answer, 422, "bad_cursor" if "cursor" in parameter else "invalid")


# --- page by page -------------------------------------------------------------------------------


async def test_an_export_reads_in_pages_each_by_itself_and_holds_no_snapshot(api: Api) -> None:
    await many_packed(api, 450)
    await api.get("/v1/parcels", headers=NDJSON)
    async with counted(api.runtime.engine) as statements:
        await api.get("/v1/parcels", headers=NDJSON)
    assert len(statements) == 4, statements  # the position, and three pages
    assert not any("BEGIN" in each for each in statements.sent)


async def test_what_is_added_meanwhile_neither_breaks_an_export_nor_doubles_a_row(
    api: Api,
) -> None:
    await many_packed(api, 450, "m")
    before = await read_list(api, "/v1/parcels", limit=200)
    pieces: list[bytes] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            pieces.append(message["body"])
            await many_packed(api, 1, f"a{len(pieces)}")  # before the place that was reached
            await many_packed(api, 1, f"z{len(pieces)}")  # and behind it

    await called(api, NDJSON, send)
    assert len(pieces) == 4  # three pages and the end
    found = [json.loads(line) for line in b"".join(pieces).splitlines()]
    assert [each for each in found if each["name"].startswith("m")] == before
    assert [each["name"] for each in found[450:]] == ["z1-0001", "z2-0001"]


async def test_a_file_is_sent_in_pieces_of_one_page(api: Api) -> None:
    await many_packed(api, 450)
    pieces: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            pieces.append(message["body"].count(b"\n"))

    await called(api, NDJSON, send)
    assert pieces == [200, 200, 50, 0]


async def test_an_export_that_fails_midway_breaks_off(api: Api) -> None:
    await many_packed(api, 450)
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("UPDATE parcel SET status = 'lost' WHERE name = 'parcel-0420'")
    async with served(api) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await client.get("/v1/parcels", headers=CSV)


async def test_a_refusal_comes_before_an_export_begins(api: Api) -> None:
    answer = await api.get("/v1/parcels?changed_since=1-9", headers=CSV)
    problem(answer, 409, "position_ahead")


async def test_only_so_many_exports_run_at_the_same_time(api: Api) -> None:
    free = api.app.state.site.exports
    for _ in range(MAX_EXPORTS):
        await free.acquire()
    answer = await api.get("/v1/parcels", headers=CSV)
    assert problem(answer, 503, "too_many_exports")
    assert answer.headers["Retry-After"] == "30"
    free.release()
    assert (await api.get("/v1/parcels", headers=CSV)).status_code == 200
    assert not free.locked()


async def called(
    api: Api, headers: dict[str, str], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Ask the app itself for the list, so that each piece is seen when it is sent."""
    given = [
        (name.lower().encode(), text.encode()) for name, text in (headers | api.token()).items()
    ]

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/parcels",
        "raw_path": b"/v1/parcels",
        "query_string": b"",
        "headers": given,
    }
    await api.app(scope, receive, send)


async def test_of_exports_that_come_at_once_those_too_many_are_not_kept_waiting(api: Api) -> None:
    answered: asyncio.Queue[int] = asyncio.Queue()
    go_on = asyncio.Event()

    async def slow_reader(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.put_nowait(message["status"])
            await go_on.wait()

    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        for _ in range(MAX_EXPORTS + 1):
            group.create_task(called(api, CSV, slow_reader))
        statuses = [await answered.get() for _ in range(MAX_EXPORTS + 1)]
        go_on.set()
    assert sorted(statuses) == [200] * MAX_EXPORTS + [503]


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks to the app through a socket."""
    server = uvicorn.Server(
        uvicorn.Config(api.app, port=free_port(), log_config=None, access_log=False, lifespan="off")
    )
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        base = f"http://127.0.0.1:{server.config.port}"
        async with httpx.AsyncClient(base_url=base, headers=api.token()) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


# --- which form ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept, form",
    [
        (None, Form.JSON),
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("application/json", Form.JSON),
        ("application/x-ndjson", Form.NDJSON),
        ("Application/X-NDJSON; charset=utf-8", Form.NDJSON),
        ("text/csv", Form.CSV),
        ("text/csv, */*", Form.CSV),
        ("text/csv;q=0.5, application/json", Form.JSON),
        ("text/csv, application/json", Form.JSON),
        ("application/json;q=0.1, text/csv;q=0.2", Form.CSV),
        ("text/*", Form.CSV),
        ("text/csv;q=0", Form.JSON),
        ("text/csv;q=much", Form.JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form.JSON),
        ("image/png", Form.JSON),
    ],
)
def test_a_list_is_given_in_the_form_that_is_liked_best(accept: str | None, form: Form) -> None:
    assert form_of(accept) is form


# --- CSV ----------------------------------------------------------------------------------------


class Sum(PublicModel):
    amount: str
    currency: str


class Line(PublicModel):
    name: str
    paid: Sum | None
    tags: tuple[str, ...] = ()
    parts: list[Sum]
    done: bool = False
    pieces: int = 1


@pytest.mark.parametrize(
    "value, text",
    [
        ("Blankets", "Blankets"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (12, "12"),
        ("120.00", "120.00"),
        ("-120.00", "-120.00"),
        ("0001", "0001"),
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("+88017", "'+88017"),
        ("-1+1", "'-1+1"),
        ("-", "'-"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'=1+1", "''=1+1"),
        ("'plain", "'plain"),
        ("a=b", "a=b"),
        (["=1+1", "é"], '["=1+1","é"]'),
    ],
)
def test_no_cell_is_a_formula_and_amounts_are_exact(value: Any, text: str) -> None:
    assert cell(value) == text


@given(st.text())
def test_the_apostrophe_in_front_can_be_told_from_text(value: str) -> None:
    written = cell(value)
    was_marked = written.startswith("'") and cell(written[1:]) == written
    assert (written[1:] if was_marked else written) == value


def test_a_column_stands_for_each_field_whatever_the_rows_hold() -> None:
    expected = ["name", "paid.amount", "paid.currency", "tags", "parts", "done", "pieces"]
    assert [".".join(path) for path in columns(Line)] == expected
    write = Csv(Line)
    rows = [
        Line(name='a "quoted", one', paid=None, tags=("x", "y"), parts=[]),
        Line(
            name="two\nlines",
            paid=Sum(amount="7.50", currency="USD"),
            parts=[Sum(amount="1.00", currency="XAF")],
        ),
    ]
    text = (write(Page(items=rows[:1], next="x")) + write(Page(items=rows[1:], next=None))).decode()
    assert text == (
        "name,paid.amount,paid.currency,tags,parts,done,pieces\r\n"
        '"a ""quoted"", one",,,"[""x"",""y""]",[],false,1\r\n'
        '"two\nlines",7.50,USD,[],"[{""amount"":""1.00"",""currency"":""XAF""}]",false,1\r\n'
    )
