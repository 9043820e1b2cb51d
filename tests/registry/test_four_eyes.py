"""Whoever submitted a partner neither verifies it nor decides on it."""

from __future__ import annotations

import pytest

from support.api import problem
from support.registry import GOOD, REASON, REVIEWER, Registry, done

BAD = {**GOOD, "other_risk": True}


@pytest.mark.parametrize("findings", [GOOD, BAD])
async def test_who_submitted_cannot_verify(registry: Registry, findings: dict[str, object]) -> None:
    partner = await registry.reviewed()
    same = registry.api.token()
    answer = await registry.do(partner, "verifications", findings, headers=same)
    problem(answer, 403, "four_eyes")
    assert await registry.count("partner_verification") == 0


@pytest.mark.parametrize("decision", ["activate", "reject"])
async def test_who_submitted_cannot_decide(registry: Registry, decision: str) -> None:
    partner = await registry.reviewed()
    done(await registry.do(partner, "verifications", GOOD))
    body = {"decision": decision, **REASON}
    answer = await registry.do(partner, "decision", body, headers=registry.api.token())
    problem(answer, 403, "four_eyes")
    assert (await registry.now(partner))["status"] == "under_review"


async def test_who_submitted_cannot_verify_an_active_partner_anew(registry: Registry) -> None:
    partner = await registry.active()
    same = registry.api.token()
    problem(await registry.do(partner, "verifications", GOOD, headers=same), 403, "four_eyes")


async def test_the_latest_submission_counts(registry: Registry) -> None:
    partner = await registry.reviewed()
    done(await registry.decide(partner, "reject"))
    reviewer = registry.api.token(subject=REVIEWER)
    done(await registry.do(partner, "submit", headers=reviewer))
    done(await registry.do(partner, "review"))
    problem(await registry.do(partner, "verifications", GOOD), 403, "four_eyes")
    done(await registry.do(partner, "verifications", GOOD, headers=registry.api.token()))


async def test_who_submitted_is_not_published(registry: Registry) -> None:
    partner = await registry.submitted()
    assert "amina" not in str(await registry.published(partner))
