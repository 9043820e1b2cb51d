"""The feed over HTTP: every event once, in order, for whom it is meant, and nothing more."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from pydantic_settings import SettingsConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine

from common.actor import Actor
from common.clock import SetClock
from common.db.driver import borrowed
from common.journal import feed
from common.journal.erase import erase_stream
from common.journal.position import Position
from common.journal.reader import Reader
from common.journal.restore import restore
from common.journal.visible import is_visible
from common.journal.wake import SEALED
from common.service import Service
from common.settings import CommonSettings
from common.uow import UnitOfWork
from journal_kit import (
    EDITOR,
    IDS,
    NOON,
    THING,
    fetch,
    make,
    rename,
    seal_everything,
    thing_table,
)
from support.api import Api, open_api

MADE, RENAMED = "int.iom.test.thing.made.v1", "int.iom.test.thing.renamed.v1"


class Settings(CommonSettings):
    model_config = SettingsConfigDict(env_prefix="TEST_")


SERVICE = Service(
    name="test",
    title="Test",
    description="A made-up service.",
    settings=Settings,
    aggregates=(THING,),
    scopes={},
    routes=(),
)


@pytest.fixture
async def api(engine: AsyncEngine, scratch_database: str) -> AsyncIterator[Api]:
    async with open_api(SERVICE, scratch_database, public_url="https://test.example") as api:
        yield api


async def add(api: Api, *names: str, **about: Any) -> list[UUID]:
    """Make things by these names, and seal them."""
    made = [await api.units.run(lambda u, n=n: make(u, n, **about), actor=EDITOR) for n in names]  # type: ignore[misc]
    await seal_everything(api.runtime.engine, "unused")
    return made


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


async def test_the_position_moves_on_although_nothing_is_visible(api: Api) -> None:
    await add(api, "one", "two", country="SSD")
    assert await names(api, countries=["BGD"]) == ([], "1-2")


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


# --- digests --------------------------------------------------------------------------------------


async def erase(uow: UnitOfWork, thing: UUID) -> None:
    await uow.db.execute(thing_table.delete().where(thing_table.c.id == thing))
    await erase_stream(uow, THING, thing, "0001-0000000001", reason="asked")


async def test_a_digest_covers_the_newest_sealed_version_of_each_that_is_not_erased(
    api: Api,
) -> None:
    one, two, gone = await add(api, "one", "two", "gone")
    await api.units.run(lambda uow: rename(uow, one, "uno"), actor=EDITOR)
    await api.units.run(lambda uow: erase(uow, gone), actor=EDITOR)
    await seal_everything(api.runtime.engine, "unused")
    await api.units.run(lambda uow: rename(uow, two, "unsealed"), actor=EDITOR)
    lines = sorted([f"{one} 0001-0000000002\n", f"{two} 0001-0000000001\n"])
    answer = await api.get("/v1/events/digest?aggregate=thing")
    assert answer.json() == {
        "topic": "test.thing.v1",
        "count": 2,
        "digest": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "position": "1-5",
    }


async def test_a_digest_of_nothing_is_that_of_no_bytes(api: Api) -> None:
    answer = await api.get("/v1/events/digest?aggregate=thing")
    assert answer.json()["digest"] == hashlib.sha256(b"").hexdigest()
    assert answer.json()["count"] == 0


async def test_a_digest_of_an_unknown_aggregate_is_refused(api: Api) -> None:
    answer = await api.get("/v1/events/digest?aggregate=unicorn")
    assert answer.status_code == 422
    assert "thing" in answer.json()["detail"]


# --- trails ---------------------------------------------------------------------------------------


async def test_a_trail_tells_every_change_with_its_written_reasons(api: Api) -> None:
    (lamp,) = await add(api, "lamp", private={"reason": "asked by phone"})
    await api.units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    first, second = (await api.get(f"/v1/journal/{lamp}")).json()["items"]
    assert (first["type"], first["sequence"], first["position"]) == (MADE, "0001-0000000001", 1)
    assert (first["actor"], first["reason"]) == ("editor@test", "made_by_hand")
    assert (first["secrecy"], first["private"]) == ("open", {"reason": "asked by phone"})
    assert (second["secrecy"], second["private"], second["position"]) == ("none", None, None)
    assert second["data"]["change"] == {"before": "lamp"}


async def test_an_erased_trail_keeps_what_happened_and_loses_why(api: Api) -> None:
    (lamp,) = await add(api, "lamp", private={"reason": "asked by phone"})
    await api.units.run(lambda uow: erase(uow, lamp), actor=EDITOR)
    first, last = (await api.get(f"/v1/journal/{lamp}")).json()["items"]
    assert (first["secrecy"], first["private"]) == ("erased", None)
    assert last["type"] == "int.iom.test.thing.erased.v1"


async def test_a_private_part_that_does_not_open_is_told_and_harms_nothing(api: Api) -> None:
    (lamp,) = await add(api, "lamp", private={"reason": "x"})
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("UPDATE stream_key SET wrapped = sha256('another') || sha256('key')")
    (first,) = (await api.get(f"/v1/journal/{lamp}")).json()["items"]
    assert (first["secrecy"], first["private"]) == ("unreadable", None)


async def test_a_trail_comes_in_pages(api: Api) -> None:
    (lamp,) = await add(api, "lamp")
    for number in range(4):
        await api.units.run(lambda u, n=number: rename(u, lamp, f"n{n}"), actor=EDITOR)  # type: ignore[misc]
    found, path = [], f"/v1/journal/{lamp}?limit=2"
    while True:
        page = (await api.get(path)).json()
        found += [entry["sequence"] for entry in page["items"]]
        if page["next"] is None:
            break
        path = f"/v1/journal/{lamp}?limit=2&cursor={page['next']}"
    assert found == [f"0001-{version:010d}" for version in range(1, 6)]


async def test_a_trail_needs_its_own_scope(api: Api) -> None:
    (lamp,) = await add(api, "lamp")
    headers = api.token("test.events.read")
    assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == 403


async def test_a_trail_of_another_country_or_for_a_bound_token_is_refused(api: Api) -> None:
    (lamp,) = await add(api, "lamp", country="SSD")
    scope = "test.journal.read"
    for claims in ({"countries": ["BGD"]}, {"partner": str(lamp)}):
        headers = api.token(scope, **claims)
        assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == 403
    headers = api.token(scope, countries=["SSD"])
    assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == 200


async def test_a_trail_of_nothing_is_not_found(api: Api) -> None:
    assert (await api.get(f"/v1/journal/{IDS.new()}")).status_code == 404
