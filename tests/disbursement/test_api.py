"""The service over HTTP: the whole story, repetitions, versions, and who may do what."""

from __future__ import annotations

import csv
from datetime import timedelta
from uuid import UUID

import pytest

from support.api import Api, problem
from support.clerk import GRANT, Clerk, submission
from support.disbursement import World
from support.lists import CSV, exported, read_list, sealed


async def test_a_tranche_goes_its_whole_way(clerk: Clerk, world: World) -> None:
    payment = await clerk.approved()
    path = f"/v1/payments/{payment['id']}"
    await clerk.send(path)
    said = {"outcome": "settled", "kind": "account_statement", "occurred_on": "2020-06-22"}
    settled = await clerk.done(f"{path}/evidence", said)
    assert settled["status"] == "settled"
    confirmed = await clerk.done(f"{path}/confirm", {"confirmed_on": "2020-06-22"})
    assert confirmed["confirmed_on"] == "2020-06-22"

    balance = (await clerk.api.get(f"/v1/grants/{payment['grant_id']}/balance")).json()
    del balance["grant_id"]
    assert balance == {
        "currency": "USD",
        "granted": "3000000.00",
        "received": "3000000.00",
        "available": "2500000.00",
        "committed": "300000.00",
        "earmarked": "0.00",
        "reserved": "0.00",
        "in_transit": "0.00",
        "paid": "200000.00",
    }
    ledger = (await clerk.api.get(f"/v1/grants/{payment['grant_id']}/ledger?limit=4")).json()
    assert [each["kind"] for each in ledger["items"]] == [
        "received",
        "signed",
        "submitted",
        "approved",
    ]
    following = await clerk.api.get(
        f"/v1/grants/{payment['grant_id']}/ledger?limit=4&cursor={ledger['next']}"
    )
    assert [each["kind"] for each in following.json()["items"]] == ["released", "settled"]
    assert following.json()["next"] is None
    assert await world.breaches() == []


async def test_what_stands_behind_a_payment_can_be_read(clerk: Clerk) -> None:
    payment = await clerk.approved()
    path = f"/v1/payments/{payment['id']}"
    await clerk.done(f"{path}/hold", {"reason": "under_review"})
    await clerk.done(f"{path}/lift-hold", {})
    await clerk.send(path)
    await clerk.done(
        f"{path}/evidence",
        {"outcome": "unknown", "kind": "no_answer", "occurred_on": "2020-06-22"},
    )
    approvals = (await clerk.api.get(f"{path}/approvals")).json()["items"]
    assert [each["person"] for each in approvals] == ["boris", "chen"]
    (hold,) = (await clerk.api.get(f"{path}/holds")).json()["items"]
    assert (hold["cause"], hold["placed_by"], hold["lifted_by"]) == ("person", "amina", "amina")
    (evidence,) = (await clerk.api.get(f"{path}/evidence")).json()["items"]
    assert evidence["outcome"] == "unknown"
    instruction = (await clerk.api.get(f"{path}/instruction")).json()
    assert instruction["message_id"] == "FL" + payment["id"].replace("-", "")
    assert instruction["payload_hash"] == payment["payload_hash"]


@pytest.mark.parametrize("path", ["/v1/grants", "/v1/agreements", "/v1/payments"])
async def test_a_list_is_exported_whole_and_tells_what_changed(clerk: Clerk, path: str) -> None:
    payment = await clerk.approved()
    since = await sealed(clerk.api)
    await clerk.grant(country="HTI")
    await clerk.on(f"/v1/payments/{payment['id']}", "release", **clerk.person("tariq"))
    await sealed(clerk.api)
    everything = await read_list(clerk.api, path)
    assert await exported(clerk.api, path) == everything
    expected = {"/v1/grants": ["HTI"], "/v1/agreements": [], "/v1/payments": ["BGD"]}[path]
    changed = await read_list(clerk.api, path, changed_since=since)
    assert [each["country"] for each in changed] == expected
    haiti = clerk.api.token(countries=["HTI"])
    seen = await exported(clerk.api, path, haiti)
    assert seen == [each for each in everything if each["country"] == "HTI"]


async def test_amounts_are_exported_as_the_exact_text_that_they_are(clerk: Clerk) -> None:
    await clerk.grant()
    table = (await clerk.api.get("/v1/grants", headers=CSV)).text.splitlines()
    row = dict(zip(*csv.reader(table), strict=True))
    assert row["amount"] == "3000000.00"


async def test_a_draft_is_given_up_once_however_often_that_is_asked(
    clerk: Clerk, world: World
) -> None:
    payment = await clerk.payment()
    path = f"/v1/payments/{payment['id']}"
    await clerk.done(f"{path}/hold", {"reason": "duplicate_suspected"})
    revised = await clerk.on(path, "revise", {"account": None})
    assert (revised.json()["status"], revised.json()["holds"]) == ("draft", ["person"])
    refused = problem(await clerk.on(path, "submit"), 409, "still_held")
    assert refused["holds"] == ["person"]
    headers = {"If-Match": (await clerk.api.get(path)).headers["etag"], "Idempotency-Key": "one"}
    why = {"comment": "It was a duplicate."}
    first = await clerk.post(f"{path}/withdraw", why, **headers)
    again = await clerk.post(f"{path}/withdraw", why, **headers)
    assert (first.status_code, first.json()["status"]) == (200, "withdrawn")
    assert again.content == first.content
    assert (await world.changes(UUID(payment["id"]))).count("withdrawn") == 1


async def test_contradicting_evidence_is_settled_by_people(clerk: Clerk) -> None:
    path = await clerk.sent()
    day = {"occurred_on": "2020-06-22", "reference": "REF-1"}
    failed = {"outcome": "failed", "kind": "bank_confirmation", "reason_code": "AC01", **day}
    await clerk.done(f"{path}/evidence", failed)
    settled = {"outcome": "settled", "kind": "account_statement", **day}
    waits = await clerk.done(f"{path}/evidence", settled)
    assert waits["status"] == "sent"
    listed = (await clerk.api.get(f"{path}/evidence")).json()["items"]
    assert [each["standing"] for each in listed] == ["waiting", "waiting"]
    wrong, right = (f"{path}/evidence/{each['id']}" for each in listed)
    boris = clerk.person("boris")
    problem(await clerk.post(f"{right}/confirm", **boris), 409, "contradicting_evidence")
    why = {"comment": "Of another payment."}
    problem(await clerk.post(f"{wrong}/dismiss", why), 403, "four_eyes")
    await clerk.done(f"{wrong}/dismiss", why, **boris)
    problem(await clerk.post(f"{wrong}/confirm", **boris), 409, "not_waiting")
    closed = await clerk.done(f"{right}/confirm", **boris)
    assert closed["status"] == "settled"


async def test_a_status_report_settles_with_the_status_that_says_it_arrived(
    clerk: Clerk,
) -> None:
    path = await clerk.sent()
    said = {"outcome": "settled", "kind": "status_report", "occurred_on": "2020-06-22"}
    on_its_way = await clerk.post(f"{path}/evidence", said | {"status_code": "ACSC"})
    refused = problem(on_its_way, 422, "evidence")
    assert [each["pointer"] for each in refused["errors"]] == ["#/status_code"]
    assert (await clerk.api.get(path)).json()["status"] == "sent"
    settled = await clerk.done(f"{path}/evidence", said | {"status_code": "ACCC"})
    assert settled["status"] == "settled"
    (listed,) = (await clerk.api.get(f"{path}/evidence")).json()["items"]
    assert listed["status_code"] == "ACCC"


async def test_a_status_report_fails_a_payment_with_the_status_that_says_it_was_rejected(
    clerk: Clerk,
) -> None:
    path = await clerk.sent()
    said = {
        "outcome": "failed",
        "kind": "status_report",
        "occurred_on": "2020-06-22",
        "reference": "REF-1",
        "reason_code": "AC01",
    }
    for other in ({}, {"status_code": "ACSP"}):
        refused = problem(await clerk.post(f"{path}/evidence", said | other), 422, "evidence")
        assert [each["pointer"] for each in refused["errors"]] == ["#/status_code"]
    await clerk.done(f"{path}/evidence", said | {"status_code": "RJCT"})
    (listed,) = (await clerk.api.get(f"{path}/evidence")).json()["items"]
    assert (listed["standing"], listed["status_code"]) == ("waiting", "RJCT")


async def test_the_reports_answer(clerk: Clerk) -> None:
    payment = await clerk.payment()
    report = (await clerk.api.get(f"/v1/grants/{payment['grant_id']}/directness")).json()
    assert report["ways"][0]["layers_from_fund"] == 1
    assert report["calendar_days"] is None
    shares = (await clerk.api.get("/v1/transparency/shares?country=BGD")).json()
    assert shares["currencies"][0]["committed"]["to_local_share"] == "1.0000"
    assert shares["currencies"][0]["paid"]["to_local_share"] is None


async def test_lists_are_narrowed_and_paged(clerk: Clerk, world: World) -> None:
    grant = await clerk.grant()
    made = [await clerk.agreement(grant, await world.partner()) for _ in range(3)]
    first = (await clerk.api.get(f"/v1/agreements?grant_id={grant['id']}&limit=2")).json()
    second = (
        await clerk.api.get(f"/v1/agreements?grant_id={grant['id']}&limit=2&cursor={first['next']}")
    ).json()
    listed = [each["id"] for each in first["items"] + second["items"]]
    assert listed == [each["id"] for each in made]
    payment = await clerk.payment(made[1])
    for query in (
        f"partner_id={made[1]['partner_id']}",
        f"agreement_id={made[1]['id']}",
        f"grant_id={grant['id']}&status=submitted",
        "country=BGD",
    ):
        (found,) = (await clerk.api.get(f"/v1/payments?{query}")).json()["items"]
        assert found["id"] == payment["id"]
    assert (await clerk.api.get("/v1/payments?status=held")).json()["items"] == []
    codes = (await clerk.api.get("/v1/grants?code=20-RR-IOM-027&source=cerf")).json()["items"]
    assert [each["id"] for each in codes] == [grant["id"]]


# --- idempotency and versions ---


async def test_a_submission_repeated_with_its_key_is_one_payment(
    clerk: Clerk, world: World
) -> None:
    agreement = await clerk.agreement(await clerk.grant(), await world.partner())
    key = {"Idempotency-Key": "the-same-key-twice"}
    first = await clerk.post("/v1/payments", submission(agreement), **key)
    again = await clerk.post("/v1/payments", submission(agreement), **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await world.fetch("SELECT count(*) AS n FROM payment") == [(1,)]


@pytest.mark.parametrize(
    "path", ["/v1/grants", "/v1/agreements", "/v1/payments"], ids=lambda path: path[4:]
)
async def test_what_moves_or_promises_money_takes_a_key(api: Api, path: str) -> None:
    answer = await api.post(path, json={})
    assert answer.status_code in (400, 422)
    body = {"/v1/grants": GRANT}.get(path)
    if body is not None:
        assert (await api.post(path, json=body)).status_code == 400


async def test_a_release_names_the_version_that_was_read(clerk: Clerk) -> None:
    payment = await clerk.approved()
    path = f"/v1/payments/{payment['id']}"
    problem(await clerk.post(f"{path}/release"), 428, "precondition_required")
    stale = await clerk.post(f"{path}/release", **{"If-Match": '"0001-0000000001"'})
    problem(stale, 412, "stale_version")


async def test_on_a_stale_mirror_the_same_request_succeeds_once_it_is_fresh(
    clerk: Clerk, world: World
) -> None:
    payment = await clerk.approved()
    path = f"/v1/payments/{payment['id']}"
    tag = (await clerk.api.get(path)).headers["etag"]
    treasurer = clerk.person("tariq")
    headers = {"If-Match": tag, "Idempotency-Key": "release-of-tranche-one", **treasurer}
    world.clock.advance(timedelta(seconds=90))
    refused = await clerk.post(f"{path}/release", **headers)
    facts = problem(refused, 409, "partner_state_too_old")
    assert refused.headers["Retry-After"] == "5"
    assert (facts["problem"], facts["age_seconds"]) == ("too_old", "90")
    assert (await clerk.api.get(path)).json()["status"] == "approved"
    await world.watermark()
    released = await clerk.post(f"{path}/release", **headers)
    assert released.status_code == 200, released.text
    assert released.json()["status"] == "released"


# --- who may do what ---


async def test_four_eyes_hold_over_http(clerk: Clerk) -> None:
    payment = await clerk.payment()
    problem(await clerk.approve(payment, "amina"), 403, "four_eyes")
    await clerk.approve(payment, "boris")
    problem(await clerk.approve(payment, "boris"), 409, "already_acted")
    roleless = await clerk.post(
        f"/v1/payments/{payment['id']}/approve",
        {"payload_hash": payment["payload_hash"]},
        **clerk.person("chen"),
    )
    problem(roleless, 403, "approver_role")
    machine = await clerk.post(
        f"/v1/payments/{payment['id']}/approve",
        {"payload_hash": payment["payload_hash"]},
        **clerk.api.token(subject="robot", human=False, roles=("payment_approver",)),
    )
    problem(machine, 403, "forbidden")
    other = await clerk.post(
        f"/v1/payments/{payment['id']}/approve",
        {"payload_hash": "0" * 64},
        **clerk.person("dina", "payment_approver"),
    )
    assert "payload_hash" not in problem(other, 409, "payload_changed")  # look, do not copy


async def test_a_reader_writes_nothing(clerk: Clerk, api: Api) -> None:
    reader = api.token("disbursement.grants.read")
    problem(await clerk.post("/v1/grants", GRANT, **reader), 403, "missing_scope")


async def test_another_country_is_out_of_reach(clerk: Clerk, api: Api) -> None:
    payment = await clerk.payment()
    haitian = api.token(countries=("HTI",))
    for path in (
        f"/v1/grants/{payment['grant_id']}",
        f"/v1/grants/{payment['grant_id']}/balance",
        f"/v1/grants/{payment['grant_id']}/ledger",
        f"/v1/grants/{payment['grant_id']}/directness",
        f"/v1/agreements/{payment['agreement_id']}",
        f"/v1/payments/{payment['id']}",
        f"/v1/payments/{payment['id']}/approvals",
    ):
        problem(await api.get(path, headers=haitian), 403, "forbidden")
    for path in ("/v1/grants", "/v1/agreements", "/v1/payments"):
        assert (await api.get(path, headers=haitian)).json()["items"] == []


async def test_a_partners_token_sees_and_confirms_its_own_payments_only(
    clerk: Clerk, api: Api, world: World
) -> None:
    grant = await clerk.grant()
    own, other = [
        await clerk.payment(await clerk.agreement(grant, await world.partner())) for _ in range(2)
    ]
    token = api.token(partner=own["partner_id"])
    listed = (await api.get("/v1/payments", headers=token)).json()["items"]
    assert [each["id"] for each in listed] == [own["id"]]
    problem(await api.get(f"/v1/payments/{other['id']}", headers=token), 403, "forbidden")
    too_early = await clerk.post(
        f"/v1/payments/{own['id']}/confirm", {"confirmed_on": "2020-06-22"}, **token
    )
    problem(too_early, 409, "illegal_move")
