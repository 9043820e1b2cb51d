"""The soak's audit can fail: whatever is broken in a sound state is found by the check for it.

The state is written here by hand; `make soak` asks the same of what it left in the servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random  # noqa: TID251 - the plan is made from a seed

import pytest

from soak.checks import CHECKS, Belonging, Facts, Record, Row, check_all
from soak.client import Answer, Request
from soak.disorder import Kind, plan

ELIGIBLE, INELIGIBLE, PAID, HELD, SEAT, LOST_SEAT = (f"{n}{n}" * 16 for n in range(1, 7))


def asked(trace: str, service: str, path: str, status: int, stream: str, state: str) -> Request:
    """A request with its answer; a refusal has a code for its state."""
    version = 2 if path.endswith("send") else 1
    body = {"id": stream, "status": state} if status < 300 else {"code": state}
    answer = Answer(status, json.dumps(body).encode(), f'"{sequence(version)}"')
    return Request(
        service,
        f"POST {path}",
        "POST",
        path,
        f"key-{trace}",
        trace,
        {},
        answers=[answer],
        met=[str(status)],
        answer=answer,
    )


def row(
    topic: str, stream: str, version: int, event: str, trace: str, position: int, **facts: str
) -> Row:
    """A sealed row; reactions are the system's."""
    service, aggregate = topic.split(".")
    system = event in ("held", "suspended")
    return Row(
        service,
        aggregate,
        stream,
        sequence(version),
        event,
        trace,
        system,
        position,
        facts.get("status"),
        facts.get("eligibility"),
    )


def sequence(version: int) -> str:
    return f"0001-{version:010d}"


def sound() -> Facts:
    """Two partners, one not eligible; a payment of each, one sent and one held; a seat of each."""
    requests = [
        asked("t1", "registry", "/v1/partners", 201, ELIGIBLE, "active"),
        asked("t2", "registry", "/v1/partners", 201, INELIGIBLE, "active"),
        asked("t3", "disbursement", "/v1/payments", 201, PAID, "submitted"),
        asked("t4", "disbursement", f"/v1/payments/{PAID}/send", 200, PAID, "sent"),
        asked("t5", "disbursement", "/v1/payments", 201, HELD, "submitted"),
        asked("t6", "disbursement", f"/v1/payments/{HELD}/send", 409, HELD, "illegal_move"),
        asked("t7", "coordination", "/v1/clusters/a/requests", 201, SEAT, "active"),
        asked("t8", "coordination", "/v1/clusters/a/requests", 201, LOST_SEAT, "active"),
    ]
    partner, payment, seat = "registry.partner", "disbursement.payment", "coordination.membership"
    rows = [
        row(partner, ELIGIBLE, 1, "registered", "t1", 1, status="active", eligibility="eligible"),
        row(partner, INELIGIBLE, 1, "registered", "t2", 2, status="active", eligibility="no"),
        row(payment, PAID, 1, "submitted", "t3", 1, status="submitted"),
        row(payment, PAID, 2, "sent", "t4", 2, status="sent"),
        row(payment, HELD, 1, "submitted", "t5", 3, status="submitted"),
        row(payment, HELD, 2, "held", "t2", 4, status="held"),
        row(seat, SEAT, 1, "joined", "t7", 1, status="active"),
        row(seat, LOST_SEAT, 1, "joined", "t8", 2, status="active"),
        row(seat, LOST_SEAT, 2, "suspended", "t2", 3, status="suspended"),
    ]
    return Facts(
        requests=requests,
        rows=rows,
        records=[Record(each.topic, each.stream, each.sequence, each.event) for each in rows],
        remembered={
            (each.service, each.key): (each.answer.status, each.answer.body)
            for each in requests
            if each.answer is not None
        },
        payments=[Belonging(PAID, ELIGIBLE, "sent"), Belonging(HELD, INELIGIBLE, "held", True)],
        memberships=[
            Belonging(SEAT, ELIGIBLE, "active"),
            Belonging(LOST_SEAT, INELIGIBLE, "suspended", True),
        ],
        instructions=[PAID],
        made={partner: 2, payment: 2, seat: 2},
    )


def failed(facts: Facts) -> set[str]:
    return {check.name for check in check_all(facts) if not check.holds}


def test_a_sound_state_passes_every_check() -> None:
    assert failed(sound()) == set()
    assert all(check.asked for check in check_all(sound()))


# --- what may break -------------------------------------------------------------------------------


def answered(number: int, answer: Answer | None) -> Callable[[Facts], Facts]:
    """One request gets another answer, after the one that it had."""

    def broken(facts: Facts) -> Facts:
        requests = list(facts.requests)
        before = requests[number]
        answers = [*before.answers, *([answer] if answer else [])]
        requests[number] = replace(before, answers=answers, answer=answer)
        return replace(facts, requests=requests)

    return broken


def without_row(number: int) -> Callable[[Facts], Facts]:
    """A row is lost, and Kafka never had it."""

    def broken(facts: Facts) -> Facts:
        rows, records = list(facts.rows), list(facts.records)
        del rows[number], records[number]
        return replace(facts, rows=rows, records=records)

    return broken


def another_row(number: int, **changed: object) -> Callable[[Facts], Facts]:
    """A row is followed by one like it, and Kafka has both."""

    def broken(facts: Facts) -> Facts:
        added = replace(facts.rows[number], **changed)  # type: ignore[arg-type]
        record = Record(added.topic, added.stream, added.sequence, added.event)
        return replace(facts, rows=[*facts.rows, added], records=[*facts.records, record])

    return broken


def kafka_has(order: tuple[int, ...]) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, records=[facts.records[number] for number in order])


def pays(number: int, status: str, held: bool = False) -> Callable[[Facts], Facts]:
    """A payment stands otherwise."""

    def broken(facts: Facts) -> Facts:
        payments = list(facts.payments)
        payments[number] = replace(payments[number], status=status, held=held)
        return replace(facts, payments=payments)

    return broken


def sits(number: int, status: str, held: bool = False) -> Callable[[Facts], Facts]:
    """A seat stands otherwise."""

    def broken(facts: Facts) -> Facts:
        seats = list(facts.memberships)
        seats[number] = replace(seats[number], status=status, held=held)
        return replace(facts, memberships=seats)

    return broken


OTHER = Answer(201, b'{"id": "other", "status": "submitted"}', f'"{sequence(1)}"')
FAULT = Answer(500, b'{"code": "internal_error"}')
MISSING = Answer(404, b'{"code": "not_found"}')

BROKEN: list[tuple[str, str, Callable[[Facts], Facts]]] = [
    ("a 500", "no request was answered with a fault of ours", answered(5, FAULT)),
    ("a 404", "every answer is one that a sound request may get", answered(5, MISSING)),
    ("no answer", "every request was answered in the end", answered(2, None)),
    ("a second body", "no key gave two different answers", answered(2, OTHER)),
    ("another body kept", "what a key answered is what stands under it", answered(2, OTHER)),
    ("a lost row", "every accepted request stands in the journal, once", without_row(3)),
    (
        "a row of another state",
        "every accepted request stands in the journal, once",
        lambda facts: replace(facts, rows=[replace(each, status="held") for each in facts.rows]),
    ),
    (
        "a row that is not sealed",
        "every accepted request stands in the journal, once",
        lambda facts: replace(facts, rows=[replace(each, position=None) for each in facts.rows]),
    ),
    (
        "done twice",
        "every accepted request stands in the journal, once",
        another_row(3, sequence=sequence(3)),
    ),
    (
        "a refusal that wrote",
        "no refused request wrote anything",
        another_row(5, sequence=sequence(3), trace="t6", system=False),
    ),
    (
        "a row of nobody",
        "nothing was written that nobody asked for",
        another_row(5, sequence=sequence(3), trace="t99", system=False),
    ),
    (
        "a second payment for one key",
        "every key that made something made one thing",
        lambda facts: replace(facts, made={**facts.made, "disbursement.payment": 3}),
    ),
    ("a gap", "no version is missing or twice", without_row(2)),
    ("a version twice", "no version is missing or twice", another_row(3)),
    ("older after newer", "Kafka keeps the order of every key", kafka_has((0, 1, 3, 2, 4, 5))),
    ("an older one last", "Kafka keeps the order of every key", kafka_has((2, 3, 2))),
    ("a lost event", "Kafka has every event, and no other", kafka_has(tuple(range(8)))),
    (
        "an invented event",
        "Kafka has every event, and no other",
        lambda facts: replace(facts, rows=facts.rows[:-1]),
    ),
    (
        "a second instruction",
        "no payment was sent twice, none was lost",
        lambda facts: replace(facts, instructions=[PAID, PAID]),
    ),
    (
        "a second sent event",
        "no payment was sent twice, none was lost",
        another_row(3, sequence=sequence(3)),
    ),
    ("sent, and forgotten", "no payment was sent twice, none was lost", pays(0, "x")),
    (
        "approved, and its partner ineligible",
        "nothing is on its way to an ineligible partner",
        pays(1, "approved"),
    ),
    (
        "held, and its partner eligible",
        "no payment of an eligible partner is held for that",
        pays(0, "sent", True),
    ),
    (
        "seated, and ineligible",
        "seats follow their partners' eligibility",
        sits(1, "active"),
    ),
    (
        "suspended, and eligible",
        "seats follow their partners' eligibility",
        sits(0, "suspended", True),
    ),
]


@pytest.mark.parametrize(
    "check, broken",
    [pytest.param(check, broken, id=what) for what, check, broken in BROKEN],
)
def test_what_is_broken_is_found(check: str, broken: Callable[[Facts], Facts]) -> None:
    assert check in failed(broken(sound()))


def test_every_check_is_broken_once() -> None:
    assert {check for _, check, _ in BROKEN} == set(CHECKS)


def test_a_batch_that_was_sent_twice_breaks_nothing() -> None:
    facts = sound()
    twice = [*facts.records[2:4], *facts.records[2:4]]
    assert failed(replace(facts, records=[*facts.records, *twice])) == set()


def test_a_refusal_after_a_lost_sending_is_uncertain() -> None:
    refused = sound().requests[5]
    assert not refused.uncertain
    assert replace(refused, met=["ReadTimeout", *refused.met]).uncertain


# --- the plan -------------------------------------------------------------------------------------


def test_the_same_seed_breaks_the_same_things() -> None:
    assert plan(Random(7), 300) == plan(Random(7), 300)
    assert plan(Random(7), 300) != plan(Random(8), 300)


def test_a_plan_keeps_to_its_time_and_breaks_everything() -> None:
    faults = plan(Random(7), 600)
    assert all(fault.at < 600 for fault in faults)
    assert {fault.kind for fault in faults} == set(Kind)
