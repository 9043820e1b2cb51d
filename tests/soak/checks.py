"""What must hold after a soak: pure questions to what was gathered, a sentence for each breach.

Each service's own invariants (chains, ledgers, purses, parked events) and the comparison of mirrors
with their owners are not asked again here: `report` puts them beside these.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from soak.client import Request

SOUND = {200, 201, 204, 409, 412, 503}
"""What sound requests may be answered: done, refused by how things stand now, come again later."""

UNSENT = {"submitted", "approved", "released"}
SENT = {"sent", "unknown", "settled", "failed", "returned"}
SITTING = {"active", "dormant"}


@dataclass(frozen=True)
class Row:
    """A journal row. `event`: what happened, in a word. `status`: of the state after it, if any.

    `trace`: of the request behind it. `system`: no person did it.
    """

    service: str
    aggregate: str
    stream: str
    sequence: str
    event: str
    trace: str
    system: bool
    position: int | None
    status: str | None = None
    eligibility: str | None = None

    @property
    def topic(self) -> str:
        return f"{self.service}.{self.aggregate}.v1"


@dataclass(frozen=True)
class Record:
    """A record of Kafka that is no watermark."""

    topic: str
    key: str
    sequence: str
    event: str


@dataclass(frozen=True)
class Belonging:
    """A payment or a membership as it stands, with its partner. `held`: for ineligibility."""

    id: str
    partner: str
    status: str
    held: bool = False


@dataclass(frozen=True)
class Facts:
    """What was gathered when all was quiet. `rows` and `records` in their order.

    `remembered`: status and body under (service, key). `instructions`: the payments that they are
    for. `made`: how many things of each kind there are, by "service.aggregate".
    """

    requests: Sequence[Request]
    rows: Sequence[Row]
    records: Sequence[Record]
    remembered: Mapping[tuple[str, str], tuple[int, bytes]]
    payments: Sequence[Belonging]
    memberships: Sequence[Belonging]
    instructions: Sequence[str]
    made: Mapping[str, int]


@dataclass(frozen=True)
class Check:
    """Something that must hold, over how many things it was asked, and every breach of it."""

    name: str
    asked: int
    breaches: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.breaches


@dataclass
class _Finding:
    asked: int = 0
    breaches: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        self.asked += 1
        if not holds:
            self.breaches.append(otherwise)


def check_all(facts: Facts) -> list[Check]:
    """Every check of this module."""
    checks = []
    for name, ask in CHECKS.items():
        found = _Finding()
        ask(facts, found)
        checks.append(Check(name, found.asked, tuple(found.breaches)))
    return checks


# --- answers --------------------------------------------------------------------------------------


def _no_fault_of_ours(facts: Facts, found: _Finding) -> None:
    for request in facts.requests:
        for answer in request.answers:
            found.expect(
                answer.status < 500 or answer.status == 503,
                f"{request.operation} was answered {answer.status}: {answer.body[:200]!r}",
            )


def _sound_answers(facts: Facts, found: _Finding) -> None:
    for request in facts.requests:
        for answer in request.answers:
            found.expect(
                answer.status in SOUND or answer.status >= 500,
                f"{request.operation} was answered {answer.status}: {answer.body[:200]!r}",
            )


def _answered(facts: Facts, found: _Finding) -> None:
    for request in facts.requests:
        met = ", ".join(request.met[-5:])
        found.expect(request.answer is not None, f"{request.operation} met only {met}")


def _one_answer_per_key(facts: Facts, found: _Finding) -> None:
    for request in _changes(facts):
        done = {answer.body for answer in request.answers if answer.status < 300}
        found.expect(len(done) <= 1, f"{request.operation}: {request.key} has {len(done)} answers")


def _answers_are_remembered(facts: Facts, found: _Finding) -> None:
    for request in _accepted(facts):
        assert request.answer is not None
        if not request.key:
            continue
        stands = facts.remembered.get((request.service, request.key))
        given = (request.answer.status, request.answer.body)
        found.expect(stands == given, f"{request.operation}: under {request.key} stands {stands!r}")


# --- the journal ----------------------------------------------------------------------------------


def _in_the_journal(facts: Facts, found: _Finding) -> None:
    rows = _by_trace(facts)
    for request in _accepted(facts):
        written = rows[request.service, request.trace]
        found.expect(
            len(written) == 1 and _tells(written[0], request),
            f"{request.operation} was accepted with {request.answer}, and its rows are {written}",
        )


def _tells(row: Row, request: Request) -> bool:
    """Whether the sealed `row` says what the accepted request was answered."""
    assert request.answer is not None
    body = json.loads(request.answer.body)
    versions = {None, f'"{row.sequence}"'}
    return (
        row.position is not None
        and (row.stream == body.get("id") or row.stream in request.path)
        and request.answer.etag in versions
        and (row.status is None or row.status == body.get("status", row.status))
    )


def _refusals_wrote_nothing(facts: Facts, found: _Finding) -> None:
    rows = _by_trace(facts)
    for request in _changes(facts):
        if request.answer is not None and not request.accepted and not request.in_doubt:
            written = rows[request.service, request.trace]
            found.expect(not written, f"{request.operation} was refused and wrote {written}")


def _nothing_unasked(facts: Facts, found: _Finding) -> None:
    asked = {
        (request.service, request.trace)
        for request in _changes(facts)
        if request.accepted or request.in_doubt
    }
    for row in facts.rows:
        if not row.system:
            found.expect((row.service, row.trace) in asked, f"nobody asked for {row}")


def _one_thing_per_key(facts: Facts, found: _Finding) -> None:
    """Every 201 made one thing, no two the same, and there is nothing else."""
    made: dict[str, list[str]] = defaultdict(list)
    for row in facts.rows:
        if row.sequence.endswith("-0000000001") and not row.system:
            made[f"{row.service}.{row.aggregate}"].append(row.stream)
    for kind, count in facts.made.items():
        streams = made[kind]
        found.expect(
            len(set(streams)) == len(streams) == count,
            f"{kind}: {count} exist, {len(streams)} were asked for",
        )


def _versions_have_no_gap(facts: Facts, found: _Finding) -> None:
    for stream, rows in _by_stream(facts).items():
        versions = [int(row.sequence.partition("-")[2]) for row in rows]
        found.expect(
            versions == list(range(1, len(versions) + 1)), f"{stream} has the versions {versions}"
        )


# --- Kafka ----------------------------------------------------------------------------------------


def _order_in_kafka(facts: Facts, found: _Finding) -> None:
    """A batch that was sent twice repeats versions that were there already; the newest is last."""
    for key, sequences in _in_kafka(facts).items():
        first = list(dict.fromkeys(sequences))
        found.expect(
            first == sorted(first) and sequences[-1] == first[-1], f"{key} lies as {sequences}"
        )


def _kafka_has_all(facts: Facts, found: _Finding) -> None:
    sent = _in_kafka(facts)
    recorded: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in facts.rows:
        recorded[row.topic, row.stream].add(row.sequence)
    for key in sent.keys() | recorded.keys():
        there, told = recorded[key], set(sent.get(key, ()))
        found.expect(there == told, f"{key}: lost {there - told}, invented {told - there}")


# --- money and seats ------------------------------------------------------------------------------


def _sent_once(facts: Facts, found: _Finding) -> None:
    instructed = Counter(facts.instructions)
    told: dict[str, set[str]] = defaultdict(set)
    recorded: Counter[str] = Counter()
    for record in facts.records:
        if record.topic == "disbursement.payment.v1" and record.event == "sent":
            told[record.key].add(record.sequence)
    for row in facts.rows:
        if row.topic == "disbursement.payment.v1" and row.event == "sent":
            recorded[row.stream] += 1
    for payment in facts.payments:
        times = int(payment.status in SENT)
        counts = (instructed[payment.id], recorded[payment.id], len(told[payment.id]))
        found.expect(
            counts == (times,) * 3,
            f"{payment.id} is {payment.status}: {counts[0]} instructions, sent {counts[1]} times by"
            f" the journal, {counts[2]} times by Kafka",
        )


def _ineligible_is_held(facts: Facts, found: _Finding) -> None:
    eligible = _eligible(facts)
    for payment in facts.payments:
        if payment.partner not in eligible:
            found.expect(
                payment.status not in UNSENT, f"{payment} is on its way to an ineligible partner"
            )


def _eligible_is_not_held(facts: Facts, found: _Finding) -> None:
    eligible = _eligible(facts)
    for payment in facts.payments:
        if payment.partner in eligible:
            found.expect(not payment.held, f"{payment} is held for ineligibility")


def _seats_follow(facts: Facts, found: _Finding) -> None:
    eligible = _eligible(facts)
    for seat in facts.memberships:
        may_sit = seat.partner in eligible
        wrong = seat.held if may_sit else seat.status in SITTING
        found.expect(not wrong, f"{seat}, and its partner is {'in' * (not may_sit)}eligible")


CHECKS: Mapping[str, Callable[[Facts, _Finding], None]] = {
    "no request was answered with a fault of ours": _no_fault_of_ours,
    "every answer is one that a sound request may get": _sound_answers,
    "every request was answered in the end": _answered,
    "no key gave two different answers": _one_answer_per_key,
    "what a key answered is what stands under it": _answers_are_remembered,
    "every accepted request stands in the journal, once": _in_the_journal,
    "no refused request wrote anything": _refusals_wrote_nothing,
    "nothing was written that nobody asked for": _nothing_unasked,
    "every key that made something made one thing": _one_thing_per_key,
    "no version is missing or twice": _versions_have_no_gap,
    "Kafka keeps the order of every key": _order_in_kafka,
    "Kafka has every event, and no other": _kafka_has_all,
    "no payment was sent twice, none was lost": _sent_once,
    "nothing is on its way to an ineligible partner": _ineligible_is_held,
    "no payment of an eligible partner is held for that": _eligible_is_not_held,
    "seats follow their partners' eligibility": _seats_follow,
}


# --- ways to look at the facts --------------------------------------------------------------------


def _changes(facts: Facts) -> Iterator[Request]:
    return (request for request in facts.requests if request.changes)


def _accepted(facts: Facts) -> Iterator[Request]:
    return (request for request in _changes(facts) if request.accepted)


def _by_trace(facts: Facts) -> Mapping[tuple[str, str], list[Row]]:
    """What persons wrote, by service and trace."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in facts.rows:
        if not row.system:
            found[row.service, row.trace].append(row)
    return found


def _by_stream(facts: Facts) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in facts.rows:
        found[row.stream].append(row)
    return found


def _in_kafka(facts: Facts) -> Mapping[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in facts.records:
        found[record.topic, record.key].append(record.sequence)
    return found


def _eligible(facts: Facts) -> set[str]:
    """The partners that their owner calls eligible, by the newest of its rows."""
    newest = {row.stream: row for row in _partners(facts.rows)}
    return {stream for stream, row in newest.items() if row.eligibility == "eligible"}


def _partners(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if row.aggregate == "partner")
