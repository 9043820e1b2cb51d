"""Who sits at a table, and which local partners sit at none."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import problem
from support.coordination import Coordination, done, made, partner_record
from support.lists import exported, read_list, sealed

INTERNATIONAL = {
    "legal_name": "Water For Everyone",
    "acronym": None,
    "kind": "international_ngo",
    "country": "FRA",
    "local": "no",
}


async def read(house: Coordination, path: str, **claims: Any) -> Any:
    return done(await house.api.get(path, headers=house.api.token(**claims)))


# --- the table ----------------------------------------------------------------------------------


async def test_a_table_shows_who_sits_there_by_name(house: Coordination) -> None:
    cluster = await house.cluster()
    water = await house.member(cluster, await house.partner(**INTERNATIONAL))
    shapla = await house.member(cluster, await house.partner())
    await house.request(cluster, await house.partner(legal_name="Only Asking"))
    table = await read(house, f"/v1/clusters/{cluster['id']}/members")
    assert [row["name"] for row in table["items"]] == [
        "Shapla Health Society",
        "Water For Everyone",
    ]
    assert [row["local"] for row in table["items"]] == ["yes", "no"]
    assert table["items"][0] == {
        "membership_id": shapla["id"],
        "partner_id": shapla["partner_id"],
        "name": "Shapla Health Society",
        "acronym": "SHS",
        "kind": "national_ngo",
        "local": "yes",
        "role": "member",
        "status": "active",
        "joined_on": "2020-06-22",
        "commitments_due": False,
    }
    assert table["items"][1]["membership_id"] == water["id"]


async def test_a_table_is_read_page_by_page(house: Coordination) -> None:
    cluster = await house.cluster()
    for name in ("A", "A", "B"):
        await house.member(cluster, await house.partner(legal_name=name))
    path = f"/v1/clusters/{cluster['id']}/members?limit=2"
    first = await read(house, path)
    second = await read(house, f"{path}&cursor={first['next']}")
    rows = first["items"] + second["items"]
    assert [row["name"] for row in rows] == ["A", "A", "B"]
    assert len({row["membership_id"] for row in rows}) == 3
    assert second["next"] is None


async def test_a_suspended_seat_is_shown_as_kept(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    await house.member(cluster, partner)
    await house.registry.says(partner, eligibility="ineligible")
    path = f"/v1/clusters/{cluster['id']}/members"
    (row,) = (await read(house, path))["items"]
    assert row["status"] == "suspended"
    assert (await read(house, f"{path}?status=active"))["items"] == []


async def test_the_share_of_local_members_leaves_observers_out(house: Coordination) -> None:
    cluster = await house.cluster()
    await house.member(cluster, await house.partner())
    await house.member(cluster, await house.partner(**INTERNATIONAL))
    await house.member(cluster, await house.partner(local="undetermined"))
    await house.member(cluster, await house.partner(**INTERNATIONAL), role="observer")
    assert await read(house, f"/v1/clusters/{cluster['id']}/representation") == {
        "cluster_id": cluster["id"],
        "cluster_code": "HEA",
        "country": "BGD",
        "members": 3,
        "observers": 1,
        "local": 1,
        "not_local": 1,
        "undetermined": 1,
        "local_share": "0.3333",
    }


async def test_an_empty_table_has_no_share(house: Coordination) -> None:
    cluster = await house.cluster()
    counts = await read(house, f"/v1/clusters/{cluster['id']}/representation")
    assert (counts["members"], counts["local_share"]) == (0, None)


async def test_a_local_actor_is_local_in_its_own_country_alone(house: Coordination) -> None:
    partner = await house.partner(country="BGD", countries=["BGD", "MMR"])
    for country, local in (("BGD", "yes"), ("MMR", "undetermined")):
        cluster = await house.cluster(country=country)
        await house.member(cluster, partner)
        (row,) = (await read(house, f"/v1/clusters/{cluster['id']}/members"))["items"]
        assert row["local"] == local


async def test_an_unreadable_partner_is_not_counted_as_local(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    await house.member(cluster, partner)
    broken = partner_record(partner, 2)._replace(value=b'{"partner": 7}')
    await house.registry.hear(broken)
    counts = await read(house, f"/v1/clusters/{cluster['id']}/representation")
    assert (counts["local"], counts["undetermined"]) == (0, 1)


async def test_a_partner_does_not_see_who_else_sits_there(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    headers = house.api.token(partner=partner)
    refused = await house.api.get(f"/v1/clusters/{cluster['id']}/members", headers=headers)
    problem(refused, 403, "forbidden")


async def test_a_partner_sees_its_own_memberships_alone(house: Coordination) -> None:
    cluster, own, other = await house.cluster(), await house.partner(), await house.partner()
    mine, theirs = await house.request(cluster, own), await house.request(cluster, other)
    assert (await read(house, "/v1/memberships", partner=own))["items"] == [mine]
    headers = house.api.token(partner=own)
    refused = await house.api.get(f"/v1/memberships/{theirs['id']}", headers=headers)
    problem(refused, 403, "forbidden")


async def test_memberships_are_found_by_what_they_are(house: Coordination) -> None:
    health, water = await house.cluster(), await house.cluster(code="WSH", country="SSD")
    partner = await house.partner()
    asked = await house.request(health, partner)
    member = await house.member(water, partner, role="observer")
    for query, found in (
        (f"partner_id={partner}", [asked, member]),
        (f"cluster_id={health['id']}", [asked]),
        ("status=active", [member]),
        ("role=observer", [member]),
        ("country=SSD", [member]),
        ("code=HEA", [asked]),
        ("country=SSD&code=HEA", []),
    ):
        assert (await read(house, f"/v1/memberships?{query}"))["items"] == found
    assert (await read(house, "/v1/memberships", countries=["SSD"]))["items"] == [member]


@pytest.mark.parametrize("path", ["/v1/crises", "/v1/clusters", "/v1/memberships"])
async def test_a_list_is_exported_whole_and_tells_what_changed(
    house: Coordination, path: str
) -> None:
    crisis = {"name": "Floods", "onset_on": "2020-06-17", "countries": ["BGD"]}
    for country in ("BGD", "MMR"):
        made(await house.api.post("/v1/crises", json={**crisis, "countries": [country]}))
        await house.member(await house.cluster(country=country), await house.partner())
    await sealed(house.api)
    everything = await read_list(house.api, path)
    assert len(everything) == 2
    assert await exported(house.api, path) == everything
    assert await read_list(house.api, path, changed_since="0") == everything
    here = house.api.token(countries=["MMR"])
    assert await exported(house.api, path, here, changed_since="0") == everything[1:]


async def test_a_membership_that_changed_is_listed_again(house: Coordination) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    since = await sealed(house.api)
    assert await read_list(house.api, "/v1/memberships", changed_since=since) == []
    done(await house.do(asked, "admit"))
    await sealed(house.api)
    (seen,) = await read_list(house.api, "/v1/memberships", changed_since=since)
    assert (seen["id"], seen["status"]) == (asked["id"], "active")


# --- the gaps -----------------------------------------------------------------------------------


async def test_a_gap_is_an_eligible_local_partner_without_a_seat(house: Coordination) -> None:
    partner = await house.partner()
    assert (await read(house, "/v1/gaps?country=BGD"))["items"] == [
        {
            "partner_id": str(partner),
            "name": "Shapla Health Society",
            "acronym": "SHS",
            "kind": "national_ngo",
            "requests": 0,
            "invitations": 0,
        }
    ]


@pytest.mark.parametrize(
    "facts",
    [
        {"eligibility": "ineligible"},
        {"eligible_until": "2020-06-21"},
        {"local": "no"},
        {"local": "undetermined"},
        {"country": "MMR", "countries": ["BGD", "MMR"]},
    ],
)
async def test_who_is_no_gap(house: Coordination, facts: dict[str, Any]) -> None:
    await house.partner(**facts)
    assert (await read(house, "/v1/gaps?country=BGD"))["items"] == []


async def test_a_question_that_is_open_is_no_seat(house: Coordination) -> None:
    partner = await house.partner()
    asked = await house.request(await house.cluster(), partner)
    await house.invite(await house.cluster(code="WSH"), partner)
    (gap,) = (await read(house, "/v1/gaps?country=BGD"))["items"]
    assert (gap["requests"], gap["invitations"]) == (1, 1)
    done(await house.do(asked, "admit"))
    assert (await read(house, "/v1/gaps?country=BGD"))["items"] == []


async def test_a_seat_abroad_closes_no_gap_at_home(house: Coordination) -> None:
    partner = await house.partner()
    await house.member(await house.cluster(country="MMR"), partner)
    assert len((await read(house, "/v1/gaps?country=BGD"))["items"]) == 1


async def test_a_cluster_that_ended_leaves_a_gap(house: Coordination) -> None:
    cluster = await house.cluster()
    await house.member(cluster, await house.partner())
    path = f"/v1/clusters/{cluster['id']}"
    done(await house.api.post(f"{path}/deactivate", headers={"If-Match": '"0001-0000000001"'}))
    assert len((await read(house, "/v1/gaps?country=BGD"))["items"]) == 1


async def test_gaps_are_read_page_by_page(house: Coordination) -> None:
    for name in ("B", "A", "C"):
        await house.partner(legal_name=name)
    first = await read(house, "/v1/gaps?country=BGD&limit=2")
    second = await read(house, f"/v1/gaps?country=BGD&limit=2&cursor={first['next']}")
    assert [row["name"] for row in first["items"] + second["items"]] == ["A", "B", "C"]


async def test_gaps_are_read_in_ones_own_country_and_not_by_partners(house: Coordination) -> None:
    for claims in ({"countries": ["SSD"]}, {"partner": await house.partner()}):
        headers = house.api.token(**claims)
        refused = await house.api.get("/v1/gaps?country=BGD", headers=headers)
        problem(refused, 403, "forbidden")
    problem(await house.api.get("/v1/gaps"), 422, "invalid")
