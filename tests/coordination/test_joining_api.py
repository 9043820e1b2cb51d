"""Memberships over HTTP: how a seat is taken, refused and left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.db.driver import transaction
from support.api import problem
from support.coordination import IDS, Coordination, done, made

REASON = "A written reason that stays here."


# --- joining ------------------------------------------------------------------------------------


async def test_a_partner_asks_and_is_admitted(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    asked = await house.request(cluster, partner)
    assert asked == {
        "id": asked["id"],
        "partner_id": str(partner),
        "cluster_id": cluster["id"],
        "cluster_code": "HEA",
        "country": "BGD",
        "role": "member",
        "status": "requested",
        "suspended_for": [],
        "commitments_version": 1,
        "joined_on": None,
        "left_on": None,
        "commitments_due": False,
    }
    admitted = done(await house.do(asked, "admit"))
    assert admitted == {**asked, "status": "active", "joined_on": "2020-06-22"}
    assert await house.changes(asked) == ["requested", "joined"]


async def test_an_open_cluster_seats_who_asks_at_once(house: Coordination) -> None:
    cluster = await house.cluster(joinability="open")
    joined = await house.request(cluster, await house.partner())
    assert joined["status"] == "active"
    assert await house.changes(joined) == ["joined"]


async def test_an_open_cluster_seats_nobody_without_commitments(house: Coordination) -> None:
    cluster = await house.cluster(joinability="open")
    body = {"partner_id": str(await house.partner())}
    refused = await house.api.post(f"/v1/clusters/{cluster['id']}/requests", json=body)
    assert problem(refused, 409, "commitments_missing")["in_force"] == 1


async def test_who_left_while_the_cluster_had_suspended_it_is_not_seated_at_once(
    house: Coordination,
) -> None:
    cluster = await house.cluster(joinability="open")
    partner = await house.partner()
    seat = await house.request(cluster, partner)
    done(await house.do(seat, "suspend", {"reason": REASON}))
    done(await house.do(seat, "leave", {}))
    again = await house.request(cluster, partner)
    assert again["status"] == "requested"
    done(await house.do(again, "decline", {}))
    assert (await house.request(cluster, partner, role="observer"))["status"] == "requested"


async def test_whom_the_cluster_took_back_is_seated_at_once_the_next_time(
    house: Coordination,
) -> None:
    cluster = await house.cluster(joinability="open")
    partner = await house.partner()
    seat = await house.request(cluster, partner)
    done(await house.do(seat, "suspend", {"reason": REASON}))
    done(await house.do(seat, "leave", {}))
    back = await house.member(cluster, partner)
    done(await house.do(back, "leave", {}))
    assert (await house.request(cluster, partner))["status"] == "active"


async def test_leaving_while_ineligible_keeps_nobody_from_an_open_cluster(
    house: Coordination,
) -> None:
    cluster = await house.cluster(joinability="open")
    partner = await house.partner()
    seat = await house.request(cluster, partner)
    await house.registry.says(partner, eligibility="ineligible")
    done(await house.do(seat, "leave", {}))
    await house.registry.says(partner)
    assert (await house.request(cluster, partner))["status"] == "active"


async def test_nobody_asks_to_join_a_cluster_that_invites(house: Coordination) -> None:
    cluster = await house.cluster(joinability="invite")
    body = {"partner_id": str(await house.partner())}
    refused = await house.api.post(f"/v1/clusters/{cluster['id']}/requests", json=body)
    problem(refused, 409, "invite_only")


async def test_an_invitation_is_accepted_with_the_commitments(house: Coordination) -> None:
    cluster, partner = await house.cluster(joinability="invite"), await house.partner()
    invited = await house.invite(cluster, partner, role="co_coordinator")
    assert (invited["status"], invited["commitments_due"]) == ("invited", True)
    refused = await house.do(invited, "accept", {})
    problem(refused, 409, "commitments_missing")
    accepted = done(await house.do(invited, "accept", {"commitments_version": 1}))
    assert (accepted["status"], accepted["role"]) == ("active", "co_coordinator")


async def test_an_observer_is_seated_without_commitments(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    asked = await house.request(cluster, partner, role="observer", commitments_version=None)
    assert done(await house.do(asked, "admit"))["commitments_due"] is False


async def test_a_partner_asks_once_while_the_membership_lives(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    asked = await house.request(cluster, partner)
    for path in ("requests", "invitations"):
        again = await house.api.post(
            f"/v1/clusters/{cluster['id']}/{path}", json={"partner_id": str(partner)}
        )
        problem(again, 409, "already_member")
    done(await house.do(asked, "decline", {}))
    assert (await house.request(cluster, partner))["id"] != asked["id"]


async def test_of_two_requests_at_once_one_wins(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    body = {"partner_id": str(partner), "commitments_version": 1}
    path = f"/v1/clusters/{cluster['id']}/requests"
    answers = await asyncio.gather(*(house.api.post(path, json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_a_request_sent_twice_is_carried_out_once(house: Coordination) -> None:
    cluster, partner = await house.cluster(), await house.partner()
    body = {"partner_id": str(partner), "commitments_version": 1}
    path, headers = f"/v1/clusters/{cluster['id']}/requests", {"Idempotency-Key": "join"}
    first = await house.api.post(path, json=body, headers=headers)
    second = await house.api.post(path, json=body, headers=headers)
    assert made(first) == made(second)
    other = await house.api.post(path, json={**body, "role": "observer"}, headers=headers)
    assert other.status_code == 422


# --- eligibility --------------------------------------------------------------------------------


async def test_a_partner_nobody_told_us_of_is_unknown(house: Coordination) -> None:
    cluster = await house.cluster()
    body = {"partner_id": str(IDS.new())}
    for path in ("requests", "invitations"):
        refused = await house.api.post(f"/v1/clusters/{cluster['id']}/{path}", json=body)
        problem(refused, 409, "partner_unknown")


@pytest.mark.parametrize(
    "facts, eligibility",
    [
        (
            {"eligibility": "ineligible", "eligibility_reasons": ["under_review"]},
            "ineligible",
        ),
        ({"eligible_until": "2020-06-21"}, "expired"),
    ],
)
async def test_no_ineligible_partner_is_admitted(
    house: Coordination, facts: dict[str, Any], eligibility: str
) -> None:
    asked = await house.request(await house.cluster(), await house.partner(**facts))
    refused = problem(await house.do(asked, "admit"), 409, "partner_ineligible")
    assert refused["eligibility"] == eligibility
    assert refused["reasons"] == facts.get("eligibility_reasons", [])
    assert (await house.now(asked))["status"] == "requested"


@pytest.mark.parametrize(
    "facts",
    [{"eligibility": "provisional"}, {"eligible_until": "2020-06-22"}],
)
async def test_a_provisional_partner_sits_and_so_does_one_on_its_last_day(
    house: Coordination, facts: dict[str, Any]
) -> None:
    member = await house.member(await house.cluster(), await house.partner(**facts))
    assert member["status"] == "active"


async def test_a_refusal_by_the_mirror_is_not_remembered(house: Coordination) -> None:
    partner = await house.partner(eligibility="ineligible")
    asked = await house.request(await house.cluster(), partner)
    key = {"Idempotency-Key": "admit"}
    problem(await house.do(asked, "admit", headers=key), 409, "partner_ineligible")
    await house.registry.says(partner)
    assert done(await house.do(asked, "admit", headers=key))["status"] == "active"


async def test_no_ineligible_partner_joins_an_open_cluster_or_is_invited(
    house: Coordination,
) -> None:
    cluster = await house.cluster(joinability="open")
    body = {"partner_id": str(await house.partner(eligibility="ineligible"))}
    for path, more in (("requests", {"commitments_version": 1}), ("invitations", {})):
        refused = await house.api.post(
            f"/v1/clusters/{cluster['id']}/{path}", json={**body, **more}
        )
        problem(refused, 409, "partner_ineligible")


async def test_an_invitation_is_not_accepted_once_the_partner_is_ineligible(
    house: Coordination,
) -> None:
    partner = await house.partner()
    invited = await house.invite(await house.cluster(), partner)
    await house.registry.says(partner, eligibility="ineligible")
    refused = await house.do(invited, "accept", {"commitments_version": 1})
    problem(refused, 409, "partner_ineligible")


# --- saying no, and leaving ---------------------------------------------------------------------


async def test_a_written_reason_stays_private(house: Coordination) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    body = {"rejection": "not_present", "reason": REASON}
    assert done(await house.do(asked, "reject", body))["status"] == "rejected"
    async with transaction(house.api.runtime.engine) as driver:
        row = await driver.fetchrow(
            "SELECT reason, data::text AS data, private FROM journal "
            "WHERE type LIKE '%.membership.rejected.v1'"
        )
    assert row["reason"] == "not_present"
    assert REASON not in row["data"]
    assert row["private"] is not None
    assert REASON.encode() not in row["private"]


async def test_an_invitation_is_declined_and_a_request_withdrawn(house: Coordination) -> None:
    cluster = await house.cluster()
    invited = await house.invite(cluster, await house.partner())
    asked = await house.request(cluster, await house.partner())
    for membership in (invited, asked):
        assert done(await house.do(membership, "decline", {}))["status"] == "declined"


async def test_a_member_leaves(house: Coordination) -> None:
    member = await house.member(await house.cluster(), await house.partner())
    left = done(await house.do(member, "leave", {"reason": REASON}))
    assert (left["status"], left["left_on"]) == ("left", "2020-06-22")


async def test_an_illegal_move_names_the_state_and_the_allowed_moves(house: Coordination) -> None:
    asked = await house.request(await house.cluster(), await house.partner())
    refused = problem(await house.do(asked, "leave", {}), 409, "illegal_move")
    assert refused["state"] == "requested"
    assert refused["allowed"] == ["active", "declined", "rejected"]


async def test_a_member_becomes_dormant_and_is_woken(house: Coordination) -> None:
    member = await house.member(await house.cluster(), await house.partner())
    assert done(await house.do(member, "find-dormant"))["status"] == "dormant"
    assert done(await house.do(member, "wake"))["status"] == "active"


async def test_nobody_joins_a_cluster_that_ended_meanwhile(house: Coordination) -> None:
    cluster = await house.cluster()
    partner = await house.partner()
    path = f"/v1/clusters/{cluster['id']}"
    done(await house.api.post(f"{path}/deactivate", headers={"If-Match": '"0001-0000000001"'}))
    body = {"partner_id": str(partner)}
    problem(await house.api.post(f"{path}/requests", json=body), 409, "cluster_deactivated")
