"""Showing documents, and what is missing, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from support.api import problem
from support.registry import CERTIFICATE, GOOD, PROFILE, REASON, Registry, done


async def test_what_is_missing_is_told_section_by_section(registry: Registry) -> None:
    partner = await registry.register(countries=[])
    refusal = problem(await registry.do(partner, "submit"), 409, "incomplete")
    assert set(refusal["missing"]) == {
        "identity",
        "documents",
        "declaration",
        "contacts",
        "mandate",
        "capabilities",
        "governance",
        "safeguarding",
        "funding",
    }
    path = f"/v1/partners/{partner['id']}/due-diligence/completeness"
    told = done(await registry.api.get(path))
    assert told["complete"] is False
    assert all(not each["complete"] and each["missing"] for each in told["sections"])


async def test_a_complete_partner_is_told_so(registry: Registry) -> None:
    partner = await registry.complete()
    path = f"/v1/partners/{partner['id']}/due-diligence/completeness"
    assert done(await registry.api.get(path))["complete"] is True


async def test_everything_that_was_shown_is_read_in_the_partners_version(
    registry: Registry,
) -> None:
    partner = await registry.active()
    answer = await registry.api.get(f"/v1/partners/{partner['id']}/due-diligence")
    shown = done(answer)
    assert answer.headers["etag"] == '"0001-0000000008"'
    assert [(each["kind"], each["number"]) for each in shown["documents"]] == [
        ("registration", "NAB-77")
    ]
    assert [each["version"] for each in shown["declarations"]] == ["1"]
    assert shown["profile"]["capabilities"] == {"sectors": ["HEA"], "staff": 42}
    assert [each["verified"] for each in shown["verifications"]] == [True]
    assert shown["verifications"][0]["valid_until"] == "2025-06-21"


@pytest.mark.parametrize(
    "change, pointer",
    [
        ({"kind": "photo"}, "#/kind"),
        ({"issued_on": "2020-06-24"}, "#/issued_on"),
        ({"issued_on": 18430}, "#/issued_on"),
        ({"issued_on": "2019-02-30"}, "#/issued_on"),
        ({"issued_on": "0001-01-01"}, "#/issued_on"),
        ({"expires_on": "2020-06-22"}, "#/expires_on"),
        ({"number": "\u0000"}, "#/number"),
        ({"reason": "none"}, "#/reason"),
    ],
)
async def test_a_wrong_document_is_pointed_at(
    registry: Registry, change: dict[str, Any], pointer: str
) -> None:
    partner = await registry.register()
    answer = await registry.do(partner, "documents", {**CERTIFICATE, **change})
    assert pointer in {each["pointer"] for each in problem(answer, 422, "invalid")["errors"]}


async def test_a_document_is_issued_once_it_is_that_day_anywhere_on_earth(
    registry: Registry,
) -> None:
    partner = await registry.register()
    east, beyond = ({**CERTIFICATE, "issued_on": f"2020-07-0{day}"} for day in (7, 8))
    registry.clock.advance(datetime(2020, 7, 6, 9, 59, 59, tzinfo=UTC) - registry.clock.now())
    problem(await registry.do(partner, "documents", east), 422, "invalid")
    registry.clock.advance(timedelta(seconds=1))  # midnight at UTC+14
    problem(await registry.do(partner, "documents", beyond), 422, "invalid")
    done(await registry.do(partner, "documents", east))


@pytest.mark.parametrize(
    "profile, pointer",
    [
        ({"governance": {**PROFILE["governance"], "members": 0}}, "#/governance/members"),
        ({"governance": {**PROFILE["governance"], "members": "7"}}, "#/governance/members"),
        (
            {"governance": {**PROFILE["governance"], "audited_yearly": "yes"}},
            "#/governance/audited_yearly",
        ),
        ({"contacts": {"address": "a", "email": "nobody"}}, "#/contacts/email"),
        ({"capabilities": {"sectors": [], "staff": 1}}, "#/capabilities/sectors"),
        ({"capabilities": {"sectors": ["XYZ"], "staff": 1}}, "#/capabilities/sectors/0"),
        ({"mandat": {}}, "#/mandat"),
    ],
)
async def test_a_wrong_profile_is_pointed_at(
    registry: Registry, profile: dict[str, Any], pointer: str
) -> None:
    partner = await registry.register()
    answer = await registry.do(partner, "profile", profile, method="PATCH")
    assert pointer in {each["pointer"] for each in problem(answer, 422, "invalid")["errors"]}


async def test_a_section_that_is_left_out_stays(registry: Registry) -> None:
    partner = await registry.complete()
    funding = {"yearly_budget": "2m_and_over", "main_funders": ["Members"]}
    done(await registry.do(partner, "profile", {"funding": funding}, method="PATCH"))
    shown = done(await registry.api.get(f"/v1/partners/{partner['id']}/due-diligence"))
    assert shown["profile"]["funding"] == funding
    assert shown["profile"]["mandate"] == PROFILE["mandate"]


async def test_reasons_for_all_three_kinds_stand_in_for_documents(registry: Registry) -> None:
    partner = await registry.register()
    done(await registry.do(partner, "declaration", {"version": "1"}))
    done(await registry.do(partner, "profile", PROFILE, method="PATCH"))
    for kind in ("governing", "registration"):
        done(await registry.do(partner, f"documents/{kind}/reason", REASON, method="PUT"))
    problem(await registry.do(partner, "submit"), 409, "incomplete")
    done(await registry.do(partner, "documents/recommendation/reason", REASON, method="PUT"))
    assert done(await registry.do(partner, "submit"))["status"] == "submitted"


async def test_an_old_declaration_is_refused(registry: Registry) -> None:
    partner = await registry.register()
    refusal = problem(
        await registry.do(partner, "declaration", {"version": "0"}), 409, "old_declaration"
    )
    assert refusal["present"] == "1"


async def test_a_declaration_is_accepted_once(registry: Registry) -> None:
    partner = await registry.register()
    done(await registry.do(partner, "declaration", {"version": "1"}))
    done(await registry.do(partner, "declaration", {"version": "1"}))
    assert await registry.changes(partner) == ["registered", "declared"]


async def test_a_system_cannot_accept_the_declaration(registry: Registry) -> None:
    partner = await registry.register()
    machine = registry.api.token(human=False)
    answer = await registry.do(partner, "declaration", {"version": "1"}, headers=machine)
    problem(answer, 403, "forbidden")


async def test_a_partner_shows_and_submits_by_itself(registry: Registry) -> None:
    partner = await registry.complete()
    own = registry.api.token(partner=UUID(partner["id"]), countries=["BGD"])
    done(await registry.do(partner, "submit", headers=own))
    done(await registry.api.get(f"/v1/partners/{partner['id']}/due-diligence", headers=own))


async def test_due_diligence_is_not_for_other_countries(registry: Registry) -> None:
    partner = await registry.complete(countries=["BGD", "MMR"])
    neighbour = registry.api.token(countries=["MMR"])
    path = f"/v1/partners/{partner['id']}/due-diligence"
    problem(await registry.api.get(path, headers=neighbour), 403, "forbidden")


async def test_a_document_that_runs_out_first_ends_eligibility_first(registry: Registry) -> None:
    partner = await registry.register()
    for deed, body, method in (
        ("documents", {**CERTIFICATE, "expires_on": "2021-03-01"}, "POST"),
        ("declaration", {"version": "1"}, "POST"),
        ("profile", PROFILE, "PATCH"),
        ("submit", None, "POST"),
        ("review", None, "POST"),
        ("verifications", GOOD, "POST"),
    ):
        done(await registry.do(partner, deed, body, method=method))
    active = done(await registry.decide(partner, "activate"))
    assert active["eligible_until"] == "2021-02-28"
    renewed = {**CERTIFICATE, "issued_on": "2020-06-01", "expires_on": "2024-03-01"}
    assert done(await registry.do(partner, "documents", renewed))["eligible_until"] == "2021-02-28"
    seen = done(await registry.do(partner, "verifications", GOOD))
    assert seen["eligible_until"] == "2024-02-29"


async def test_reasons_that_nobody_has_seen_prolong_nothing(registry: Registry) -> None:
    partner = await registry.active(certificate={**CERTIFICATE, "expires_on": "2021-03-01"})
    own = registry.api.token(partner=UUID(partner["id"]))
    for kind in ("governing", "registration", "recommendation"):
        path = f"documents/{kind}/reason"
        stated = done(await registry.do(partner, path, REASON, method="PUT", headers=own))
        assert stated["eligible_until"] == "2021-02-28"


async def test_a_document_that_nobody_has_seen_does_not_stand_in_for_one_taken_back(
    registry: Registry,
) -> None:
    partner = await registry.active()
    shown = done(await registry.api.get(f"/v1/partners/{partner['id']}/due-diligence"))
    done(await registry.do(partner, "documents", {**CERTIFICATE, "number": "NAB-78"}))
    document = shown["documents"][0]["id"]
    left = done(await registry.do(partner, f"documents/{document}", method="DELETE"))
    assert left["eligibility_reasons"] == ["expired"]
    assert done(await registry.do(partner, "verifications", GOOD))["eligibility"] == "eligible"


async def test_taking_back_the_last_document_closes_an_active_partner(registry: Registry) -> None:
    partner = await registry.active()
    shown = done(await registry.api.get(f"/v1/partners/{partner['id']}/due-diligence"))
    document = shown["documents"][0]["id"]
    left = done(await registry.do(partner, f"documents/{document}", method="DELETE"))
    assert left["eligibility_reasons"] == ["expired"]
    problem(await registry.do(partner, f"documents/{document}", method="DELETE"), 404, "not_found")


async def test_an_incomplete_partner_cannot_be_found_in_order(registry: Registry) -> None:
    partner = await registry.active()
    shown = done(await registry.api.get(f"/v1/partners/{partner['id']}/due-diligence"))
    document = shown["documents"][0]["id"]
    done(await registry.do(partner, f"documents/{document}", method="DELETE"))
    problem(await registry.do(partner, "verifications", GOOD), 409, "incomplete")
    bad = {**GOOD, "certificate_seen": False}
    assert done(await registry.do(partner, "verifications", bad))["verified"] is False


async def test_a_draft_cannot_be_verified(registry: Registry) -> None:
    partner = await registry.complete()
    refusal = problem(await registry.do(partner, "verifications", GOOD), 409, "not_verified")
    assert refusal["state"] == "draft"


# --- the written reasons --------------------------------------------------------------------------

REASONS = "/v1/partners/{}/due-diligence/reasons"


async def test_a_reviewer_reads_the_latest_reason_for_each_kind(registry: Registry) -> None:
    partner = await registry.complete()
    for kind, reason in (
        ("recommendation", "Nobody was asked."),
        ("governing", "Lost in the flood."),
        ("governing", "Lost in the flood of May."),
    ):
        path = f"documents/{kind}/reason"
        done(await registry.do(partner, path, {"reason": reason}, method="PUT"))
    reviewer = registry.api.token("registry.due_diligence.review")
    read = done(await registry.api.get(REASONS.format(partner["id"]), headers=reviewer))
    assert [(each["kind"], each["reason"]) for each in read["reasons"]] == [
        ("governing", "Lost in the flood of May."),
        ("recommendation", "Nobody was asked."),
    ]
    assert {each["stated_by"] for each in read["reasons"]} == {"amina"}


async def test_the_reasons_are_for_people_who_review_in_that_country(registry: Registry) -> None:
    path = REASONS.format((await registry.complete())["id"])
    reader = registry.api.token("registry.due_diligence.read")
    problem(await registry.api.get(path, headers=reader), 403, "missing_scope")
    for outsider in (
        registry.api.token(countries=["MMR"]),
        registry.api.token(human=False),
        registry.api.token(partner=UUID(path.split("/")[3])),
    ):
        problem(await registry.api.get(path, headers=outsider), 403, "forbidden")


async def test_a_reason_that_was_erased_is_told_as_such(registry: Registry) -> None:
    partner = await registry.register()
    done(await registry.do(partner, "documents/governing/reason", REASON, method="PUT"))
    await registry.rows("DELETE FROM stream_key")
    (read,) = done(await registry.api.get(REASONS.format(partner["id"])))["reasons"]
    assert (read["secrecy"], read["reason"]) == ("erased", None)
