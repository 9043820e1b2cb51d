"""The catalogue and activated clusters over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.api import problem
from support.coordination import IDS, Coordination, done, made

FLOOD = {"name": "Floods", "onset_on": "2020-06-17", "countries": ["BGD"]}


async def change(house: Coordination, cluster: dict[str, Any], deed: str) -> Any:
    """The answer to a deed on the cluster as it stands now."""
    path = f"/v1/clusters/{cluster['id']}"
    tag = (await house.api.get(path)).headers["etag"]
    return await house.api.post(f"{path}/{deed}", headers={"If-Match": tag})


async def test_the_catalogue_has_both_languages_and_both_lists_of_numbers(
    house: Coordination,
) -> None:
    items = done(await house.api.get("/v1/cluster-catalogue"))["items"]
    assert len(items) == 15
    assert items[-1] == {
        "code": "PRO-MIN",
        "name_en": "Mine Action",
        "name_fr": "Action contre les mines",
        "parent": "PRO",
        "global_leads": [{"agency": "UNMAS", "setting": None, "part": "lead"}],
        "hdx_id": 5406,
        "fts_id": 15,
    }


async def test_a_cluster_is_activated_and_read(house: Coordination) -> None:
    body = {"code": "CCM", "country": "BGD", "setting": "disaster", "joinability": "open"}
    answer = await house.api.post("/v1/clusters", json=body)
    cluster = made(answer)
    assert cluster == {
        **body,
        "id": cluster["id"],
        "crisis_id": None,
        "status": "activated",
        "lead_agencies": ["IOM"],
        "iom_led": True,
        "activated_on": "2020-06-22",
        "deactivated_on": None,
    }
    assert done(await house.api.get(answer.headers["location"])) == cluster


@pytest.mark.parametrize(
    "facts, pointer",
    [
        ({"code": "CCM"}, "#/setting"),
        ({"code": "SHL"}, "#/setting"),
        ({"code": "SHL", "setting": "disaster"}, "#/lead_agencies"),
    ],
)
async def test_where_no_one_leads_everywhere_the_setting_or_the_lead_is_named(
    house: Coordination, facts: dict[str, Any], pointer: str
) -> None:
    body = {"country": "BGD", **facts}
    refused = problem(await house.api.post("/v1/clusters", json=body), 422, "invalid")
    assert [each["pointer"] for each in refused["errors"]] == [pointer]
    cluster = await house.cluster(**facts, lead_agencies=["IFRC"])
    assert (cluster["lead_agencies"], cluster["iom_led"]) == (["IFRC"], False)


async def test_a_cluster_is_live_once_in_a_country(house: Coordination) -> None:
    await house.cluster()
    again = await house.api.post("/v1/clusters", json={"code": "HEA", "country": "BGD"})
    problem(again, 409, "cluster_already_live")
    await house.cluster(country="SSD")
    await house.cluster(code="WSH")


async def test_of_two_activations_at_once_one_wins(house: Coordination) -> None:
    body = {"code": "HEA", "country": "BGD"}
    answers = await asyncio.gather(*(house.api.post("/v1/clusters", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_a_cluster_that_ended_is_activated_anew(house: Coordination) -> None:
    first = await house.cluster()
    assert done(await change(house, first, "deactivate"))["deactivated_on"] == "2020-06-22"
    second = await house.cluster()
    assert second["id"] != first["id"]


async def test_a_cluster_is_handed_over_and_the_hand_over_called_off(house: Coordination) -> None:
    cluster = await house.cluster()
    assert done(await change(house, cluster, "begin-transition"))["status"] == "transitioning"
    assert done(await change(house, cluster, "resume"))["status"] == "activated"
    assert await house.changes(cluster) == ["activated", "transition_begun", "resumed"]


async def test_an_illegal_move_names_the_state_and_the_allowed_moves(house: Coordination) -> None:
    cluster = await house.cluster()
    refused = problem(await change(house, cluster, "resume"), 409, "illegal_move")
    assert refused["state"] == "activated"
    assert refused["allowed"] == ["deactivated", "transitioning"]


async def test_a_cluster_answers_a_crisis_in_its_country(house: Coordination) -> None:
    crisis = made(await house.api.post("/v1/crises", json=FLOOD))
    cluster = await house.cluster(crisis_id=crisis["id"])
    found = done(await house.api.get(f"/v1/clusters?crisis_id={crisis['id']}"))
    assert found["items"] == [cluster]
    elsewhere = {"code": "HEA", "country": "SSD", "crisis_id": crisis["id"]}
    problem(await house.api.post("/v1/clusters", json=elsewhere), 409, "crisis_elsewhere")


async def test_no_cluster_answers_a_closed_or_unknown_crisis(house: Coordination) -> None:
    declared = await house.api.post("/v1/crises", json=FLOOD)
    done(
        await house.api.post(
            f"{declared.headers['location']}/close", headers={"If-Match": declared.headers["etag"]}
        )
    )
    body = {"code": "HEA", "country": "BGD", "crisis_id": declared.json()["id"]}
    problem(await house.api.post("/v1/clusters", json=body), 409, "crisis_closed")
    body["crisis_id"] = str(IDS.new())
    problem(await house.api.post("/v1/clusters", json=body), 404, "not_found")


async def test_who_leads_and_how_one_joins_is_rearranged(house: Coordination) -> None:
    cluster = await house.cluster()
    path = f"/v1/clusters/{cluster['id']}"
    changed = await house.api.patch(
        path,
        json={"lead_agencies": ["WHO", "IOM"], "joinability": "invite"},
        headers={"If-Match": '"0001-0000000001"'},
    )
    assert done(changed) == {
        **cluster,
        "lead_agencies": ["WHO", "IOM"],
        "iom_led": True,
        "joinability": "invite",
    }
    unchanged = await house.api.patch(
        path, json={"joinability": "invite"}, headers={"If-Match": changed.headers["etag"]}
    )
    assert unchanged.headers["etag"] == changed.headers["etag"]
    assert await house.changes(cluster) == ["activated", "rearranged"]


async def test_a_cluster_that_ended_is_not_rearranged(house: Coordination) -> None:
    cluster = await house.cluster()
    ended = await change(house, cluster, "deactivate")
    refused = await house.api.patch(
        f"/v1/clusters/{cluster['id']}",
        json={"joinability": "open"},
        headers={"If-Match": ended.headers["etag"]},
    )
    problem(refused, 409, "cluster_deactivated")


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"code": "WASH", "country": "BGD"}, "#/code"),
        ({"code": "HEA", "country": "Bangladesh"}, "#/country"),
        ({"code": "HEA", "country": "BGD", "lead_agencies": []}, "#/lead_agencies"),
        ({"code": "HEA", "country": "BGD", "lead_agencies": ["W\u0000"]}, "#/lead_agencies/0"),
        ({"code": "HEA", "country": "BGD", "joinability": "closed"}, "#/joinability"),
        ({"code": "HEA", "country": "BGD", "crisis_id": "7"}, "#/crisis_id"),
    ],
)
async def test_what_is_wrong_is_pointed_at(
    house: Coordination, body: dict[str, Any], pointer: str
) -> None:
    refused = problem(await house.api.post("/v1/clusters", json=body), 422, "invalid")
    assert pointer in {each["pointer"] for each in refused["errors"]}


async def test_one_acts_and_reads_in_ones_countries(house: Coordination) -> None:
    cluster = await house.cluster()
    elsewhere = house.api.token(countries=["SSD"])
    body = {"code": "WSH", "country": "BGD"}
    problem(await house.api.post("/v1/clusters", json=body, headers=elsewhere), 403, "forbidden")
    path = f"/v1/clusters/{cluster['id']}"
    problem(await house.api.get(path, headers=elsewhere), 403, "forbidden")
    refused = await house.api.post(
        f"{path}/deactivate", headers={"If-Match": '"0001-0000000001"', **elsewhere}
    )
    problem(refused, 403, "forbidden")
    assert done(await house.api.get("/v1/clusters", headers=elsewhere))["items"] == []


async def test_clusters_are_found_by_country_code_and_status(house: Coordination) -> None:
    health = await house.cluster()
    water = await house.cluster(code="WSH", country="SSD")
    for query, found in (
        ("country=BGD", [health]),
        ("code=WSH", [water]),
        ("status=activated", [health, water]),
        ("status=deactivated", []),
        ("country=BGD&code=WSH", []),
    ):
        assert done(await house.api.get(f"/v1/clusters?{query}"))["items"] == found


async def test_a_partner_runs_no_cluster(house: Coordination) -> None:
    cluster = await house.cluster()
    partner = house.api.token(partner=await house.partner())
    body = {"code": "WSH", "country": "BGD"}
    problem(await house.api.post("/v1/clusters", json=body, headers=partner), 403, "forbidden")
    path, tag = f"/v1/clusters/{cluster['id']}", {"If-Match": '"0001-0000000001"', **partner}
    for deed in ("begin-transition", "resume", "deactivate"):
        problem(await house.api.post(f"{path}/{deed}", headers=tag), 403, "forbidden")
    opened = await house.api.patch(path, json={"joinability": "open"}, headers=tag)
    problem(opened, 403, "forbidden")


async def test_reading_needs_its_scope(house: Coordination) -> None:
    headers = house.api.token("coordination.clusters.write")
    problem(await house.api.get("/v1/clusters", headers=headers), 403, "missing_scope")


async def test_an_activation_sent_twice_is_carried_out_once(house: Coordination) -> None:
    body = {"code": "HEA", "country": "BGD"}
    headers = {"Idempotency-Key": "activate-health"}
    first = await house.api.post("/v1/clusters", json=body, headers=headers)
    second = await house.api.post("/v1/clusters", json=body, headers=headers)
    assert made(second) == made(first)
    assert second.headers["idempotency-replayed"] == "true"


async def test_a_deactivated_cluster_ends_every_seat_and_closes_every_question(
    house: Coordination,
) -> None:
    cluster = await house.cluster()
    asking, invited, member, suspended = [await house.partner() for _ in range(4)]
    seats = {
        "requested": await house.request(cluster, asking),
        "invited": await house.invite(cluster, invited),
        "member": await house.member(cluster, member),
        "suspended": await house.member(cluster, suspended),
    }
    await house.registry.says(suspended, eligibility="ineligible")
    done(await change(house, cluster, "deactivate"))
    ended = {name: (await house.now(seat))["status"] for name, seat in seats.items()}
    assert ended == {
        "requested": "rejected",
        "invited": "rejected",
        "member": "left",
        "suspended": "left",
    }
    reopened = await house.cluster()
    await house.request(reopened, member)
