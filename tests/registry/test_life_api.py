"""The life of a partner over HTTP, and what the other services learn of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.actor import Actor
from registry.due_diligence.commands import expire_lapsed
from registry.invariants import INVARIANTS
from support.api import PERSON, problem
from support.registry import GOOD, REASON, Registry, done

SECRET = "a private word"


async def test_a_partner_goes_its_whole_way(registry: Registry) -> None:
    partner = await registry.active()
    assert partner["status"] == "active"
    assert partner["eligibility"] == "eligible"
    assert partner["eligible_until"] == "2025-06-21"
    assert await registry.changes(partner) == [
        "registered",
        "document_added",
        "declared",
        "profiled",
        "submitted",
        "review_started",
        "verified",
        "activated",
    ]


@pytest.mark.parametrize(
    "state, reasons",
    [
        ("complete", ["incomplete", "not_verified"]),
        ("submitted", ["under_review", "not_verified"]),
        ("reviewed", ["under_review", "not_verified"]),
        ("active", []),
    ],
)
async def test_what_is_published_follows_the_state(
    registry: Registry, state: str, reasons: list[str]
) -> None:
    partner = await getattr(registry, state)()
    published = await registry.published(partner)
    assert published["status"] == partner["status"]
    assert published["eligibility_reasons"] == reasons


async def test_a_suspended_partner_is_ineligible_until_it_is_reinstated(
    registry: Registry,
) -> None:
    partner = await registry.active()
    suspended = done(await registry.do(partner, "suspend", REASON))
    assert suspended["status"] == "suspended"
    published = await registry.published(partner)
    assert published["eligibility"] == "ineligible"
    assert published["eligibility_reasons"] == ["suspended"]
    assert published["eligible_until"] is None
    reinstated = done(await registry.do(partner, "reinstate", REASON))
    assert reinstated["eligibility"] == "eligible"


async def test_a_suspension_is_no_way_around_a_review(registry: Registry) -> None:
    partner = await registry.reviewed()
    refusal = problem(await registry.do(partner, "reinstate", REASON), 409, "illegal_move")
    assert refusal["state"] == "under_review"
    assert refusal["allowed"] == ["activate", "reject", "lock"]


async def test_a_lock_is_lifted_by_headquarters_only(registry: Registry) -> None:
    partner = await registry.active()
    home = registry.api.token(countries=["BGD"])
    locked = done(await registry.do(partner, "lock", REASON, headers=home))
    assert locked["eligibility_reasons"] == ["locked"]
    problem(await registry.do(partner, "unlock", REASON, headers=home), 403, "forbidden")
    unlocked = done(await registry.do(partner, "unlock", REASON))
    assert (unlocked["status"], unlocked["eligibility"]) == ("active", "eligible")


async def test_a_lock_survives_what_it_interrupted(registry: Registry) -> None:
    partner = await registry.active()
    done(await registry.do(partner, "suspend", REASON))
    done(await registry.do(partner, "lock", REASON))
    problem(await registry.do(partner, "reinstate", REASON), 409, "illegal_move")
    assert done(await registry.do(partner, "unlock", REASON))["status"] == "suspended"


async def test_a_rejected_partner_mends_and_submits_again(registry: Registry) -> None:
    partner = await registry.reviewed()
    rejected = done(await registry.decide(partner, "reject"))
    assert rejected["eligibility_reasons"] == ["rejected", "not_verified"]
    assert done(await registry.do(partner, "submit"))["status"] == "submitted"


async def test_an_unverified_partner_cannot_be_activated(registry: Registry) -> None:
    partner = await registry.reviewed()
    problem(await registry.decide(partner, "activate"), 409, "not_verified")
    done(await registry.do(partner, "verifications", {**GOOD, "other_risk": True}))
    problem(await registry.decide(partner, "activate"), 409, "not_verified")


async def test_a_verification_of_before_does_not_count_after_a_new_submission(
    registry: Registry,
) -> None:
    partner = await registry.reviewed()
    done(await registry.do(partner, "verifications", GOOD))
    done(await registry.decide(partner, "reject"))
    done(await registry.do(partner, "submit"))
    done(await registry.do(partner, "review"))
    problem(await registry.decide(partner, "activate"), 409, "not_verified")


async def test_a_bad_verification_closes_an_active_partner_at_once(registry: Registry) -> None:
    partner = await registry.active()
    found = done(await registry.do(partner, "verifications", {**GOOD, "unacceptable_flag": True}))
    assert found["status"] == "active"
    assert found["eligibility_reasons"] == ["not_verified"]
    again = done(await registry.do(partner, "verifications", GOOD))
    assert again["eligibility"] == "eligible"


async def test_verifications_cannot_be_rewritten(registry: Registry) -> None:
    await registry.active()
    for statement in (
        "UPDATE partner_verification SET other_risk = true",
        "DELETE FROM partner_verification",
        "TRUNCATE partner_verification",
    ):
        with pytest.raises(Exception, match="append-only"):
            await registry.rows(statement)


async def test_a_decision_needs_a_person(registry: Registry) -> None:
    partner = await registry.reviewed()
    machine = registry.api.token(human=False)
    problem(await registry.do(partner, "verifications", GOOD, headers=machine), 403, "forbidden")
    body = {"decision": "reject", **REASON}
    problem(await registry.do(partner, "decision", body, headers=machine), 403, "forbidden")


async def test_a_decision_needs_a_person_of_the_country(registry: Registry) -> None:
    partner = await registry.reviewed(countries=["BGD", "MMR"])
    neighbour = registry.api.token(countries=["MMR"])
    body = {"decision": "reject", **REASON}
    problem(await registry.do(partner, "decision", body, headers=neighbour), 403, "forbidden")


# --- the end of due diligence ---------------------------------------------------------------------


async def test_eligibility_ends_by_itself_after_its_last_day(registry: Registry) -> None:
    partner = await registry.active()
    registry.clock.advance(datetime(2025, 6, 21, 23, tzinfo=UTC) - registry.clock.now())
    path = f"/v1/partners/{partner['id']}/eligibility"
    assert done(await registry.api.get(path))["eligibility"] == "eligible"
    registry.clock.advance(timedelta(hours=1))
    lapsed = done(await registry.api.get(path))
    assert (lapsed["eligibility"], lapsed["reasons"]) == ("ineligible", ["expired"])
    assert await registry.found(eligibility="eligible") == []
    assert await registry.found(eligibility="ineligible") == ["Shapla Health Society"]


async def test_who_has_lapsed_expires_once_and_may_submit_again(registry: Registry) -> None:
    partner = await registry.active()
    registry.clock.advance(timedelta(days=5 * 366))
    machine = Actor.system("registry")
    assert await registry.api.units.run(expire_lapsed, actor=machine) == 1
    assert await registry.api.units.run(expire_lapsed, actor=machine) == 0
    expired = await registry.now(partner)
    assert (expired["status"], expired["eligibility_reasons"]) == ("expired", ["expired"])
    assert (await registry.published(partner))["status"] == "expired"
    assert done(await registry.do(partner, "submit"))["status"] == "submitted"


async def test_who_still_holds_does_not_expire(registry: Registry) -> None:
    await registry.active()
    registry.clock.advance(datetime(2025, 6, 21, 23, tzinfo=UTC) - registry.clock.now())
    assert await registry.api.units.run(expire_lapsed, actor=Actor.system("registry")) == 0


# --- what stays private ---------------------------------------------------------------------------


async def test_written_reasons_never_leave_and_are_not_readable_in_the_database(
    registry: Registry,
) -> None:
    partner = await registry.reviewed()
    body: dict[str, Any] = {"reason": SECRET}
    done(await registry.do(partner, "verifications", {**GOOD, "comment": SECRET}))
    done(await registry.do(partner, "decision", {"decision": "activate", **body}))
    for deed in ("suspend", "reinstate", "lock", "unlock"):
        done(await registry.do(partner, deed, body))
    done(await registry.do(partner, "localisation", {"local": "no", **body}, method="PUT"))
    rows = await registry.rows("SELECT * FROM journal")
    assert sum(row["private"] is not None for row in rows) == 8  # those seven, and the document
    assert not any(SECRET in str(dict(row)) for row in rows)
    everything = await registry.rows("SELECT * FROM partner")
    assert SECRET not in str([dict(row) for row in everything])


async def test_the_invariants_hold_after_all_that(registry: Registry) -> None:
    partner = await registry.active(identifiers=[{"scheme": "fts", "value": "12"}])
    done(await registry.do(partner, "suspend", REASON))
    for invariant in INVARIANTS:
        assert await registry.api.units.read(invariant.check, actor=PERSON) == []


@pytest.mark.parametrize(
    "tampering, invariant",
    [
        ("UPDATE partner SET legal_name = 'x', status = 'submitted'", "what is published"),
        (
            "INSERT INTO partner_verification (id, partner_id, certificate_seen, "
            "mandate_consistent, safeguards_in_place, other_risk, unacceptable_flag, verified_by, "
            "verified_at, valid_until, documents, excused) SELECT gen_random_uuid(), id, true, "
            "true, true, true, false, 'x', now(), '2030-01-01', '{}', '{}' FROM partner",
            "whoever is eligible",
        ),
        ("DELETE FROM partner_identifier", "every identifier"),
    ],
)
async def test_an_invariant_tells_of_its_breach(
    registry: Registry, tampering: str, invariant: str
) -> None:
    await registry.active(identifiers=[{"scheme": "fts", "value": "12"}])
    if "submitted" in tampering:
        await registry.rows(
            "UPDATE partner SET eligibility = 'ineligible', eligibility_reasons = '{expired}'"
        )
    await registry.rows(tampering)
    (broken,) = [each for each in INVARIANTS if each.name.startswith(invariant)]
    assert len(await registry.api.units.read(broken.check, actor=PERSON)) == 1


async def test_the_database_refuses_an_eligible_partner_that_is_not_active(
    registry: Registry,
) -> None:
    await registry.active()
    with pytest.raises(Exception, match="partner_eligible_is_earned"):
        await registry.rows("UPDATE partner SET status = 'suspended'")
