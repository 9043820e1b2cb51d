"""Crises over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.api import problem
from support.coordination import Coordination, done, made

FLOOD = {
    "name": "Floods in the north-east",
    "onset_on": "2020-06-17",
    "countries": ["BGD"],
    "glide": "FL-2020-000123-BGD",
}


async def test_a_crisis_is_declared_and_read(house: Coordination) -> None:
    answer = await house.api.post("/v1/crises", json=FLOOD)
    crisis = made(answer)
    read = await house.api.get(answer.headers["location"])
    assert done(read) == crisis == {**FLOOD, "id": crisis["id"], "status": "open"}
    assert read.headers["etag"] == answer.headers["etag"] == '"0001-0000000001"'
    assert await house.changes(crisis) == ["declared"]


async def test_countries_are_kept_once_and_in_order(house: Coordination) -> None:
    crisis = made(
        await house.api.post(
            "/v1/crises", json={**FLOOD, "countries": ["MMR", "BGD", "MMR", "BGD"]}
        )
    )
    assert crisis["countries"] == ["BGD", "MMR"]


@pytest.mark.parametrize(
    "change, pointer",
    [
        ({"onset_on": "2020-06-24"}, "#/onset_on"),
        ({"onset_on": 18430}, "#/onset_on"),
        ({"onset_on": "18430"}, "#/onset_on"),
        ({"onset_on": "2020-02-30"}, "#/onset_on"),
        ({"countries": []}, "#/countries"),
        ({"countries": ["BGD", "BD"]}, "#/countries/1"),
        ({"glide": "FL-2020-000123-MMR"}, "#/glide"),
        ({"glide": "FL-2020-123-BGD"}, "#/glide"),
        ({"name": "Floods\u0000"}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"nmae": "Floods"}, "#/nmae"),
    ],
)
async def test_what_is_wrong_is_pointed_at_and_nothing_is_written(
    house: Coordination, change: dict[str, Any], pointer: str
) -> None:
    answer = await house.api.post("/v1/crises", json={**FLOOD, **change})
    assert pointer in {each["pointer"] for each in problem(answer, 422, "invalid")["errors"]}
    assert done(await house.api.get("/v1/crises"))["items"] == []


async def test_a_crisis_begins_once_it_is_that_day_anywhere_on_earth(house: Coordination) -> None:
    east, beyond = {**FLOOD, "onset_on": "2020-07-07"}, {**FLOOD, "onset_on": "2020-07-08"}
    house.clock.advance(datetime(2020, 7, 6, 9, 59, 59, tzinfo=UTC) - house.clock.now())
    problem(await house.api.post("/v1/crises", json=east), 422, "invalid")
    house.clock.advance(timedelta(seconds=1))  # midnight at UTC+14
    problem(await house.api.post("/v1/crises", json=beyond), 422, "invalid")
    assert made(await house.api.post("/v1/crises", json=east))["onset_on"] == "2020-07-07"


async def test_a_glide_number_names_one_crisis(house: Coordination) -> None:
    made(await house.api.post("/v1/crises", json=FLOOD))
    again = await house.api.post("/v1/crises", json={**FLOOD, "name": "The same floods"})
    assert problem(again, 409, "duplicate_glide")["glide"] == FLOOD["glide"]


async def test_several_crises_have_no_glide_number(house: Coordination) -> None:
    for name in ("Conflict in the west", "Conflict in the east"):
        made(await house.api.post("/v1/crises", json={**FLOOD, "name": name, "glide": None}))


async def test_a_crisis_is_closed_and_reopened(house: Coordination) -> None:
    declared = await house.api.post("/v1/crises", json=FLOOD)
    path, tag = declared.headers["location"], declared.headers["etag"]
    closed = await house.api.post(f"{path}/close", headers={"If-Match": tag})
    assert done(closed)["status"] == "closed"
    again = await house.api.post(f"{path}/close", headers={"If-Match": closed.headers["etag"]})
    assert problem(again, 409, "illegal_move")["allowed"] == ["open"]
    reopened = await house.api.post(f"{path}/reopen", headers={"If-Match": closed.headers["etag"]})
    assert done(reopened)["status"] == "open"
    assert await house.changes(declared.json()) == ["declared", "closed", "reopened"]


async def test_a_change_on_an_old_version_is_refused(house: Coordination) -> None:
    declared = await house.api.post("/v1/crises", json=FLOOD)
    path, tag = declared.headers["location"], declared.headers["etag"]
    done(await house.api.post(f"{path}/close", headers={"If-Match": tag}))
    problem(await house.api.post(f"{path}/reopen", headers={"If-Match": tag}), 412, "stale_version")
    problem(await house.api.post(f"{path}/reopen"), 428, "precondition_required")


async def test_a_crisis_is_declared_where_one_may_act(house: Coordination) -> None:
    elsewhere = house.api.token(countries=["SSD"])
    refused = await house.api.post("/v1/crises", json=FLOOD, headers=elsewhere)
    problem(refused, 403, "forbidden")


async def test_a_partner_declares_and_closes_no_crisis(house: Coordination) -> None:
    declared = await house.api.post("/v1/crises", json=FLOOD)
    partner = house.api.token(partner=await house.partner())
    other = {**FLOOD, "glide": None}
    problem(await house.api.post("/v1/crises", json=other, headers=partner), 403, "forbidden")
    for deed in ("close", "reopen"):
        path = f"{declared.headers['location']}/{deed}"
        headers = {"If-Match": declared.headers["etag"], **partner}
        problem(await house.api.post(path, headers=headers), 403, "forbidden")


async def test_one_sees_the_crises_of_ones_countries(house: Coordination) -> None:
    crisis = made(await house.api.post("/v1/crises", json={**FLOOD, "countries": ["BGD", "MMR"]}))
    for country, seen in (("MMR", [crisis]), ("SSD", [])):
        headers = house.api.token(countries=[country])
        assert done(await house.api.get("/v1/crises", headers=headers))["items"] == seen
    elsewhere = house.api.token(countries=["SSD"])
    problem(await house.api.get(f"/v1/crises/{crisis['id']}", headers=elsewhere), 403, "forbidden")


async def test_crises_are_listed_page_by_page(house: Coordination) -> None:
    crises = [
        made(await house.api.post("/v1/crises", json={**FLOOD, "name": str(n), "glide": None}))
        for n in range(3)
    ]
    first = done(await house.api.get("/v1/crises?limit=2"))
    second = done(await house.api.get(f"/v1/crises?limit=2&cursor={first['next']}"))
    assert first["items"] + second["items"] == crises
    assert second["next"] is None


async def test_crises_are_found_by_status_and_country(house: Coordination) -> None:
    made(await house.api.post("/v1/crises", json=FLOOD))
    for query, count in (
        ("status=open", 1),
        ("status=closed", 0),
        ("country=BGD", 1),
        ("country=MMR", 0),
    ):
        assert len(done(await house.api.get(f"/v1/crises?{query}"))["items"]) == count
    problem(await house.api.get("/v1/crises?country=BD"), 422, "invalid")
