"""What bad input gets: a refusal that points at the place, and nothing written."""

from __future__ import annotations

from typing import Any

from support.api import problem
from support.clerk import AGREEMENT, GRANT, Clerk, submission
from support.disbursement import IDS, World

BAD_GRANTS: list[Any] = [
    ({"amount": 3000000.0}, "/amount"),
    ({"amount": "-1"}, "/amount"),
    ({"amount": "0"}, "/amount"),
    ({"amount": "1e3"}, "/amount"),
    ({"amount": "NaN"}, "/amount"),
    ({"amount": "1.001"}, "/amount"),
    ({"amount": "1234567890123456"}, "/amount"),
    ({"amount": "1.5", "currency": "XAF"}, "/amount"),
    ({"amount": "1.0001", "currency": "LYD"}, "/amount"),
    ({"currency": "USDX"}, "/currency"),
    ({"currency": "usd"}, "/currency"),
    ({"country": "Bangladesh"}, "/country"),
    ({"source": "gift"}, "/source"),
    ({"cerf_window": "underfunded_emergencies"}, "/cerf_window"),
    ({"code_text": "no code"}, "/cerf_window"),
    ({"title": ""}, "/title"),
    ({"title": "a\u0000b"}, "/title"),
    ({"title": "x" * 201}, "/title"),
    ({"approved_on": "2020-13-01"}, "/approved_on"),
    ({"approved_on": "9999-12-31"}, "/approved_on"),
    ({"approved_on": 18000}, "/approved_on"),
    ({"approved_on": "2020-02-30"}, "/approved_on"),
    ({"disbursed_on": "2020-06-24"}, "/disbursed_on"),
    ({"disbursed_on": "2020-06-11"}, "/disbursed_on"),
    ({"funders": [{"role": "fund", "name": "CERF"}]}, "/funders"),
    ({"funders": [{"role": "king", "name": "A"}]}, "/funders/0/role"),
    ({"amont": "1"}, "/amont"),
    ({"emergency": "Floods in the delta"}, "/emergency"),
    ({"emergency": "covid-19"}, "/emergency"),
    ({"cerf_round": 1}, "/cerf_round"),
    ({"cerf_round": 3}, "/cerf_round"),
    (
        {
            "code_text": "20-UF-IOM-027",
            "cerf_window": "underfunded_emergencies",
            "cerf_round": 1,
            "approved_on": None,
        },
        "/approved_on",
    ),
]


async def test_a_bad_grant_is_refused_with_the_place(clerk: Clerk, world: World) -> None:
    for facts, pointer in BAD_GRANTS:
        answer = await clerk.post("/v1/grants", GRANT | facts)
        assert answer.status_code == 422, (facts, answer.text)
        assert f"#{pointer}" in [each["pointer"] for each in answer.json()["errors"]], facts
    assert await world.fetch("SELECT 1 FROM funding_grant") == []


BAD_AGREEMENTS: list[Any] = [
    ({"currency": "CHF"}, "/currency"),
    ({"justification": None}, "/justification"),
    ({"selection": "open_call"}, "/justification"),
    ({"ends_on": "2020-12-20"}, "/ends_on"),
    ({"ends_on": "2020-06-21"}, "/ends_on"),
    ({"schedule": {"kind": "equal", "parts": 25}}, "/schedule/parts"),
    ({"schedule": {"kind": "equal", "parts": "2"}}, "/schedule/parts"),
    ({"schedule": {"kind": "monthly"}}, "/schedule"),
    ({"schedule": {"kind": "explicit", "tranches": [{"amount": "1"}]}}, "/schedule"),
    (
        {"schedule": {"kind": "explicit", "tranches": [{"amount": "500000.001"}]}},
        "/schedule/tranches/0/amount",
    ),
]


async def test_a_bad_agreement_is_refused_with_the_place(clerk: Clerk, world: World) -> None:
    grant = await clerk.grant()
    for facts, pointer in BAD_AGREEMENTS:
        body = AGREEMENT | {"grant_id": grant["id"], "partner_id": str(IDS.new())} | facts
        answer = await clerk.post("/v1/agreements", body)
        assert answer.status_code == 422, (facts, answer.text)
        assert f"#{pointer}" in [each["pointer"] for each in answer.json()["errors"]], facts
    assert await world.fetch("SELECT 1 FROM agreement") == []


BAD_PAYMENTS: list[Any] = [
    ({"tranche": 3}, 404, "not_found"),
    ({"agreement_id": "0197a1b2-0000-7000-8000-000000000001"}, 404, "not_found"),
    ({"amount": "199999.99"}, 422, "tranche_mismatch"),
    ({"currency": "CHF"}, 422, "currency_mismatch"),
    ({"amount": "200000.001"}, 422, "inexact_amount"),
    ({"tranche": 0}, 422, "invalid"),
    ({"tranche": True}, 422, "invalid"),
    ({"account": {"id": "0197a1b2-0000-7000-8000-000000000001", "version": 0}}, 422, "invalid"),
]


async def test_a_bad_payment_is_refused(clerk: Clerk, world: World) -> None:
    agreement = await clerk.agreement(await clerk.grant(), await world.partner())
    for facts, status, code in BAD_PAYMENTS:
        problem(await clerk.post("/v1/payments", submission(agreement, **facts)), status, code)
    assert await world.fetch("SELECT 1 FROM payment") == []


async def test_an_illegal_move_names_the_state_and_the_allowed_ones(clerk: Clerk) -> None:
    payment = await clerk.payment()
    answer = await clerk.on(f"/v1/payments/{payment['id']}", "release")
    facts = problem(answer, 409, "illegal_move")
    assert (facts["state"], facts["allowed"]) == ("submitted", ["approved", "draft", "held"])
    assert facts["detail"] == (
        "A payment that is submitted cannot become released; it can become approved, draft, held."
    )
