"""The feed over HTTP: every event once, in order, for whom it is meant, and nothing more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from common.actor import Actor
from common.clock import SetClock
from common.db.driver import transaction
from common.journal import feed
from common.journal.position import Position
from common.journal.reader import Reader
from common.journal.restore import restore
from common.journal.visible import is_visible
from common.journal.wake import SEALED
from journal_kit import (
    EDITOR,
    IDS,
    NOON,
    SERVICE,
    THING,
    add,
    erase,
    fetch,
    make,
    rename,
    seal_everything,
)
from support.api import Api, open_api, problem

MADE, RENAMED = "int.iom.test.thing.made.v1", "int.iom.test.thing.renamed.v1"


async def names(api: Api, path: str = "/v1/events", **claims: Any) -> tuple[list[str], str]:
    """The names in the events at `path`, and the position to continue from."""
    headers = api.token("test.events.read", **claims)
    answer = await api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/cloudevents-batch+json"
    return (
        [event["data"]["thing"].get("name") for event in answer.json()],
        answer.headers["Journal-Position"],
    )


async def test_an_event_is_a_cloudevent_in_json(api: Api) -> None:
    (lamp,) = await add(api, "lamp")
    (event,) = (await api.get("/v1/events")).json()
    (row,) = await fetch(api.runtime.engine, "SELECT id FROM journal")
    assert event == {
        "specversion": "1.0",
        "id": str(row["id"]),
        "source": "/test",
        "type": MADE,
        "subject": str(lamp),
        "time": "2020-06-22T12:00:00.000000Z",
        "dataschema": f"https://test.example/schemas/{MADE}.json",
        "datacontenttype": "application/json",
        "sequence": "0001-0000000001",
        "partitionkey": str(lamp),
        "data": {"thing": {"name": "lamp", "country": None}, "change": {}},
    }


async def test_without_a_public_url_schemas_are_where_the_service_listens(
    engine: AsyncEngine, scratch_database: str
) -> None:
    async with open_api(SERVICE, scratch_database) as api:
        await add(api, "lamp")
        (event,) = (await api.get("/v1/events")).json()
    assert event["dataschema"] == f"http://127.0.0.1:8000/schemas/{MADE}.json"


async def test_following_page_by_page_gives_every_event_once_in_order(api: Api) -> None:
    expected = [f"thing {number}" for number in range(5)]
    await add(api, *expected)
    seen, position = await names(api, "/v1/events?limit=2")
    assert position == "1-2"
    while position != "1-5":
        more, position = await names(api, f"/v1/events?limit=2&after={position}")
        seen += more
    assert seen == expected
    assert await names(api, f"/v1/events?after={position}") == ([], "1-5")


async def test_what_is_not_sealed_is_not_in_the_feed(api: Api) -> None:
    await api.units.run(lambda uow: make(uow, "lamp"), actor=EDITOR)
    assert await names(api) == ([], "1-0")


async def test_nothing_private_leaves(api: Api) -> None:
    await add(api, "lamp", private={"reason": "hush"})
    answer = await api.get("/v1/events")
    assert "hush" not in answer.text
    assert "private" not in answer.text


async def test_types_choose_and_the_position_moves_past_the_others(api: Api) -> None:
    (lamp,) = await add(api, "lamp")
    await api.units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    await add(api, "chair")
    assert await names(api, f"/v1/events?types={RENAMED}") == (["lantern"], "1-3")
    both = f"/v1/events?types={RENAMED}&types={MADE}"
    assert await names(api, both) == (["lamp", "lantern", "chair"], "1-3")


async def test_a_type_that_is_not_ours_is_refused(api: Api) -> None:
    answer = await api.get("/v1/events?types=int.iom.test.thing.teleported.v1")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "query:types"


async def test_events_outside_the_tokens_countries_are_left_out(api: Api) -> None:
    await add(api, "here", country="BGD")
    await add(api, "there", country="SSD")
    await add(api, "anywhere")
    found = await names(api, countries=["BGD"])
    assert found == (["here", "anywhere"], "1-3")


async def test_what_was_erased_stays_a_matter_of_its_country(api: Api) -> None:
    (lamp,) = await add(api, "lamp", country="SSD")
    await api.units.run(lambda uow: erase(uow, lamp), actor=EDITOR)
    await seal_everything(api.runtime.engine, "unused")
    assert await names(api, countries=["BGD"]) == ([], "1-2")
    assert await names(api, countries=["SSD"]) == (["lamp", None], "1-2")


async def test_the_position_moves_on_although_nothing_is_visible(api: Api) -> None:
    await add(api, "one", "two", country="SSD")
    assert await names(api, countries=["BGD"]) == ([], "1-2")


async def test_a_row_that_is_missing_hides_no_other(api: Api) -> None:
    await add(api, "lamp", "chair", "table")
    async with transaction(api.runtime.engine, "session_replication_role = replica") as driver:
        await driver.execute("DELETE FROM journal WHERE data->'thing'->>'name' = 'chair'")
    assert await names(api, "/v1/events?after=1-1&limit=1") == (["table"], "1-3")


async def test_a_request_looks_at_a_bounded_part_of_the_journal(api: Api) -> None:
    await add(api, *(f"thing {number}" for number in range(feed.LOOKS + 2)))
    reader = Reader(api.runtime.engine)
    first = await feed.look(reader, EDITOR, Position(1, 0), [RENAMED], 100, window=1)
    assert (first.rows, first.position) == ([], Position(1, feed.LOOKS))
    second = await feed.look(reader, EDITOR, first.position, [RENAMED], 100, window=1)
    assert (second.rows, second.position) == ([], Position(1, feed.LOOKS + 2))


@pytest.mark.parametrize(
    "state, visible",
    [
        ({}, True),
        ({"country": None}, True),
        ({"country": "BGD"}, True),
        ({"country": "SSD"}, False),
        ({"countries": []}, True),
        ({"countries": ["SSD", "BGD"]}, True),
        ({"countries": ["SSD", "CAF"]}, False),
        ({"country": "BGD", "countries": ["SSD"]}, True),
        ({"country": "SSD", "countries": ["CAF"]}, False),
    ],
)
def test_one_country_in_common_is_enough_to_see(state: dict[str, Any], visible: bool) -> None:
    actor = Actor(subject="x", human=True, countries=frozenset({"BGD"}))
    data = json.dumps({"thing": state, "change": {"country": "SSD"}})
    assert is_visible(actor, "thing", data) is visible


async def test_a_token_bound_to_a_partner_does_not_follow_the_feed(api: Api) -> None:
    headers = api.token("test.events.read", partner=str(IDS.new()))
    assert (await api.get("/v1/events", headers=headers)).status_code == 403


async def test_the_feed_needs_its_scope(api: Api) -> None:
    headers = api.token("test.journal.read")
    assert (await api.get("/v1/events", headers=headers)).status_code == 403
    assert (await api.get("/v1/events/digest?aggregate=thing", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=-1",
        "after=1-",
        "after=1-2-3",
        "after=",
        "after=99999999999999999999",
        "limit=0",
        "limit=1001",
        "wait=31",
        "wait=-1",
    ],
)
async def test_what_cannot_be_read_is_refused(query: str, api: Api) -> None:
    answer = await api.get(f"/v1/events?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


# --- waiting --------------------------------------------------------------------------------------


@asynccontextmanager
async def waiting(api: Api, path: str) -> AsyncIterator[asyncio.Task[tuple[list[str], str]]]:
    """A long poll that has looked once and waits now."""
    task = asyncio.create_task(names(api, path))
    while not api.runtime.wake._waiters[SEALED]:
        await asyncio.sleep(0.01)
    yield task
    await task


async def test_a_waiting_follower_gets_the_event_when_it_is_sealed(api: Api) -> None:
    async with waiting(api, "/v1/events?wait=30") as task:
        await add(api, "lamp")
        api.runtime.wake.mark(SEALED)
        assert await task == (["lamp"], "1-1")


async def test_a_waiting_follower_whose_wake_up_is_lost_looks_by_itself(api: Api) -> None:
    async with waiting(api, "/v1/events?wait=30") as task:
        await add(api, "lamp")
        assert await task == (["lamp"], "1-1")


async def test_a_waiting_follower_holds_no_connection(api: Api) -> None:
    pool: Any = api.runtime.engine.pool
    async with waiting(api, "/v1/events?wait=30") as task:
        assert pool.checkedout() == 0
        await add(api, "lamp")
        api.runtime.wake.mark(SEALED)
        await task


async def test_a_follower_waits_no_longer_than_it_asked(api: Api) -> None:
    assert await names(api, "/v1/events?wait=1") == ([], "1-0")


async def test_followers_who_wait_are_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING", 1)
    async with waiting(api, "/v1/events?wait=30") as task:
        answer = await api.get("/v1/events?wait=30")
        problem(answer, 503, "too_many_followers")
        assert answer.headers["Retry-After"] == "5"
        assert await names(api) == ([], "1-0")  # who does not wait is answered
        await add(api, "lamp")
        assert await names(api, "/v1/events?wait=30") == (["lamp"], "1-1")
        api.runtime.wake.mark(SEALED)
        assert await task == (["lamp"], "1-1")


async def test_a_follower_is_answered_when_the_service_drains(api: Api) -> None:
    async with waiting(api, "/v1/events?wait=30") as task:
        api.runtime.draining = True
        api.runtime.wake.mark(SEALED)
        assert await task == ([], "1-0")


# --- after a restore ------------------------------------------------------------------------------


async def again(engine: AsyncEngine) -> None:
    await restore(engine, [THING], reason="r", actor="operator:x", ids=IDS, clock=SetClock(NOON))
    await seal_everything(engine, "unused")


async def test_a_position_of_the_lost_time_continues_where_the_new_epoch_began(api: Api) -> None:
    await add(api, "one", "two")
    await again(api.runtime.engine)
    # the lost database had gone on to position 9 before it was lost
    assert await names(api, "/v1/events?after=1-9") == (["one", "two"], "2-4")
    assert await names(api, "/v1/events?after=9") == (["one", "two"], "2-4")
    assert await names(api, "/v1/events?after=1-1") == (["two", "one", "two"], "2-4")
    assert await names(api, "/v1/events?after=2-3") == (["two"], "2-4")


@pytest.mark.parametrize("after", ["1-3", "2-1", "9"])
async def test_a_position_ahead_of_the_journal_is_named(after: str, api: Api) -> None:
    await add(api, "one", "two")
    answer = await api.get(f"/v1/events?after={after}")
    assert answer.status_code == 409
    assert answer.json()["code"] == "position_ahead"
    assert answer.json()["ends_at"] == "1-2"
