"""Headquarters and their country offices."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import problem
from support.registry import REASON, Registry, done, made

GLOBE: dict[str, Any] = {
    "kind": "international_ngo",
    "legal_name": "Globe Aid",
    "acronym": None,
    "country": "CHE",
    "countries": ["BGD", "HTI"],
    "affiliation": None,
}


def office(headquarters: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """An office of Globe Aid in Bangladesh, unless the facts say otherwise."""
    known = {"country": "BGD", "countries": ["BGD"], "headquarters_id": headquarters["id"]}
    return {**GLOBE, **known, **facts}


async def test_an_office_stands_beside_its_headquarters(registry: Registry) -> None:
    headquarters = await registry.active(**GLOBE)
    made_office = await registry.register(**office(headquarters))
    assert made_office["headquarters_id"] == headquarters["id"]
    assert made_office["local"] == "no"
    await registry.register(**office(headquarters, country="HTI"))


@pytest.mark.parametrize(
    "facts",
    [
        {"country": "LBY"},  # not among the countries it declared
        {"country": "CHE"},  # at home it is the headquarters itself
        {"kind": "national_ngo"},
    ],
)
async def test_an_office_must_fit_its_headquarters(
    registry: Registry, facts: dict[str, Any]
) -> None:
    headquarters = await registry.active(**GLOBE)
    answer = await registry.api.post("/v1/partners", json=office(headquarters, **facts))
    refusal = problem(answer, 422, "invalid")
    assert refusal["errors"][0]["pointer"] == "#/headquarters_id"


async def test_a_headquarters_comes_first(registry: Registry) -> None:
    headquarters = await registry.reviewed(**GLOBE)
    answer = await registry.api.post("/v1/partners", json=office(headquarters))
    assert "must be active" in problem(answer, 422, "invalid")["errors"][0]["message"]


async def test_an_office_has_no_offices(registry: Registry) -> None:
    headquarters = await registry.active(**GLOBE)
    first = await registry.active(**office(headquarters, countries=["BGD", "MMR"]))
    answer = await registry.api.post("/v1/partners", json=office(first, country="MMR"))
    assert "itself an office" in problem(answer, 422, "invalid")["errors"][0]["message"]


async def test_a_headquarters_has_one_office_in_a_country(registry: Registry) -> None:
    headquarters = await registry.active(**GLOBE)
    first = await registry.register(**office(headquarters))
    second = office(headquarters, legal_name="Globe Aid Bangladesh")
    refusal = problem(
        await registry.api.post("/v1/partners", json=second), 409, "duplicate_partner"
    )
    assert [each["id"] for each in refusal["candidates"]] == [first["id"]]


async def test_a_partner_is_not_its_own_headquarters(registry: Registry) -> None:
    partner = await registry.active(**{**GLOBE, "countries": ["CHE", "BGD"]})
    facts = office(partner)
    answer = await registry.do(partner, "", facts, method="PUT")
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "#/headquarters_id"


async def test_an_office_may_be_revised_while_its_headquarters_is_suspended(
    registry: Registry,
) -> None:
    headquarters = await registry.active(**GLOBE)
    first = await registry.register(**office(headquarters))
    done(await registry.do(headquarters, "suspend", REASON))
    done(await registry.do(first, "", office(headquarters, acronym="GA"), method="PUT"))
    moved = office(headquarters, country="HTI")
    problem(await registry.do(first, "", moved, method="PUT"), 422, "invalid")


@pytest.mark.parametrize(
    "facts, pointer",
    [
        ({"countries": ["HTI"]}, "#/countries"),
        ({"country": "BGD"}, "#/countries"),
        ({"kind": "internationally_affiliated_ngo"}, "#/kind"),
    ],
)
async def test_a_headquarters_is_not_revised_away_from_its_offices(
    registry: Registry, facts: dict[str, Any], pointer: str
) -> None:
    headquarters = await registry.active(**GLOBE)
    await registry.register(**office(headquarters))
    refusal = problem(
        await registry.do(headquarters, "", {**GLOBE, **facts}, method="PUT"), 422, "invalid"
    )
    assert refusal["errors"][0]["pointer"] == pointer
    wider = {**GLOBE, "countries": ["BGD", "LBY"]}  # there is no office in Haiti
    done(await registry.do(headquarters, "", wider, method="PUT"))


async def test_an_imported_office_is_put_under_its_headquarters_later(registry: Registry) -> None:
    headquarters = await registry.active(**GLOBE)
    alone = made(
        await registry.api.post("/v1/partners", json=office(headquarters, headquarters_id=None))
    )
    put = done(await registry.do(alone, "", office(headquarters), method="PUT"))
    assert put["headquarters_id"] == headquarters["id"]


async def test_a_lock_reaches_every_office(registry: Registry) -> None:
    headquarters = await registry.active(**GLOBE)
    offices = [
        await registry.active(**office(headquarters)),
        await registry.register(**office(headquarters, country="HTI")),
    ]
    done(await registry.do(headquarters, "lock", REASON))
    for each in offices:
        assert (await registry.now(each))["status"] == "locked"
        assert (await registry.published(each))["eligibility_reasons"][0] == "locked"
        assert (await registry.changes(each))[-1] == "locked"
    refusal = problem(await registry.do(offices[0], "unlock", REASON), 409, "headquarters_locked")
    assert refusal["headquarters_id"] == headquarters["id"]
    done(await registry.do(headquarters, "unlock", REASON))
    assert (await registry.now(offices[0]))["status"] == "locked"
    assert done(await registry.do(offices[0], "unlock", REASON))["status"] == "active"


async def test_an_office_that_leaves_its_headquarters_was_not_verified(registry: Registry) -> None:
    headquarters = await registry.active(**GLOBE)
    first = await registry.active(**office(headquarters))
    alone = office(headquarters, headquarters_id=None)
    revised = done(await registry.do(first, "", alone, method="PUT"))
    assert revised["eligibility_reasons"] == ["not_verified"]


async def test_who_has_offices_becomes_no_office(registry: Registry) -> None:
    globe = await registry.active(**GLOBE)
    world = await registry.active(**{**GLOBE, "legal_name": "World Aid", "country": "NOR"})
    await registry.register(**office(world))
    facts = {**office(globe), "legal_name": "World Aid", "country": "HTI"}
    refusal = problem(await registry.do(world, "", facts, method="PUT"), 422, "invalid")
    assert "has offices" in refusal["errors"][0]["message"]


async def test_an_office_of_a_foreign_organisation_is_not_local(registry: Registry) -> None:
    norwegian = {"kind": "national_ngo", "country": "NOR", "affiliation": "none"}
    headquarters = await registry.active(**{**GLOBE, **norwegian})
    local = await registry.register(**office(headquarters, kind="national_ngo", affiliation="none"))
    assert (local["local"], local["local_evidence"]) == ("no", ["headquarters_elsewhere"])
