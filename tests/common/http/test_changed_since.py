"""What changed since a position: all of it, once it is sealed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from common.aggregate import Aggregate
from common.audit import audit
from common.clock import SetClock
from common.db.driver import borrowed
from common.ids import Uuid7Ids
from common.journal.latest import CHANGED
from common.journal.restore import restore
from support.api import NOON, Api, problem
from support.lists import sealed
from support.parcels import PARCEL, many_packed, packed
from support.statements import counted


async def send(api: Api, path: str) -> None:
    headers = {"If-Match": (await api.get(path)).headers["ETag"], "Idempotency-Key": path}
    assert (await api.post(f"{path}/send", headers=headers)).status_code == 200


async def changed(api: Api, since: str, **query: Any) -> list[str]:
    """The names of what changed, page by page."""
    options = {"params": {"changed_since": since, **query}}
    names: list[str] = []
    path = "/v1/parcels"
    while path:
        answer = await api.get(path, **options)
        assert answer.status_code == 200, answer.text
        names += [each["name"] for each in answer.json()["items"]]
        path, options = answer.links.get("next", {}).get("url", ""), {}
    return names


async def test_a_list_gives_what_changed_after_a_position_in_the_order_of_the_changes(
    api: Api,
) -> None:
    paths = {name: (await packed(api, name=name)).headers["Location"] for name in "dcba"}
    since = await sealed(api)
    await send(api, paths["c"])
    await packed(api, name="aa")
    await send(api, paths["b"])
    await sealed(api)
    assert await changed(api, since) == ["c", "aa", "b"]
    assert await changed(api, "0") == ["d", "a", "c", "aa", "b"]


async def test_what_changed_several_times_is_given_once_as_it_is_now(api: Api) -> None:
    path = (await packed(api)).headers["Location"]
    await sealed(api)
    await send(api, path)
    await sealed(api)
    (parcel,) = (await api.get("/v1/parcels?changed_since=0")).json()["items"]
    assert parcel["status"] == "sent"


async def test_nothing_changed_is_an_empty_page_with_the_same_position(api: Api) -> None:
    await packed(api)
    since = await sealed(api)
    answer = await api.get("/v1/parcels", params={"changed_since": since})
    assert answer.json() == {"items": [], "next": None}
    assert answer.headers["Journal-Position"] == since


async def test_a_change_that_commits_late_is_not_missed(api: Api) -> None:
    """Its journal row was inserted before the others', and gets its position after them."""
    late = (await packed(api, name="late")).headers["Location"]
    await sealed(api)
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("BEGIN")
        await driver.execute(
            "INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at,"
            " actor, correlation_id, data)"
            " SELECT gen_random_uuid(), stream_type, stream, 1, 2, type, occurred_at,"
            " actor, correlation_id, data FROM journal"
        )
        await packed(api, name="early")
        await sealed(api)
        answer = await api.get("/v1/parcels")
        await driver.execute("COMMIT")
    await sealed(api)
    assert await changed(api, answer.headers["Journal-Position"]) == ["late"]
    assert late


async def test_what_is_not_sealed_yet_is_found_after_the_position_that_the_answer_gave(
    api: Api,
) -> None:
    await packed(api)
    answer = await api.get("/v1/parcels?changed_since=0")
    assert answer.json()["items"] == []
    await sealed(api)
    assert await changed(api, answer.headers["Journal-Position"]) == ["Blankets"]


async def test_filters_and_countries_hold_for_changes_too(api: Api) -> None:
    await packed(api, name="here")
    await packed(api, name="elsewhere", country="TCD")
    sent = (await packed(api, name="sent")).headers["Location"]
    await send(api, sent)
    await sealed(api)
    assert await changed(api, "0", status="packed") == ["here", "elsewhere"]
    answer = await api.get("/v1/parcels?changed_since=0", headers=api.token(countries=["TCD"]))
    assert [each["name"] for each in answer.json()["items"]] == ["elsewhere"]


async def test_pages_of_changes_lead_on_over_what_the_filters_leave_out(api: Api) -> None:
    await many_packed(api, 1100)
    await send(api, (await packed(api, name="the one")).headers["Location"])
    await sealed(api)
    first = await api.get("/v1/parcels?changed_since=0&status=sent")
    assert first.json()["items"] == []
    assert first.json()["next"] is not None
    assert await changed(api, "0", status="sent") == ["the one"]


async def test_changes_are_read_page_by_page_without_a_gap(api: Api) -> None:
    await many_packed(api, 1030)
    await sealed(api)
    names = await changed(api, "0", limit=200)
    assert names == [f"parcel-{number:04}" for number in range(1, 1031)]


async def test_what_changes_between_two_pages_is_on_a_later_one(api: Api) -> None:
    paths = {name: (await packed(api, name=name)).headers["Location"] for name in "abc"}
    await sealed(api)
    first = await api.get("/v1/parcels?changed_since=0&limit=1")
    await send(api, paths["b"])
    await sealed(api)
    rest = await api.get(first.links["next"]["url"].replace("limit=1", "limit=9"))
    assert [each["name"] for each in rest.json()["items"]] == ["c", "b"]
    assert "Journal-Position" not in rest.headers


async def test_a_page_of_changes_costs_three_statements(api: Api) -> None:
    await many_packed(api, 30)
    since = await sealed(api)
    await packed(api, name="changed")
    await sealed(api)
    await changed(api, since)
    async with counted(api.runtime.engine) as statements:
        await changed(api, since)
    assert len(statements) == 3, statements


async def test_changes_are_found_by_their_index_and_not_by_a_walk_over_the_journal(
    api: Api,
) -> None:
    await many_packed(api, 3000)
    await sealed(api)
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("ANALYZE")
        plan = "\n".join(
            row[0]
            for row in await driver.fetch(
                f"EXPLAIN {CHANGED}".replace("$1", "'parcel'")
                .replace("$2", "2990")
                .replace("$3", "1001")
            )
        )
    assert "journal_latest_in_order" in plan
    assert "Seq Scan" not in plan


async def test_after_a_restore_everything_has_changed_for_who_comes_from_before(api: Api) -> None:
    for name in "ab":
        await packed(api, name=name)
    before = await sealed(api)
    await restored(api, PARCEL)
    after = await sealed(api)
    assert await changed(api, before) == ["a", "b"]
    assert await changed(api, after) == []
    assert after == "2-4"


async def test_a_position_that_the_journal_has_not_reached_is_refused(api: Api) -> None:
    problem(await api.get("/v1/parcels?changed_since=1-7"), 409, "position_ahead")


@pytest.mark.parametrize("since", ["yesterday", "1-", "2020-06-22", "-1"])
async def test_what_is_no_position_is_refused(api: Api, since: str) -> None:
    answer = await api.get("/v1/parcels", params={"changed_since": since})
    document = problem(answer, 422, "invalid")
    assert document["errors"][0]["pointer"] == "query:changed_since"


async def test_a_cursor_of_the_whole_list_leads_nowhere_among_changes(api: Api) -> None:
    for name in "ab":
        await packed(api, name=name)
    cursor = (await api.get("/v1/parcels?limit=1")).json()["next"]
    answer = await api.get("/v1/parcels", params={"changed_since": "0", "cursor": cursor})
    problem(answer, 422, "bad_cursor")


async def restored(api: Api, *aggregates: Aggregate) -> None:
    await restore(
        api.runtime.engine,
        aggregates,
        reason="a test",
        actor="operator",
        ids=Uuid7Ids(),
        clock=SetClock(NOON),
    )


async def test_the_audit_knows_when_a_list_would_look_in_the_wrong_place(api: Api) -> None:
    await send(api, (await packed(api)).headers["Location"])
    await packed(api, name="later")
    await sealed(api)
    (chain, latest) = await audit(api.runtime)
    assert (chain.breaches, latest.breaches) == ((), ())
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("UPDATE journal_latest SET position = 1 WHERE position = 2")
        await driver.execute("DELETE FROM journal_latest WHERE position = 3")
    (_, latest) = await audit(api.runtime)
    assert len(latest.breaches) == 2
