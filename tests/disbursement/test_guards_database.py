"""What plain SQL cannot do, whoever sends it: skip a state, pass a hold, change what was signed."""

from __future__ import annotations

import pytest

from disbursement.agreements.rules import TRANSITIONS as OF_AGREEMENTS
from disbursement.payments.rules.lifecycle import TRANSITIONS as OF_PAYMENTS
from disbursement.payments.rules.lifecycle import PaymentStatus
from support.disbursement import TREASURY, World

# --- states ---


async def test_the_database_knows_the_same_moves_as_the_rules(world: World) -> None:
    rows = await world.fetch("SELECT aggregate, before, after FROM transition")
    assert {tuple(row) for row in rows} == {
        (aggregate, before.value, after.value)
        for aggregate, table in (("agreement", OF_AGREEMENTS), ("payment", OF_PAYMENTS))
        for before, targets in table.items()
        for after in targets
    }


async def test_no_move_is_added_to_the_table_or_taken_out(world: World) -> None:
    for statement in (
        "INSERT INTO transition VALUES ('payment', 'sent', 'draft')",
        "UPDATE transition SET after = 'draft' WHERE before = 'sent'",
        "DELETE FROM transition",
        "TRUNCATE transition",
    ):
        await world.refuses(statement, "FD001")


async def test_a_sent_payment_goes_nowhere_but_to_its_outcome(world: World) -> None:
    await world.sent()
    for status in ("draft", "submitted", "approved", "released", "withdrawn", "held"):
        held = ", held_from = 'released'" if status == "held" else ""
        await world.refuses(f"UPDATE payment SET status = '{status}'{held}", "FD011")


@pytest.mark.parametrize("status", ["approved", "released", "sent", "draft", "withdrawn"])
async def test_a_settled_payment_is_not_paid_again(world: World, status: str) -> None:
    await world.settled()
    await world.refuses(f"UPDATE payment SET status = '{status}'", "FD011")


async def test_only_a_draft_frees_its_tranche_by_being_withdrawn(world: World) -> None:
    await world.approved()
    await world.refuses("UPDATE payment SET status = 'withdrawn'", "FD011")


async def test_a_signed_agreement_is_no_draft_again(world: World) -> None:
    await world.agreement()
    for status in ("draft", "signature", "closed", "cancelled"):
        await world.refuses(f"UPDATE agreement SET status = '{status}'", "FD011")


# --- holds ---


@pytest.mark.parametrize("state, after", [("approved", "released"), ("released", "sent")])
async def test_money_does_not_leave_while_something_holds_it(
    world: World, state: str, after: str
) -> None:
    """The payment's own state was mended by hand, the hold forgotten."""
    payment = await getattr(world, state)()
    await world.execute(
        "INSERT INTO payment_hold (id, payment_id, cause, took_effect, placed_at, placed_by)"
        " VALUES (gen_random_uuid(), $1, 'person', true, now(), 'boris')",
        payment.id,
    )
    await world.refuses(f"UPDATE payment SET status = '{after}'", "FD010")


async def test_a_draft_that_something_holds_is_not_submitted(world: World) -> None:
    await world.revise(await world.hold(await world.submitted()))
    await world.refuses("UPDATE payment SET status = 'submitted'", "FD010")


async def test_a_hold_that_came_too_late_stops_no_outcome(world: World) -> None:
    partner = await world.partner()
    payment = await world.sent(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    assert (await world.evidence(payment, "settled")).status is PaymentStatus.SETTLED


async def test_only_the_service_places_and_lifts_a_hold_for_ineligibility(world: World) -> None:
    partner = await world.partner()
    payment = await world.approved(await world.agreement(partner=partner))
    await world.says(partner, eligibility="ineligible")
    await world.react(partner)
    await world.refuses("UPDATE payment_hold SET lifted_by = 'boris', lifted_at = now()", "23514")
    await world.refuses(
        "INSERT INTO payment_hold (id, payment_id, cause, took_effect, placed_at, placed_by)"
        f" VALUES (gen_random_uuid(), '{payment.id}', 'partner_ineligible', true, now(), 'boris')",
        "23514",
    )


# --- evidence ---


async def test_a_payment_is_not_closed_while_evidence_that_waits_says_otherwise(
    world: World,
) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    await world.refuses("UPDATE payment SET status = 'settled'", "FD013")


async def test_what_was_decided_on_evidence_stays(world: World) -> None:
    payment = await world.sent()
    await world.evidence(payment, "failed")
    await world.dismissed(payment, "failed")
    await world.refuses(
        "UPDATE payment_evidence SET standing = 'waiting', dismissed_by = NULL,"
        " dismissed_at = NULL",
        "FD001",
    )


async def test_nobody_dismisses_the_own_evidence(world: World) -> None:
    await world.evidence(await world.sent(), "failed", actor=TREASURY)
    await world.refuses(
        "UPDATE payment_evidence SET standing = 'dismissed', dismissed_by = 'tariq',"
        " dismissed_at = now()",
        "23514",
    )


# --- what was signed ---


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agreement_tranche SET amount = 50000 + CASE number WHEN 1 THEN 1 ELSE -1 END",
        "UPDATE agreement_tranche SET planned_on = current_date",
        "DELETE FROM agreement_tranche",
        "INSERT INTO agreement_tranche (agreement_id, number, amount) SELECT id, 3, 1"
        " FROM agreement",
    ],
)
async def test_tranches_stay_once_the_agreement_left_draft(world: World, statement: str) -> None:
    draft = await world.draft(await world.grant(), await world.partner())
    await world.execute(
        "UPDATE agreement_tranche SET planned_on = current_date WHERE agreement_id = $1", draft.id
    )
    await world.execute("UPDATE agreement SET status = 'review' WHERE id = $1", draft.id)
    await world.refuses(statement, "FD012")
