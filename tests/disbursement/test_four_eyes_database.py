"""Four eyes are the database's: plain SQL cannot approve, release or close a payment alone."""

from __future__ import annotations

import pytest

from common.actor import Actor
from disbursement.payments import commands
from support.disbursement import BORIS, TREASURY, World, usd

APPROVE = (
    "INSERT INTO payment_approval VALUES"
    " ('{id}', {revision}, '{person}', 'approved', '{hash}', now())"
)


@pytest.mark.parametrize("person", ["amina", "chen"])
async def test_neither_a_submitter_nor_an_author_of_any_revision_approves(
    world: World, person: str
) -> None:
    payment = await world.submitted()
    await world.run(lambda uow: commands.revise_payment(uow, payment.id, None), _person("chen"))
    again = await world.run(lambda uow: commands.resubmit_payment(uow, payment.id))
    await world.refuses(
        APPROVE.format(id=payment.id, revision=2, person=person, hash=again.payload_hash),
        "FD006",
    )


async def test_a_person_acts_once_on_a_revision(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    await world.approve(payment, BORIS)
    await world.refuses(
        APPROVE.format(id=payment.id, revision=1, person="boris", hash=payment.payload_hash),
        "23505",
    )


async def test_an_approval_of_another_payload_is_refused(world: World) -> None:
    payment = await world.submitted()
    await world.refuses(
        APPROVE.format(id=payment.id, revision=1, person="boris", hash="0" * 64), "FD007"
    )


async def test_what_was_not_submitted_is_not_approved(world: World) -> None:
    payment = await world.submitted()
    draft = await world.run(lambda uow: commands.revise_payment(uow, payment.id, None))
    await world.refuses(
        APPROVE.format(id=payment.id, revision=2, person="boris", hash=draft.payload_hash),
        "23503",
    )


async def test_what_people_did_stays(world: World) -> None:
    await world.sent()
    for table, column in (
        ("payment_approval", "payload_hash"),
        ("payment_submission", "approvals_required"),
        ("payment_revision", "payload_hash"),
        ("payment_instruction", "payload_hash"),
    ):
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            await world.refuses(statement, "FD001")


async def test_a_payment_does_not_go_on_without_its_approvals(world: World) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    await world.approve(payment, BORIS)
    for status in ("approved", "released", "sent", "settled", "failed", "unknown", "returned"):
        await world.refuses(f"UPDATE payment SET status = '{status}'", "FD008")


async def test_a_payment_does_not_start_approved(world: World) -> None:
    await world.submitted()
    await world.refuses(
        "INSERT INTO payment SELECT (jsonb_populate_record(p, jsonb_build_object("
        "'id', gen_random_uuid(), 'tranche', 2, 'status', 'approved'))).* FROM payment p",
        "FD008",
    )


async def test_a_hold_is_no_way_around_the_approvals(world: World) -> None:
    payment = await world.submitted()
    await world.execute("UPDATE payment SET status = 'held', held_from = 'approved'")
    await world.refuses(
        f"UPDATE payment SET status = 'approved', held_from = NULL WHERE id = '{payment.id}'",
        "FD008",
    )


async def test_fewer_approvals_on_the_payment_do_not_change_what_its_submission_takes(
    world: World,
) -> None:
    payment = await world.submitted(await world.agreement(amount=usd(200_000)))
    await world.approve(payment, BORIS)
    await world.refuses("UPDATE payment SET approvals_required = 1, status = 'approved'", "FD008")


async def test_a_payload_changed_after_its_approval_is_not_approved(world: World) -> None:
    await world.approved()
    await world.refuses(f"UPDATE payment SET payload_hash = '{'0' * 64}'", "FD008")


async def test_an_unknown_payment_does_not_leave_without_confirmed_evidence(world: World) -> None:
    payment = await world.evidence(await world.sent(), "unknown", "no_answer")
    await world.evidence(payment, "settled", "account_statement")
    for status in ("settled", "failed", "sent", "held", "draft", "released"):
        held = ", held_from = 'approved'" if status == "held" else ""
        await world.refuses(f"UPDATE payment SET status = '{status}'{held}", "FD009")


async def test_nobody_confirms_the_own_evidence(world: World) -> None:
    payment = await world.evidence(await world.sent(), "unknown", "no_answer")
    await world.evidence(payment, "settled", actor=TREASURY)
    await world.refuses(
        "UPDATE payment_evidence SET confirmed_by = 'tariq', confirmed_at = now()"
        " WHERE outcome = 'settled'",
        "23514",
    )


async def test_evidence_is_not_edited(world: World) -> None:
    await world.settled()
    await world.refuses("UPDATE payment_evidence SET outcome = 'failed'", "FD001")
    await world.refuses("DELETE FROM payment_evidence", "FD001")


async def test_a_lifted_hold_is_not_edited(world: World) -> None:
    await world.lift(await world.hold(await world.submitted()))
    await world.refuses("UPDATE payment_hold SET lifted_by = 'nobody'", "FD001")
    await world.refuses("DELETE FROM payment_hold", "FD001")


def _person(name: str) -> Actor:
    return Actor(subject=name, human=True)


async def test_a_held_payment_does_not_go_on_while_something_holds_it(world: World) -> None:
    await world.hold(await world.approved())
    for status in ("submitted", "approved", "released"):
        await world.refuses(f"UPDATE payment SET status = '{status}', held_from = NULL", "FD010")
