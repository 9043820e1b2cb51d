"""Memberships over HTTP: commitments, roles, the cluster's suspension, and who may decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from coordination.commitments.rules import CATALOGUE
from coordination.policy import Policy
from support.api import problem
from support.coordination import IDS, Coordination, done, grave, made

REASON = "A written reason that stays here."


# --- commitments --------------------------------------------------------------------------------


async def test_commitments_are_accepted_once(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    asked = await house.request(cluster, partner, commitments_version=None)
    problem(await house.do(asked, "admit"), 409, "commitments_missing")
    for _ in range(2):
        committed = done(await house.do(asked, "accept-commitments", {"version": 1}))
        assert committed["commitments_version"] == 1
    assert await house.changes(asked) == ["requested", "committed"]
    done(await house.do(asked, "admit"))


async def test_a_new_version_asks_every_member_again_and_takes_no_seat(
    house: Coordination,
) -> None:
    member = await house.member(await house.cluster(), await house.partner())
    tomorrow = (house.clock.now() + timedelta(days=1)).date()
    second = replace(CATALOGUE[0], version=2, since_on=tomorrow)
    house.api.units.policy = Policy(commitments=(*CATALOGUE, second))
    assert (await house.now(member))["commitments_due"] is False
    house.clock.advance(timedelta(days=1))
    catalogue = done(await house.api.get("/v1/commitments"))
    assert (catalogue["in_force"], len(catalogue["versions"])) == (2, 2)
    asked_again = await house.now(member)
    assert (asked_again["status"], asked_again["commitments_due"]) == ("active", True)
    outdated = await house.do(member, "accept-commitments", {"version": 1})
    assert problem(outdated, 409, "commitments_outdated")["in_force"] == 2
    committed = done(await house.do(member, "accept-commitments", {"version": 2}))
    assert committed["commitments_due"] is False


async def test_a_person_commits_and_no_system_does(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    robot = house.api.token(subject="robot", human=False)
    path, body = f"/v1/clusters/{cluster['id']}/requests", {"partner_id": str(partner)}
    committed = {**body, "commitments_version": 1}
    problem(await house.api.post(path, json=committed, headers=robot), 403, "forbidden")
    asked = made(await house.api.post(path, json=body, headers=robot))
    for _ in range(2):  # once more, when it is accepted already, is no way round either
        refused = await house.do(asked, "accept-commitments", {"version": 1}, robot)
        problem(refused, 403, "forbidden")
        done(await house.do(asked, "accept-commitments", {"version": 1}))
    invited = await house.invite(cluster, await house.partner())
    refused = await house.do(invited, "accept", {"commitments_version": 1}, robot)
    problem(refused, 403, "forbidden")


async def test_the_commitments_are_read_in_both_languages(house: Coordination) -> None:
    catalogue = done(await house.api.get("/v1/commitments"))
    assert catalogue["in_force"] == 1
    (first,) = catalogue["versions"]
    assert all(item["text_en"] and item["text_fr"] for item in first["items"])


# --- roles --------------------------------------------------------------------------------------


async def test_a_cluster_has_one_lead_agency(house: Coordination) -> None:
    cluster = await house.cluster()
    first = await house.member(cluster, await house.partner())
    second = await house.member(cluster, await house.partner())
    assert (
        done(await house.do(first, "give-role", {"role": "lead_agency"}))["role"] == "lead_agency"
    )
    refused = await house.do(second, "give-role", {"role": "lead_agency"})
    problem(refused, 409, "second_lead")
    done(await house.do(first, "give-role", {"role": "member"}))
    done(await house.do(second, "give-role", {"role": "lead_agency"}))


async def test_a_suspended_lead_still_holds_its_place(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    first = await house.member(cluster, partner)
    second = await house.member(cluster, await house.partner())
    done(await house.do(first, "give-role", {"role": "lead_agency"}))
    await house.registry.says(partner, eligibility="ineligible")
    refused = await house.do(second, "give-role", {"role": "lead_agency"})
    problem(refused, 409, "second_lead")


async def test_a_second_lead_cannot_accept_its_invitation(house: Coordination) -> None:
    cluster = await house.cluster()
    first = await house.member(cluster, await house.partner())
    invited = await house.invite(cluster, await house.partner(), role="lead_agency")
    done(await house.do(first, "give-role", {"role": "lead_agency"}))
    refused = await house.do(invited, "accept", {"commitments_version": 1})
    problem(refused, 409, "second_lead")
    assert (await house.now(invited))["status"] == "invited"


@pytest.mark.parametrize("role", ["lead_agency", "co_coordinator"])
async def test_no_ineligible_partner_is_given_a_leading_role(
    house: Coordination, role: str
) -> None:
    partner = await house.partner()
    member = await house.member(await house.cluster(), partner)
    await house.registry.says(partner, eligibility="ineligible")
    refused = await house.do(member, "give-role", {"role": role})
    problem(refused, 409, "partner_ineligible")
    assert (await house.now(member))["role"] == "member"


async def test_a_leading_role_is_taken_from_an_ineligible_partner(house: Coordination) -> None:
    partner = await house.partner()
    member = await house.member(await house.cluster(), partner)
    done(await house.do(member, "give-role", {"role": "lead_agency"}))
    await house.registry.hear(grave(partner, 2))  # even the erased hold no place for ever
    await house.registry.react()
    assert done(await house.do(member, "give-role", {"role": "member"}))["role"] == "member"


async def test_a_partner_does_not_ask_for_a_role_that_is_given(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    body = {"partner_id": str(partner), "role": "lead_agency", "commitments_version": 1}
    refused = await house.api.post(f"/v1/clusters/{cluster['id']}/requests", json=body)
    problem(refused, 403, "role_not_askable")


# --- the cluster's own suspension ---------------------------------------------------------------


async def test_the_cluster_suspends_and_lifts(house: Coordination) -> None:
    member = await house.member(await house.cluster(), await house.partner())
    done(await house.do(member, "find-dormant"))
    suspended = done(await house.do(member, "suspend", {"reason": REASON}))
    assert (suspended["status"], suspended["suspended_for"]) == (
        "suspended",
        ["cluster_decision"],
    )
    assert done(await house.do(member, "lift-suspension"))["status"] == "dormant"


async def test_the_cluster_does_not_lift_what_ineligibility_has_laid(house: Coordination) -> None:
    partner = await house.partner()
    member = await house.member(await house.cluster(), partner)
    await house.registry.says(partner, eligibility="ineligible")
    problem(await house.do(member, "lift-suspension"), 409, "not_suspended")
    done(await house.do(member, "suspend", {"reason": REASON}))
    lifted = done(await house.do(member, "lift-suspension"))
    assert (lifted["status"], lifted["suspended_for"]) == ("suspended", ["partner_ineligible"])


# --- who may ------------------------------------------------------------------------------------


async def test_a_partner_acts_for_itself_alone(house: Coordination) -> None:
    cluster, own, other = await house.cluster(), await house.partner(), await house.partner()
    headers = house.api.token(partner=own)
    path = f"/v1/clusters/{cluster['id']}/requests"
    refused = await house.api.post(path, json={"partner_id": str(other)}, headers=headers)
    problem(refused, 403, "forbidden")
    made(await house.api.post(path, json={"partner_id": str(own)}, headers=headers))
    others = await house.request(cluster, other)
    for deed, body in (("decline", {}), ("accept-commitments", {"version": 1})):
        problem(await house.do(others, deed, body, headers), 403, "forbidden")


@pytest.mark.parametrize(
    "deed, body",
    [
        ("admit", None),
        ("reject", {"rejection": "other", "reason": REASON}),
        ("find-dormant", None),
        ("wake", None),
        ("suspend", {"reason": REASON}),
        ("lift-suspension", None),
        ("give-role", {"role": "lead_agency"}),
    ],
)
async def test_nobody_decides_on_their_own_seat(
    house: Coordination, deed: str, body: dict[str, Any] | None
) -> None:
    cluster, own, other = await house.cluster(), await house.partner(), await house.partner()
    headers = house.api.token(partner=own)
    mine, theirs = await house.request(cluster, own), await house.request(cluster, other)
    problem(await house.do(mine, deed, body, headers), 403, "own_seat")
    problem(await house.do(theirs, deed, body, headers), 403, "forbidden")


async def test_a_partner_does_not_invite_itself(house: Coordination) -> None:
    cluster, own = await house.cluster(), await house.partner()
    refused = await house.api.post(
        f"/v1/clusters/{cluster['id']}/invitations",
        json={"partner_id": str(own)},
        headers=house.api.token(partner=own),
    )
    problem(refused, 403, "own_seat")


@pytest.mark.parametrize(
    "deed, body",
    [
        ("admit", None),
        ("decline", {}),
        ("accept-commitments", {"version": 1}),
        ("reject", {"rejection": "other", "reason": REASON}),
    ],
)
async def test_nobody_acts_in_a_foreign_country(
    house: Coordination, deed: str, body: dict[str, Any] | None
) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    headers = house.api.token(countries=["SSD"])
    problem(await house.do(asked, deed, body, headers), 403, "forbidden")


async def test_deciding_needs_its_scope(house: Coordination) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    headers = house.api.token("coordination.memberships.request")
    problem(await house.do(asked, "admit", None, headers), 403, "missing_scope")


async def test_a_decision_on_an_old_version_is_refused(house: Coordination) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    path = f"/v1/memberships/{asked['id']}"
    tag = {"If-Match": '"0001-0000000001"'}
    done(await house.api.post(f"{path}/accept-commitments", json={"version": 1}, headers=tag))
    done(await house.api.post(f"{path}/admit", headers=tag))
    problem(await house.api.post(f"{path}/leave", json={}, headers=tag), 412, "stale_version")


@pytest.mark.parametrize(
    "deed, body, pointer",
    [
        ("accept-commitments", {"version": True}, "#/version"),
        ("accept-commitments", {"version": "1"}, "#/version"),
        ("accept-commitments", {"version": 99999999999}, "#/version"),
        ("reject", {"rejection": "other", "reason": " "}, "#/reason"),
        ("reject", {"rejection": "other", "reason": "a\u0000b"}, "#/reason"),
        ("reject", {"rejection": "because", "reason": REASON}, "#/rejection"),
        ("leave", {"why": REASON}, "#/why"),
    ],
)
async def test_what_is_wrong_is_pointed_at(
    house: Coordination, deed: str, body: dict[str, Any], pointer: str
) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    refused = problem(await house.do(asked, deed, body), 422, "invalid")
    assert [each["pointer"] for each in refused["errors"]] == [pointer]


async def test_what_is_not_there_is_not_found(house: Coordination) -> None:
    path = f"/v1/memberships/{IDS.new()}"
    problem(await house.api.get(path), 404, "not_found")
    tag = {"If-Match": '"0001-0000000001"'}
    problem(await house.api.post(f"{path}/admit", headers=tag), 404, "not_found")
    body = {"partner_id": str(await house.partner())}
    refused = await house.api.post(f"/v1/clusters/{IDS.new()}/requests", json=body)
    problem(refused, 404, "not_found")
