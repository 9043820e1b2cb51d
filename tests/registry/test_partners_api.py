"""Registering, reading and revising partners over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from support.api import problem
from support.registry import PROFILE, REASON, SHAPLA, Registry, done, made

STRANGER = "01907c3e-9f4b-7a21-8a70-3f6f2f6f1cff"


async def test_a_partner_is_registered_and_read(registry: Registry) -> None:
    answer = await registry.api.post("/v1/partners", json=SHAPLA)
    partner = made(answer)
    read = await registry.api.get(answer.headers["location"])
    assert done(read) == partner
    assert read.headers["etag"] == answer.headers["etag"] == '"0001-0000000001"'
    assert partner["status"] == "draft"
    assert partner["eligibility"] == "ineligible"
    assert partner["eligibility_reasons"] == ["incomplete", "not_verified"]
    assert partner["local"] == "yes"
    assert await registry.changes(partner) == ["registered"]


async def test_who_holds_the_present_version_is_not_sent_it_again(registry: Registry) -> None:
    partner = await registry.register()
    answer = await registry.api.get(
        f"/v1/partners/{partner['id']}", headers={"If-None-Match": '"0001-0000000001"'}
    )
    assert answer.status_code == 304


async def test_names_keep_their_script_and_language(registry: Registry) -> None:
    partner = await registry.register(
        other_names=[{"text": "শাপলা স্বাস্থ্য সমিতি", "kind": "legal", "language": "bn"}]
    )
    assert partner["names"] == [
        {"text": "Shapla Health Society", "kind": "legal", "language": None, "script": "Latn"},
        {"text": "SHS", "kind": "acronym", "language": None, "script": "Latn"},
        {"text": "শাপলা স্বাস্থ্য সমিতি", "kind": "legal", "language": "bn", "script": "Beng"},
    ]


@pytest.mark.parametrize(
    "change, pointer",
    [
        ({"kind": "government"}, "#/kind"),
        ({"legal_name": ""}, "#/legal_name"),
        ({"legal_name": "—"}, "#/legal_name"),
        ({"legal_name": "Shapla\u0000"}, "#/legal_name"),
        ({"legal_name": "x" * 301}, "#/legal_name"),
        ({"legal_name": "ﷺ" * 300}, "#/legal_name"),
        ({"legal_name": 7}, "#/legal_name"),
        ({"country": "bgd"}, "#/country"),
        ({"country": "BD"}, "#/country"),
        ({"countries": ["BGD", "ZZZ"]}, "#/countries/1"),
        ({"other_names": [{"text": "!", "kind": "alias"}]}, "#/other_names/0/text"),
        ({"other_names": [{"text": "ﷺ" * 300, "kind": "alias"}]}, "#/other_names/0/text"),
        ({"other_names": [{"text": "A", "kind": "nick"}]}, "#/other_names/0/kind"),
        (
            {"other_names": [{"text": "A", "kind": "alias", "language": "xx"}]},
            "#/other_names/0/language",
        ),
        ({"identifiers": [{"scheme": "lei", "value": "123"}]}, "#/identifiers/0"),
        ({"identifiers": [{"scheme": "isbn", "value": "123"}]}, "#/identifiers/0/scheme"),
        ({"affiliation": "some"}, "#/affiliation"),
        ({"led_by": ["men"]}, "#/led_by/0"),
        ({"headquarters_id": "x"}, "#/headquarters_id"),
        ({"headquarters_id": STRANGER}, "#/headquarters_id"),
        ({"kind": "international_ngo", "affiliation": "international_ngo"}, "#/affiliation"),
        ({"lgeal_name": "Shapla"}, "#/lgeal_name"),
        ({"status": "active"}, "#/status"),
    ],
)
async def test_what_is_wrong_is_pointed_at_and_nothing_is_written(
    registry: Registry, change: dict[str, Any], pointer: str
) -> None:
    answer = await registry.api.post("/v1/partners", json={**SHAPLA, **change})
    assert pointer in {each["pointer"] for each in problem(answer, 422, "invalid")["errors"]}
    assert await registry.count("partner") == await registry.count("journal") == 0


async def test_the_same_name_in_the_same_country_is_refused_and_shown(registry: Registry) -> None:
    partner = await registry.register()
    again = {**SHAPLA, "legal_name": "SHAPLA  Health-Society", "kind": "local_ngo"}
    refusal = problem(await registry.api.post("/v1/partners", json=again), 409, "duplicate_partner")
    assert refusal["candidates"] == [
        {
            "id": partner["id"],
            "legal_name": "Shapla Health Society",
            "kind": "national_ngo",
            "country": "BGD",
            "status": "draft",
        }
    ]
    assert await registry.count("partner") == await registry.count("journal") == 1


async def test_a_refusal_shows_only_who_bears_the_name(registry: Registry) -> None:
    await registry.register(legal_name="Lotus")
    partner = await registry.register()
    refusal = problem(
        await registry.api.post("/v1/partners", json=SHAPLA), 409, "duplicate_partner"
    )
    assert [each["id"] for each in refusal["candidates"]] == [partner["id"]]


async def test_the_same_name_in_another_country_is_another_partner(registry: Registry) -> None:
    await registry.register()
    await registry.register(country="MMR", countries=["MMR"])
    assert await registry.count("partner") == 2


async def test_an_identifier_belongs_to_one_partner(registry: Registry) -> None:
    numbers = [{"scheme": "iati", "value": "BD-NAB-1"}, {"scheme": "fts", "value": "12"}]
    await registry.register(identifiers=numbers)
    other = {**SHAPLA, "legal_name": "Lotus", "identifiers": numbers[:1]}
    refusal = problem(await registry.api.post("/v1/partners", json=other), 409, "identifier_taken")
    assert [each["pointer"] for each in refusal["errors"]] == ["#/identifiers/0"]
    assert await registry.count("partner") == await registry.count("journal") == 1


async def test_a_national_registration_number_belongs_to_one_partner_of_its_country(
    registry: Registry,
) -> None:
    number = [{"scheme": "national_registration", "value": "1234"}]
    await registry.register(identifiers=number)
    myanmar = {"legal_name": "Lotus", "country": "MMR", "countries": ["MMR"]}
    lotus = await registry.register(**myanmar, identifiers=number)
    second = {**SHAPLA, "legal_name": "Padma", "identifiers": number}
    problem(await registry.api.post("/v1/partners", json=second), 409, "identifier_taken")
    moved = {**SHAPLA, **myanmar, "country": "BGD", "identifiers": number}
    problem(await registry.do(lotus, "", moved, method="PUT"), 409, "identifier_taken")


async def test_who_moves_takes_its_national_number_along(registry: Registry) -> None:
    number = [{"scheme": "national_registration", "value": "1234"}]
    partner = await registry.register(identifiers=number)
    moved = {**SHAPLA, "country": "MMR", "identifiers": number}
    done(await registry.do(partner, "", moved, method="PUT"))
    await registry.register(legal_name="Lotus", identifiers=number)


async def test_the_vendor_number_is_shown_and_never_published(registry: Registry) -> None:
    numbers = [{"scheme": "erp_vendor", "value": "V-1"}, {"scheme": "fts", "value": "12"}]
    partner = await registry.register(identifiers=numbers)
    assert partner["identifiers"] == numbers
    assert (await registry.published(partner))["identifiers"] == [{"scheme": "fts", "value": "12"}]


async def test_a_repeated_registration_answers_with_the_first(registry: Registry) -> None:
    key = {"Idempotency-Key": "5f0c"}
    first = await registry.api.post("/v1/partners", json=SHAPLA, headers=key)
    second = await registry.api.post("/v1/partners", json=SHAPLA, headers=key)
    assert made(first) == made(second)
    assert second.headers["idempotency-replayed"] == "true"
    assert await registry.count("partner") == 1


async def test_a_revision_replaces_the_facts_and_names_what_changed(registry: Registry) -> None:
    partner = await registry.register()
    facts = {**SHAPLA, "acronym": "SH", "countries": ["MMR", "BGD"], "led_by": ["women"]}
    revised = done(await registry.do(partner, "", facts, method="PUT"))
    assert (revised["acronym"], revised["countries"]) == ("SH", ["BGD", "MMR"])
    assert await registry.changes(partner) == ["registered", "revised"]
    rows = await registry.rows("SELECT data FROM journal ORDER BY entry DESC LIMIT 1")
    assert rows[0]["data"]["change"] == {"fields": ["acronym", "countries", "led_by"]}


async def test_the_same_facts_again_change_nothing(registry: Registry) -> None:
    partner = await registry.register()
    answer = await registry.do(partner, "", SHAPLA, method="PUT")
    assert answer.headers["etag"] == '"0001-0000000001"'
    assert await registry.changes(partner) == ["registered"]


async def test_a_revision_gives_identifiers_back(registry: Registry) -> None:
    number = [{"scheme": "fts", "value": "12"}]
    partner = await registry.register(identifiers=number)
    done(await registry.do(partner, "", SHAPLA, method="PUT"))
    await registry.register(legal_name="Lotus", identifiers=number)


async def test_a_revision_cannot_take_anothers_name(registry: Registry) -> None:
    await registry.register()
    lotus = await registry.register(legal_name="Lotus")
    problem(await registry.do(lotus, "", SHAPLA, method="PUT"), 409, "duplicate_partner")
    assert (await registry.now(lotus))["legal_name"] == "Lotus"


@pytest.mark.parametrize(
    "change",
    [{"legal_name": "Lotus"}, {"kind": "local_ngo"}, {"country": "MMR", "countries": ["MMR"]}],
)
async def test_who_becomes_another_was_not_verified(
    registry: Registry, change: dict[str, Any]
) -> None:
    partner = await registry.active()
    revised = done(await registry.do(partner, "", {**SHAPLA, **change}, method="PUT"))
    assert revised["status"] == "active"
    assert revised["eligibility_reasons"] == ["not_verified"]


async def test_other_facts_leave_the_verification_standing(registry: Registry) -> None:
    partner = await registry.active()
    facts = {**SHAPLA, "legal_name": "SHAPLA HEALTH SOCIETY", "acronym": None}
    revised = done(await registry.do(partner, "", facts, method="PUT"))
    assert revised["eligibility"] == "eligible"


@pytest.mark.parametrize(
    "verified, revised",
    [
        ({"affiliation": "international_ngo"}, {"affiliation": "none"}),
        ({"affiliation": None}, {"affiliation": "network"}),
        ({"countries": ["MMR"]}, {"countries": ["BGD", "MMR"]}),
        ({"affiliation": "none"}, {"affiliation": "international_ngo"}),
    ],
)
async def test_who_turns_local_or_foreign_was_not_verified_as_such(
    registry: Registry, verified: dict[str, Any], revised: dict[str, Any]
) -> None:
    partner = await registry.active(**verified)
    facts = {**SHAPLA, **verified, **revised}
    after = done(await registry.do(partner, "", facts, method="PUT"))
    assert after["local"] != partner["local"]
    assert after["eligibility_reasons"] == ["not_verified"]


async def test_another_country_of_work_leaves_the_verification_standing(
    registry: Registry,
) -> None:
    partner = await registry.active()
    facts = {**SHAPLA, "countries": ["BGD", "MMR"]}
    assert done(await registry.do(partner, "", facts, method="PUT"))["eligibility"] == "eligible"


async def test_what_a_reviewer_reads_stays_as_it_is(registry: Registry) -> None:
    partner = await registry.submitted()
    refusal = problem(
        await registry.do(partner, "", {**SHAPLA, "acronym": "S"}, method="PUT"),
        409,
        "not_editable",
    )
    assert refusal["state"] == "submitted"
    problem(await registry.do(partner, "profile", PROFILE, method="PATCH"), 409, "not_editable")


async def test_a_change_on_an_older_version_is_refused(registry: Registry) -> None:
    partner = await registry.register()
    done(await registry.do(partner, "", {**SHAPLA, "acronym": "S"}, method="PUT"))
    answer = await registry.api.put(
        f"/v1/partners/{partner['id']}", json=SHAPLA, headers={"If-Match": '"0001-0000000001"'}
    )
    assert problem(answer, 412, "stale_version")["present"] == "0001-0000000002"


async def test_a_change_without_a_version_is_refused(registry: Registry) -> None:
    partner = await registry.register()
    answer = await registry.api.put(f"/v1/partners/{partner['id']}", json=SHAPLA)
    problem(answer, 428, "precondition_required")


async def test_a_person_may_override_the_localisation_and_take_that_back(
    registry: Registry,
) -> None:
    partner = await registry.register()
    body = {"local": "no", **REASON}
    decided = done(await registry.do(partner, "localisation", body, method="PUT"))
    assert (decided["local"], decided["local_override"]) == ("no", "no")
    assert decided["local_evidence"] == ["decided_by_a_person"]
    override: dict[str, Any] = {"local": None, **REASON}
    back = done(await registry.do(partner, "localisation", override, method="PUT"))
    assert (back["local"], back["local_override"]) == ("yes", None)


async def test_of_two_at_once_one_is_registered(registry: Registry) -> None:
    answers = await asyncio.gather(
        *(registry.api.post("/v1/partners", json=SHAPLA) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert await registry.count("partner") == await registry.count("journal") == 1


# --- who may ------------------------------------------------------------------------------------


async def test_another_country_is_out_of_reach(registry: Registry) -> None:
    partner = await registry.register()
    abroad = registry.api.token(countries=["MMR"])
    problem(await registry.api.post("/v1/partners", json=SHAPLA, headers=abroad), 403, "forbidden")
    problem(
        await registry.api.get(f"/v1/partners/{partner['id']}", headers=abroad), 403, "forbidden"
    )
    problem(
        await registry.do(partner, "", {**SHAPLA, "acronym": "S"}, method="PUT", headers=abroad),
        403,
        "forbidden",
    )


async def test_a_partner_cannot_be_moved_into_a_foreign_country(registry: Registry) -> None:
    partner = await registry.register()
    home = registry.api.token(countries=["BGD"])
    facts = {**SHAPLA, "country": "MMR"}
    problem(await registry.do(partner, "", facts, method="PUT", headers=home), 403, "forbidden")


async def test_who_works_in_my_country_may_be_read_and_not_edited(registry: Registry) -> None:
    partner = await registry.register(countries=["BGD", "MMR"])
    myanmar = registry.api.token(countries=["MMR"])
    done(await registry.api.get(f"/v1/partners/{partner['id']}", headers=myanmar))
    problem(
        await registry.do(partner, "", {**SHAPLA, "acronym": "S"}, method="PUT", headers=myanmar),
        403,
        "forbidden",
    )


async def test_a_partners_own_access_reaches_itself_only(registry: Registry) -> None:
    shapla = await registry.register()
    lotus = await registry.register(legal_name="Lotus")
    own = registry.api.token(partner=UUID(shapla["id"]))
    done(await registry.api.get(f"/v1/partners/{shapla['id']}", headers=own))
    done(await registry.do(shapla, "", {**SHAPLA, "acronym": "S"}, method="PUT", headers=own))
    problem(await registry.api.get(f"/v1/partners/{lotus['id']}", headers=own), 403, "forbidden")
    problem(
        await registry.do(lotus, "", {**SHAPLA, "acronym": "S"}, method="PUT", headers=own),
        403,
        "forbidden",
    )
    problem(await registry.api.post("/v1/partners", json=SHAPLA, headers=own), 403, "forbidden")


async def test_a_partner_cannot_give_itself_a_vendor_number(registry: Registry) -> None:
    partner = await registry.register()
    own = registry.api.token(partner=UUID(partner["id"]))
    facts = {**SHAPLA, "identifiers": [{"scheme": "erp_vendor", "value": "V-1"}]}
    problem(await registry.do(partner, "", facts, method="PUT", headers=own), 403, "forbidden")
    done(await registry.do(partner, "", facts, method="PUT"))


@pytest.mark.parametrize(
    "deed, method",
    [
        ("suspend", "POST"),
        ("reinstate", "POST"),
        ("lock", "POST"),
        ("unlock", "POST"),
        ("review", "POST"),
        ("localisation", "PUT"),
    ],
)
async def test_nobody_judges_itself(registry: Registry, deed: str, method: str) -> None:
    partner = await registry.active()
    own = registry.api.token(partner=UUID(partner["id"]))
    bodies: dict[str, Any] = {"review": None, "localisation": {"local": "yes", **REASON}}
    body = bodies.get(deed, REASON)
    problem(await registry.do(partner, deed, body, method=method, headers=own), 403, "forbidden")
    assert (await registry.now(partner))["status"] == "active"


async def test_a_system_cannot_suspend(registry: Registry) -> None:
    partner = await registry.active()
    machine = registry.api.token(human=False)
    problem(await registry.do(partner, "suspend", REASON, headers=machine), 403, "forbidden")


async def test_each_deed_needs_its_scope(registry: Registry) -> None:
    partner = await registry.active()
    writer = registry.api.token("registry.partners.write", "registry.partners.read")
    problem(await registry.do(partner, "suspend", REASON, headers=writer), 403, "missing_scope")


async def test_who_is_not_there_is_not_found(registry: Registry) -> None:
    problem(await registry.api.get(f"/v1/partners/{STRANGER}"), 404, "not_found")


async def test_the_code_list_of_kinds_is_told(registry: Registry) -> None:
    kinds = done(await registry.api.get("/v1/code-lists/partner-kinds"))["kinds"]
    assert len(kinds) == 11
    assert {
        "kind": "local_ngo",
        "iati": "24",
        "hdx": "441",
        "fts": "NGO/Local NGO",
        "unpp": "NGO",
    } in kinds
