"""Payments and their money, driven by Hypothesis through the real commands on a real database,
beside an oracle in plain Python (`support.payment_oracle`): whatever is done in whatever order, the
service and the oracle agree on what is refused, where each payment stands, what holds it, which
evidence counts, and every balance.

The same examples in every run. `--hypothesis-seed=7 --timeout=3600` tries many more, other ones for
every seed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from common.uow import UnitOfWork
from disbursement.agreements import commands as agreements
from disbursement.payments import commands
from disbursement.payments.commands import NewPayment
from disbursement.payments.commands.outcome import Evidence
from disbursement.payments.rules.evidence import EvidenceKind, Outcome
from disbursement.payments.rules.holds import HoldReason
from support.disbursement import TODAY, usd
from support.payment_oracle import AFTER, DECIDERS, NOT_LIVE, PLACES, PROVES, Oracle, Pact
from support.payment_rig import PEOPLE, Given, Kept, Rig, open_rig

EXAMPLES = 20
STEPS = 70
LONG_EXAMPLES = 500

T = TypeVar("T")

GRANT = 300_000
PACTS = {"small": (20_000, 1), "large": (60_000, 2)}
"""What a tranche of each agreement is, and how many approvals that takes."""
TRANCHES = 2

DEEDS = {
    "go_on": 8,
    "submit": 4,
    "approve": 2,
    "reject": 3,
    "revise": 2,
    "resubmit": 2,
    "withdraw": 2,
    "hold": 4,
    "lift": 4,
    "the_registry_says": 2,
    "react": 2,
    "the_mirror_ages": 1,
    "release": 2,
    "send": 2,
    "say": 8,
    "confirm": 6,
    "dismiss": 2,
    "receipt": 1,
    "suspend": 1,
    "resume": 2,
    "terminate": 1,
}
"""What is done, and how often."""


class Model(RuleBasedStateMachine):
    """One example: a grant with two agreements of two partners, and whatever is done to them."""

    rig: ClassVar[Rig]

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.kept: list[Kept] = []
        self.ids: dict[str, UUID] = {}
        self.tranches: dict[str, Any] = {}
        self._set_up()

    def _set_up(self) -> None:
        world, run = self.rig.world, self.rig.run
        grant = run(world.grant(usd(GRANT)))
        self.grant = self.ids["grant"] = grant.id
        self.oracle.purses["grant", "available"] = Decimal(GRANT)
        for name, (amount, needs) in PACTS.items():
            partner = run(world.partner())
            agreement = run(world.agreement(grant, partner, usd(amount * TRANCHES)))
            self.ids[name], self.ids[f"partner of {name}"] = agreement.id, partner
            self.tranches[name] = {each.number: each.amount for each in agreement.tranches}
            self.oracle.eligible[name] = True
            tranches = {number + 1: Decimal(amount) for number in range(TRANCHES)}
            self.oracle.sign(Pact(name, name, tranches, needs))
        for name in PACTS:
            self.submit(Given(0, name, "amina", "", odd=False))

    # --- doing it on both sides -------------------------------------------------------------------

    def done(
        self,
        expected: set[str],
        work: Callable[[UnitOfWork], Awaitable[T]],
        person: str = "amina",
    ) -> T | None:
        """What the service makes of it, which must be what the oracle expects."""
        result, code = self.rig.do(work, PEOPLE[person])
        assert (code in expected) if code else not expected, f"{code=}, {expected=}"
        self.rig.reached[code or "done"] += 1
        return result

    def pact(self, name: str) -> Pact:
        return next(pact for pact in self.oracle.pacts if pact.name == name)

    @rule(
        deed=st.sampled_from([deed for deed, often in DEEDS.items() for _ in range(often)]),
        which=st.integers(0, 7),
        name=st.sampled_from(sorted(PACTS)),
        person=st.sampled_from([*PEOPLE, "tariq", "chen"]),
        outcome=st.sampled_from(["settled", "settled", "failed", "unknown", "returned"]),
        odd=st.sampled_from([False] * 9 + [True]),
    )
    def step(self, deed: str, **given: Any) -> None:
        """One deed. A single rule, so that every example tries deeds of all kinds."""
        getattr(self, deed)(Given(**given))

    def a_payment(self, given: Given) -> Kept:
        """One of the payments; the newest come first."""
        return self.kept[-1 - given.which % len(self.kept)]

    # --- submitting and deciding ------------------------------------------------------------------

    def submit(self, given: Given) -> None:
        tranche = 1 + given.which % TRANCHES
        amount = usd(1) if given.odd else self.tranches[given.name][tranche]
        new = NewPayment(self.ids[given.name], tranche, amount)
        pact = self.pact(given.name)
        expected = self.oracle.submit(pact, tranche, given.person, whole=not given.odd)
        made = self.done(expected, lambda uow: commands.submit_payment(uow, new), given.person)
        if made is not None:
            self.kept.append(Kept(self.oracle.slips[-1], made.id, [made.payload_hash]))

    def approve(self, given: Given) -> None:
        self._approve(self.a_payment(given), given.person, late=given.odd)

    def _approve(self, payment: Kept, person: str, *, late: bool = False) -> None:
        """Who is late has seen the first revision."""
        hash_, id_ = payment.hashes[0 if late else -1], payment.id
        expected = self.oracle.approve(payment.slip, person, seen=hash_ == payment.hashes[-1])
        self.done(expected, lambda uow: commands.approve_payment(uow, id_, hash_), person)

    def reject(self, given: Given) -> None:
        payment, person = self.a_payment(given), given.person
        hash_, id_ = payment.hashes[0 if given.odd else -1], payment.id
        expected = self.oracle.reject(payment.slip, person, seen=hash_ == payment.hashes[-1])
        self.done(expected, lambda uow: commands.reject_payment(uow, id_, hash_, "No."), person)

    def revise(self, given: Given) -> None:
        self._revise(self.a_payment(given), given.person)

    def _revise(self, payment: Kept, person: str) -> None:
        expected, id_ = self.oracle.revise(payment.slip, person), payment.id
        revised = self.done(expected, lambda uow: commands.revise_payment(uow, id_, None), person)
        if revised is not None:
            payment.hashes.append(revised.payload_hash)

    def resubmit(self, given: Given) -> None:
        self._resubmit(self.a_payment(given), given.person)

    def _resubmit(self, payment: Kept, person: str) -> None:
        expected, id_ = self.oracle.resubmit(payment.slip, person), payment.id
        self.done(expected, lambda uow: commands.resubmit_payment(uow, id_), person)

    def withdraw(self, given: Given) -> None:
        payment = self.a_payment(given)
        expected, id_ = self.oracle.withdraw(payment.slip), payment.id
        self.done(expected, lambda uow: commands.withdraw_payment(uow, id_, "Given up."))

    # --- holding ----------------------------------------------------------------------------------

    def hold(self, given: Given) -> None:
        payment, reason = self.a_payment(given), HoldReason.UNDER_REVIEW
        expected, id_ = self.oracle.hold(payment.slip), payment.id
        self.done(expected, lambda uow: commands.hold_payment(uow, id_, reason), "boris")

    def lift(self, given: Given) -> None:
        self._lift(self.a_payment(given))

    def _lift(self, payment: Kept) -> None:
        expected, id_ = self.oracle.lift(payment.slip), payment.id
        self.done(expected, lambda uow: commands.lift_hold(uow, id_), "chen")

    def the_registry_says(self, given: Given) -> None:
        """Something new of a partner; the reaction to it may come later."""
        eligible = given.which > 2
        self.oracle.eligible[given.name] = eligible
        partner = self.ids[f"partner of {given.name}"]
        word = "eligible" if eligible else "ineligible"
        self.rig.run(self.rig.world.says(partner, eligibility=word))
        if given.which % 2:
            self.react(given)

    def react(self, given: Given) -> None:
        expected = self.oracle.react(given.name)
        partner = self.ids[f"partner of {given.name}"]
        came = self.rig.run(self.rig.world.react(partner, fresh=self.oracle.fresh))
        assert came.value == expected

    def the_mirror_ages(self, given: Given) -> None:
        """What we know of partners is old, or new again."""
        self.oracle.fresh = given.which > 1
        world = self.rig.world
        age = timedelta(minutes=0 if self.oracle.fresh else 5)
        self.rig.run(world.watermark(world.now - age))

    # --- paying -----------------------------------------------------------------------------------

    def release(self, given: Given) -> None:
        self._release(self.a_payment(given), given.person)

    def _release(self, payment: Kept, person: str) -> None:
        expected, id_ = self.oracle.release(payment.slip, person), payment.id
        self.done(expected, lambda uow: commands.release_payment(uow, id_), person)

    def send(self, given: Given) -> None:
        self._send(self.a_payment(given), given.person)

    def _send(self, payment: Kept, person: str) -> None:
        expected, id_ = self.oracle.send(payment.slip, person), payment.id
        self.done(expected, lambda uow: commands.send_payment(uow, id_), person)

    def go_on(self, given: Given) -> None:
        """The next steps that are meant for a payment, so that examples come far."""
        for _ in range(1 + given.which):
            self._go_on(self.a_payment(given), given.outcome)

    def _go_on(self, payment: Kept, outcome: str) -> None:
        slip = payment.slip
        free = sorted(DECIDERS - slip.authors - {who for at, who in slip.acted})
        match slip.status:
            case "draft" if slip.revision in slip.submitted:
                self._revise(payment, "amina")
            case "draft":
                self._resubmit(payment, "amina")
            case "submitted" if free:
                self._approve(payment, free[0])
            case "approved":
                self._release(payment, "dina")
            case "released":
                self._send(payment, "dina")
            case "sent" | "unknown" | "settled":
                self._the_bank_goes_on(payment, outcome)
            case _:
                pass  # it is held, or over

    def _the_bank_goes_on(self, payment: Kept, outcome: str) -> None:
        """What waits is confirmed; else the bank says something that it can say now."""
        words = payment.slip.words
        waiting = [number for number, word in enumerate(words) if word.standing == "waiting"]
        if waiting:
            person = "boris" if words[waiting[0]].by != "boris" else "chen"
            self._confirm(payment, waiting[0], person)
        elif outcome in AFTER[payment.slip.status]:
            self._say(payment, outcome, "tariq")

    # --- what became of it ------------------------------------------------------------------------

    def say(self, given: Given) -> None:
        """Evidence is recorded; an odd one proves nothing, or cannot be found again."""
        worthless = given.odd and given.which % 2 == 0
        reference = None if given.odd and not worthless else "REF-1"
        self._say(self.a_payment(given), given.outcome, given.person, worthless, reference)

    def _say(
        self,
        payment: Kept,
        outcome: str,
        person: str,
        worthless: bool = False,
        reference: str | None = "REF-1",
    ) -> None:
        proofs = PROVES[outcome]
        kind = min(set(EvidenceKind) - proofs if worthless else proofs)
        code = "AC01" if outcome == "failed" else None
        said = Evidence(Outcome(outcome), EvidenceKind(kind), TODAY, reference, code)
        found, id_ = reference is not None, payment.id
        expected = self.oracle.say(payment.slip, outcome, kind, person, reference=found)
        self.done(expected, lambda uow: commands.record_evidence(uow, id_, said), person)

    def confirm(self, given: Given) -> None:
        """A second person says that evidence is right."""
        if said := self._said():
            payment, number = said[-1 - given.which % len(said)]
            self._confirm(payment, number, given.person)

    def _confirm(self, payment: Kept, number: int, person: str) -> None:
        expected = self.oracle.confirm(payment.slip, payment.slip.words[number], person)
        id_, it = payment.id, self._evidence(payment, number)
        self.done(expected, lambda uow: commands.confirm_evidence(uow, id_, it), person)

    def dismiss(self, given: Given) -> None:
        """A second person says that evidence is wrong."""
        if said := self._said():
            payment, number = said[-1 - given.which % len(said)]
            expected = self.oracle.dismiss(payment.slip.words[number], given.person)
            id_, it = payment.id, self._evidence(payment, number)
            self.done(
                expected, lambda uow: commands.dismiss_evidence(uow, id_, it, "No."), given.person
            )

    def _said(self) -> list[tuple[Kept, int]]:
        """Every piece of evidence: its payment and its number there."""
        return [(each, number) for each in self.kept for number in range(len(each.slip.words))]

    def _evidence(self, payment: Kept, number: int) -> UUID:
        """Its id."""
        found: UUID = self.rig.look(self.grant).evidence[payment.id][number]["id"]
        return found

    def receipt(self, given: Given) -> None:
        payment = self.a_payment(given)
        expected, id_ = self.oracle.receipt(payment.slip), payment.id
        self.done(expected, lambda uow: commands.confirm_receipt(uow, id_, TODAY))

    # --- agreements -------------------------------------------------------------------------------

    def suspend(self, given: Given) -> None:
        expected, id_ = self.oracle.suspend(self.pact(given.name)), self.ids[given.name]
        self.done(expected, lambda uow: agreements.suspend_agreement(uow, id_, "Why."))

    def resume(self, given: Given) -> None:
        expected, id_ = self.oracle.resume(self.pact(given.name)), self.ids[given.name]
        self.done(expected, lambda uow: agreements.resume_agreement(uow, id_))

    def terminate(self, given: Given) -> None:
        expected, id_ = self.oracle.terminate(self.pact(given.name)), self.ids[given.name]
        self.done(expected, lambda uow: agreements.terminate_agreement(uow, id_, "Over."))

    # --- what is compared after every step --------------------------------------------------------

    @invariant()
    def both_have_come_to_the_same(self) -> None:
        seen = self.rig.look(self.grant)
        assert seen.payments.keys() == {payment.id for payment in self.kept}
        for payment in self.kept:
            slip, (row,) = payment.slip, seen.payments[payment.id]
            self.rig.reached[slip.status] += 1
            assert (row["status"], row["revision"]) == (slip.status, slip.revision)
            assert row["approvals_given"] == slip.approvals
            assert (row["confirmed_on"] is not None) == slip.confirmed
            assert {each["cause"] for each in seen.holds[payment.id]} == slip.causes
            words = [(word.outcome, _standing(word.standing)) for word in slip.words]
            said = seen.evidence[payment.id]
            assert [(each["outcome"], each["standing"]) for each in said] == words
        purses = self.oracle.purses.items()
        assert seen.balances == {
            (self.ids[owner], purse): amount for (owner, purse), amount in purses if amount
        }


def _standing(word: str) -> str:
    return "effective" if word == "confirmed" else word


@pytest.fixture
def rig(disbursement_url: str) -> Iterator[Rig]:
    """One service for all examples: each has a grant, agreements and partners of its own."""
    with open_rig(disbursement_url) as rig:
        yield rig


def test_payments_and_their_money_do_what_the_rules_say_whatever_is_done(
    rig: Rig, request: pytest.FixtureRequest
) -> None:
    long = request.config.getoption("--hypothesis-seed") is not None
    machine = type("Model", (Model,), {"rig": rig})
    run_state_machine_as_test(
        machine,
        settings=settings(
            phases=[Phase.generate, *([Phase.shrink] if long else [])],
            max_examples=LONG_EXAMPLES if long else EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=not long,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert rig.run(rig.world.breaches()) == []
    assert rig.reached.keys() >= {*PLACES, *NOT_LIVE, "draft", "held", "done"}, "it came not far"
