"""The service as a whole: its schema, its invariants, its description."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from common.actor import Actor
from common.http import Page
from coordination.metadata import metadata
from coordination.service import SERVICE
from support.coordination import Coordination, done, partner_record

COLUMNS = """
SELECT table_name, column_name, is_nullable = 'YES' AS nullable
FROM information_schema.columns WHERE table_schema = 'public'
"""


async def breaches(house: Coordination) -> dict[str, list[str]]:
    """The invariants that do not hold."""
    found = {}
    for invariant in SERVICE.invariants:
        told = await house.api.units.read(invariant.check, actor=Actor.system("coordination"))
        if told:
            found[invariant.name] = told
    return found


async def run(house: Coordination, statement: str, **values: Any) -> None:
    """A statement behind the commands' back."""
    async with house.api.runtime.engine.begin() as db:
        await db.execute(text(statement), values)


async def test_the_migrated_schema_is_what_the_code_expects(house: Coordination) -> None:
    async with house.api.runtime.engine.connect() as db:
        rows = (await db.execute(text(COLUMNS))).all()
    found = {(row.table_name, row.column_name): row.nullable for row in rows}
    expected = {
        (table.name, column.name): column.nullable
        for table in metadata.tables.values()
        for column in table.columns
    }
    assert {name: found.get(name) for name in expected} == expected
    ours = {table.name for table in metadata.tables.values()}
    assert {name for name in found if name[0] in ours} == set(expected)


def test_every_answer_has_an_example() -> None:
    answers = {each.answer for routes in SERVICE.routes for each in routes.declared}
    without = {
        model.__name__
        for model in answers
        if not issubclass(model, Page) and not model.model_json_schema().get("examples")
    }
    assert without == set()


@pytest.mark.parametrize("aggregate", SERVICE.aggregates, ids=lambda each: each.name)
def test_the_example_of_a_state_is_one(aggregate: Any) -> None:
    (example,) = aggregate.state.model_config["json_schema_extra"]["examples"]
    assert aggregate.state.model_validate_json(json.dumps(example))


async def test_the_invariants_hold_after_a_story(house: Coordination) -> None:
    partner = await house.partner()
    member = await house.member(await house.cluster(), partner)
    done(await house.do(member, "give-role", {"role": "lead_agency"}))
    await house.registry.says(partner, eligibility="ineligible")
    assert await breaches(house) == {}


async def test_an_ineligible_partner_that_sits_is_found_once_its_reaction_has_run(
    house: Coordination,
) -> None:
    partner = await house.partner()
    member = await house.member(await house.cluster(), partner)
    await house.registry.hear(partner_record(partner, 2, eligibility="ineligible"))
    assert await breaches(house) == {}
    await run(house, "DELETE FROM reaction_due")
    (told,) = (await breaches(house))["no partner that is ineligible sits in a cluster"]
    assert member["id"] in told


async def test_a_partner_that_sits_after_its_time_is_found_when_the_chore_has_had_its_hour(
    house: Coordination,
) -> None:
    partner = await house.partner(eligible_until="2020-06-22")
    member = await house.member(await house.cluster(), partner)
    house.clock.advance(timedelta(hours=12, minutes=59))
    assert await breaches(house) == {}
    house.clock.advance(timedelta(minutes=1))
    (told,) = (await breaches(house))["no partner that is ineligible sits in a cluster"]
    assert member["id"] in told


async def test_an_eligible_partner_that_stays_suspended_is_found(house: Coordination) -> None:
    partner = await house.partner()
    member = await house.member(await house.cluster(), partner)
    await house.registry.says(partner, eligibility="ineligible")
    await house.registry.hear(partner_record(partner, 3))
    assert await breaches(house) == {}
    await run(house, "DELETE FROM reaction_due")
    (told,) = (await breaches(house))["no eligible partner's seat stays suspended"]
    assert member["id"] in told


async def test_a_seat_at_no_table_is_found(house: Coordination) -> None:
    member = await house.member(await house.cluster(), await house.partner())
    await run(house, "UPDATE cluster SET status = 'deactivated', deactivated_on = '2020-06-22'")
    (told,) = (await breaches(house))["every seat is in a live cluster"]
    assert member["id"] in told


WAYS = {
    "by partner": "WHERE partner_id = '01907c3e-9f4b-7a21-8a70-3f6f2f6f1c04' ORDER BY id LIMIT 50",
    "by cluster": "WHERE cluster_id = '01907c3e-9f4b-7a21-8a70-3f6f2f6f1c02' ORDER BY id LIMIT 50",
    "by country": "WHERE country = 'BGD' ORDER BY id LIMIT 50",
    "by status": "WHERE status = 'active' ORDER BY id LIMIT 50",
    "all": "ORDER BY id LIMIT 50",
}


@pytest.mark.parametrize("way", WAYS)
async def test_memberships_are_listed_in_order_from_an_index(house: Coordination, way: str) -> None:
    async with house.api.runtime.engine.begin() as db:
        await db.execute(text("SET LOCAL enable_sort = off"))
        await db.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await db.execute(text(f"EXPLAIN SELECT * FROM membership {WAYS[way]}"))
        lines = "\n".join(row[0] for row in plan)
    assert "Sort" not in lines
    assert "Filter" not in lines


SEAT = """
INSERT INTO membership (id, sequence, partner_id, cluster_id, code, country, role, status,
                        suspended_for, before, commitments_version, joined_on)
SELECT gen_random_uuid(), '0001-0000000001', gen_random_uuid(), id, :code, country, :role, :status,
       CAST(:causes AS text[]), :before, :version, '2020-06-22'
FROM cluster
"""


@pytest.mark.parametrize(
    "change",
    [
        {"code": "WSH"},
        {"version": None},
        {"status": "suspended"},
        {"causes": ["partner_ineligible"]},
        {"status": "suspended", "causes": ["a whim"], "before": "active"},
        {"before": "active"},
        {"causes": ["cluster_decision"]},
        {"role": "chair"},
        {"status": "sitting"},
    ],
    ids=str,
)
async def test_the_database_itself_refuses_a_seat_that_cannot_be(
    house: Coordination, change: dict[str, Any]
) -> None:
    await house.cluster()
    seat: dict[str, Any] = {
        "code": "HEA",
        "role": "member",
        "status": "active",
        "causes": [],
        "before": None,
        "version": 1,
    }
    await run(house, SEAT, **seat)
    with pytest.raises(IntegrityError):
        await run(house, SEAT, **{**seat, **change})
