"""Finding partners by name and by facets."""

from __future__ import annotations

from uuid import UUID

import pytest

from registry.search.rules import Wanted, likeness, typed_words
from support.api import problem
from support.lists import CSV, exported, read_list, sealed
from support.registry import REASON, SHAPLA, Registry, done

NAMES = [
    ("Shapla Health Society", "SHS", "BGD"),
    ("Médecins du Fleuve", "MDF", "CAF"),
    ("River Women's Association", "RWA", "SSD"),
    ("Association of River Fishers", None, "SSD"),
    ("منظمة الأمل للإغاثة", None, "LBY"),
    ("শাপলা স্বাস্থ্য সমিতি", None, "BGD"),
]


@pytest.fixture
async def known(registry: Registry) -> Registry:
    """A registry that knows a few partners."""
    for name, acronym, country in NAMES:
        await registry.register(
            legal_name=name, acronym=acronym, country=country, countries=[country]
        )
    return registry


@pytest.mark.parametrize(
    "typed, first",
    [
        ("Shapla Health Society", "Shapla Health Society"),
        ("shpala healht", "Shapla Health Society"),
        ("health shapla", "Shapla Health Society"),
        ("SHS", "Shapla Health Society"),
        ("medecins", "Médecins du Fleuve"),
        ("Medecin de fleuve", "Médecins du Fleuve"),
        ("women river", "River Women's Association"),
        ("river fishers", "Association of River Fishers"),
        ("منظمه الامل", "منظمة الأمل للإغاثة"),
        ("শাপলা সমিতি", "শাপলা স্বাস্থ্য সমিতি"),
        ("Shapla Health Society of nowhere", "Shapla Health Society"),
        ("rwwa", "River Women's Association"),
        ("shss", "Shapla Health Society"),
    ],
)
async def test_a_name_is_found_however_it_is_typed(known: Registry, typed: str, first: str) -> None:
    assert (await known.found(name=typed))[:1] == [first]


@pytest.mark.parametrize("typed", ["zzzz", "—", "x" * 200])
async def test_what_nobody_is_called_finds_nobody(known: Registry, typed: str) -> None:
    assert await known.found(name=typed) == []


async def test_a_former_name_is_found_too(registry: Registry) -> None:
    await registry.register(other_names=[{"text": "Lotus Circle", "kind": "former"}])
    assert await registry.found(name="lotus") == ["Shapla Health Society"]


async def test_a_renamed_partner_is_found_by_its_new_name(registry: Registry) -> None:
    partner = await registry.register()
    facts = {"kind": "national_ngo", "legal_name": "Padma Circle", "country": "BGD"}
    done(await registry.do(partner, "", facts, method="PUT"))
    assert await registry.found(name="padma") == ["Padma Circle"]
    assert await registry.found(name="shapla") == []


async def test_a_word_that_nobody_bears_any_more_is_a_slip_like_any_other(
    registry: Registry,
) -> None:
    partner = await registry.register(legal_name="Shaplaa Circle")
    done(await registry.do(partner, "", {**SHAPLA, "legal_name": "Shapla Circle"}, method="PUT"))
    await registry.register(legal_name="Lotus Circle", acronym=None)
    assert (await registry.found(name="shaplaa"))[:1] == ["Shapla Circle"]
    assert (await registry.found(name="shaplaa circle"))[:1] == ["Shapla Circle"]


@pytest.mark.parametrize("typed", ["brca", "bracc", "brc", "brac", "bac"])
async def test_a_slip_in_a_short_word_hides_nobody(registry: Registry, typed: str) -> None:
    await registry.register(legal_name="Brac", acronym=None)
    assert await registry.found(name=typed) == ["Brac"]


async def test_a_long_name_in_any_script_continues_a_list(registry: Registry) -> None:
    for letter in "কখ":
        await registry.register(legal_name=letter + " স্বাস্থ্য সমিতি" * 18, acronym=None)
    first = done(await registry.api.get("/v1/partners", params={"limit": 1}))
    params = {"limit": 1, "cursor": first["next"]}
    assert len(done(await registry.api.get("/v1/partners", params=params))["items"]) == 1


async def test_a_search_keeps_to_the_facets(known: Registry) -> None:
    assert await known.found(name="river", country="SSD", kind="national_ngo") != []
    assert await known.found(name="river", country="BGD") == []


async def test_a_search_by_name_has_one_page(known: Registry) -> None:
    first = done(await known.api.get("/v1/partners", params={"limit": 1}))
    params = {"name": "river", "cursor": first["next"]}
    refusal = problem(await known.api.get("/v1/partners", params=params), 422, "invalid")
    assert refusal["errors"][0]["pointer"] == "query:cursor"


@pytest.mark.parametrize(
    "query, headers, pointer",
    [
        ({"changed_since": "0"}, {}, "query:changed_since"),
        ({}, CSV, "header:accept"),
    ],
)
async def test_a_search_by_name_is_neither_followed_nor_exported(
    known: Registry, query: dict[str, str], headers: dict[str, str], pointer: str
) -> None:
    answer = await known.api.get("/v1/partners", params={"name": "river", **query}, headers=headers)
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == pointer


async def test_partners_are_exported_as_they_are_listed(known: Registry) -> None:
    assert await exported(known.api, "/v1/partners") == await read_list(known.api, "/v1/partners")
    south_sudan = known.api.token(countries=["SSD"])
    seen = await exported(known.api, "/v1/partners", south_sudan)
    assert {each["country"] for each in seen} == {"SSD"}
    own = known.api.token(partner=UUID(seen[0]["id"]))
    assert await exported(known.api, "/v1/partners", own) == seen[:1]


async def test_partners_that_changed_are_listed_in_the_order_of_their_changes(
    known: Registry,
) -> None:
    since = await sealed(known.api)
    lotus = await known.register(legal_name="Lotus", acronym=None)
    first = (await known.api.get("/v1/partners", params={"limit": 1})).json()["items"][0]
    done(
        await known.do(
            first, "", {**SHAPLA, "legal_name": "Zinnia", "country": "SSD"}, method="PUT"
        )
    )
    await sealed(known.api)
    changed = await read_list(known.api, "/v1/partners", changed_since=since)
    assert [each["id"] for each in changed] == [lotus["id"], first["id"]]
    assert [each["legal_name"] for each in changed] == ["Lotus", "Zinnia"]
    south_sudan = known.api.token(countries=["SSD"])
    seen = await read_list(known.api, "/v1/partners", south_sudan, changed_since=since)
    assert [each["id"] for each in seen] == [first["id"]]
    assert await read_list(known.api, "/v1/partners", changed_since=since, country="BGD") == [lotus]


async def test_pages_hold_every_partner_once_in_the_order_of_names(known: Registry) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 4, **({"cursor": cursor} if cursor else {})}
        page = done(await known.api.get("/v1/partners", params=params))
        seen += [each["legal_name"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(name for name, _, _ in NAMES)
    assert seen[:2] == ["Association of River Fishers", "Médecins du Fleuve"]


async def test_each_facet_narrows(registry: Registry) -> None:
    active = await registry.active()
    await registry.register(
        legal_name="Lotus", kind="local_ngo", country="MMR", countries=["BGD"], affiliation=None
    )
    shapla, lotus = ["Shapla Health Society"], ["Lotus"]
    assert await registry.found(kind="local_ngo") == lotus
    assert await registry.found(country="BGD") == shapla
    assert await registry.found(working_in="BGD") == lotus + shapla
    assert await registry.found(status="active") == shapla
    assert await registry.found(eligibility="eligible") == shapla
    assert await registry.found(eligibility="ineligible") == lotus
    assert await registry.found(local="yes") == shapla
    assert await registry.found(local="undetermined", country="MMR") == lotus
    done(await registry.do(active, "suspend", REASON))
    assert await registry.found(eligibility="eligible") == []


async def test_a_list_shows_what_the_reader_may_see(known: Registry) -> None:
    south_sudan = known.api.token(countries=["SSD"])
    answer = await known.api.get("/v1/partners", headers=south_sudan)
    assert {each["country"] for each in done(answer)["items"]} == {"SSD"}
    answer = await known.api.get("/v1/partners", params={"name": "shapla"}, headers=south_sudan)
    assert done(answer)["items"] == []
    nowhere = known.api.token(countries=[])
    assert done(await known.api.get("/v1/partners", headers=nowhere))["items"] == []


async def test_a_partners_own_access_lists_itself(known: Registry) -> None:
    everyone = done(await known.api.get("/v1/partners"))["items"]
    own = known.api.token(partner=UUID(everyone[0]["id"]))
    assert done(await known.api.get("/v1/partners", headers=own))["items"] == everyone[:1]


def test_typed_words_are_bounded_and_distinct() -> None:
    assert typed_words("Aid, aid & Héalth") == ("aid", "health")
    assert len(typed_words(" ".join(map(str, range(50))))) == 8


def test_likeness_is_the_mean_over_the_typed_words() -> None:
    wanted = [Wanted("river", {"river": 1.0, "riven": 0.5}), Wanted("aid", {})]
    assert likeness(wanted, {"river", "women"}) == 0.5
    assert likeness(wanted, {"riven"}) == 0.25
    assert likeness([], {"river"}) == 0.0
