"""What the words of the README make of payments and their money, in plain Python.

It knows nothing of the service's code: dicts, sets and decimals. Every deed answers with the codes
of all rules that forbid it; none means that it was done here, too. In which order the service looks
is its own affair, so it may refuse with any of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

NOT_LIVE = {"failed", "returned", "withdrawn"}
ON_ITS_WAY = {"submitted", "approved", "released"}
DECIDERS = {"boris", "chen", "dina", "tariq"}
"""Who has a role that approves; `amina` has none, `importer` is a machine."""
MACHINE = "importer"

PROVES = {
    "settled": {"status_report", "account_statement", "bank_confirmation"},
    "failed": {"status_report", "bank_confirmation"},
    "unknown": {"no_answer", "status_report"},
    "returned": {"status_report", "account_statement", "bank_confirmation"},
}
AFTER = {
    "sent": {"settled", "failed", "unknown"},
    "unknown": {"settled", "failed"},
    "settled": {"returned"},
}
PLACES = {
    "submitted": "earmarked",
    "approved": "reserved",
    "released": "in_transit",
    "sent": "in_transit",
    "unknown": "in_transit",
    "settled": "paid",
}
"""Where the money of a payment lies; of any other it is committed to the agreement, or gone on."""


@dataclass
class Pact:
    """An agreement. `needs`: approvals that each of its tranches takes."""

    name: str
    partner: str
    tranches: dict[int, Decimal]
    needs: int
    status: str = "active"


@dataclass
class Word:
    """A piece of evidence."""

    outcome: str
    by: str
    standing: str


@dataclass
class Slip:
    """A payment. `acted`: who decided on which revision. `causes`: what holds it, or came too late
    to; `missed` is among them when it did.
    """

    pact: Pact
    tranche: int
    author: str
    status: str = "submitted"
    held_from: str | None = None
    revision: int = 1
    approvals: int = 0
    authors: set[str] = field(default_factory=set)
    submitted: set[int] = field(default_factory=lambda: {1})
    acted: set[tuple[int, str]] = field(default_factory=set)
    causes: set[str] = field(default_factory=set)
    words: list[Word] = field(default_factory=list)
    confirmed: bool = False

    def __post_init__(self) -> None:
        self.authors.add(self.author)

    @property
    def amount(self) -> Decimal:
        return self.pact.tranches[self.tranche]

    @property
    def place(self) -> str | None:
        """The purse that its money lies in. What was released and is held was taken back."""
        if self.status == "held":
            return "earmarked" if self.held_from == "submitted" else "reserved"
        return PLACES.get(self.status)


@dataclass
class Oracle:
    """All that is known. `fresh`: what we know of partners, and that Kafka agrees with us."""

    eligible: dict[str, bool] = field(default_factory=dict)
    fresh: bool = True
    pacts: list[Pact] = field(default_factory=list)
    slips: list[Slip] = field(default_factory=list)
    purses: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def sign(self, pact: Pact) -> None:
        """An active agreement; its money is promised."""
        self.pacts.append(pact)
        self._move(pact, sum(pact.tranches.values(), Decimal(0)), "available", "committed")

    def _move(self, pact: Pact, amount: Decimal, source: str, target: str) -> None:
        for purse, change in ((source, -amount), (target, amount)):
            owner = "grant" if purse == "available" else pact.name
            self.purses[owner, purse] += change
            assert self.purses[owner, purse] >= 0, "the oracle itself never overdraws"

    def _to(self, slip: Slip, status: str, held_from: str | None = None) -> None:
        """The payment and its money go on to `status`."""
        before = slip.place or "committed"
        slip.status, slip.held_from = status, held_from
        after = slip.place or "committed"
        if before != after:
            self._move(slip.pact, slip.amount, before, after)
        if after == "committed" and slip.pact.status == "terminated" and before != after:
            self._move(slip.pact, slip.amount, "committed", "available")

    # --- submitting and deciding ------------------------------------------------------------------

    def submit(self, pact: Pact, tranche: int, person: str, *, whole: bool) -> set[str]:
        no = self._unpayable(pact)
        if not whole:
            no.add("tranche_mismatch")
        others = (slip for slip in self.slips if slip.pact is pact and slip.tranche == tranche)
        if any(slip.status not in NOT_LIVE for slip in others):
            no.add("tranche_taken")
        if not no:
            self.slips.append(Slip(pact, tranche, person))
            self._move(pact, pact.tranches[tranche], "committed", "earmarked")
        return no

    def approve(self, slip: Slip, person: str, *, seen: bool) -> set[str]:
        no = self._may_decide(slip, person, seen=seen)
        if slip.status != "submitted":
            no.add("illegal_move")
        if not no:
            slip.acted.add((slip.revision, person))
            slip.approvals += 1
            if slip.approvals == slip.pact.needs:
                self._to(slip, "approved")
        return no

    def reject(self, slip: Slip, person: str, *, seen: bool) -> set[str]:
        no = self._may_decide(slip, person, seen=seen)
        if slip.status not in ("submitted", "held"):
            no.add("illegal_move")
        if not no:
            slip.acted.add((slip.revision, person))
            self._back_to_draft(slip)
        return no

    def revise(self, slip: Slip, person: str) -> set[str]:
        if slip.status not in ("draft", "submitted", "approved", "held"):
            return {"illegal_move"}
        slip.revision += 1
        slip.authors.add(person)
        self._back_to_draft(slip)
        return set()

    def resubmit(self, slip: Slip, person: str) -> set[str]:
        no = self._unpayable(slip.pact)
        if slip.status != "draft":
            no.add("illegal_move")
        if slip.causes:
            no.add("still_held")
        if slip.revision in slip.submitted:
            no.add("revision_needed")
        if not no:
            slip.submitted.add(slip.revision)
            slip.authors.add(person)
            slip.approvals = 0
            self._to(slip, "submitted")
        return no

    def withdraw(self, slip: Slip) -> set[str]:
        if slip.status != "draft":
            return {"illegal_move"}
        self._to(slip, "withdrawn")
        return set()

    def _back_to_draft(self, slip: Slip) -> None:
        slip.approvals = 0
        self._to(slip, "draft")

    def _may_decide(self, slip: Slip, person: str, *, seen: bool) -> set[str]:
        """`seen`: the person decides on what stands there now."""
        no = set()
        if not seen:
            no.add("payload_changed")
        if person in slip.authors:
            no.add("four_eyes")
        if (slip.revision, person) in slip.acted:
            no.add("already_acted")
        if person == MACHINE:
            no.add("forbidden")
        elif person not in DECIDERS:
            no.add("approver_role")
        return no

    def _unpayable(self, pact: Pact) -> set[str]:
        no = set()
        if not self.eligible[pact.partner]:
            no.add("partner_ineligible")
        if pact.status != "active":
            no.add("agreement_not_active")
        return no

    # --- holding ----------------------------------------------------------------------------------

    def hold(self, slip: Slip) -> set[str]:
        no = set()
        if slip.status in ("sent", "unknown"):
            no.add("already_sent")
        elif slip.status not in ON_ITS_WAY | {"held"}:
            no.add("illegal_move")
        if "person" in slip.causes:
            no.add("already_held")
        if not no:
            self._stop(slip, "person")
        return no

    def lift(self, slip: Slip) -> set[str]:
        if "person" not in slip.causes:
            return {"not_held"}
        self._let_go(slip, "person")
        return set()

    def react(self, partner: str) -> str:
        """What follows from the partner's eligibility; "wait" when it is no time to loosen."""
        cause = "partner_ineligible"
        slips = [slip for slip in self.slips if slip.pact.partner == partner]
        if not self.eligible[partner]:
            for slip in slips:
                if cause in slip.causes:
                    continue
                if slip.status in ON_ITS_WAY | {"held"}:
                    self._stop(slip, cause)
                elif slip.status in ("sent", "unknown"):
                    slip.causes.add(cause)  # too late; it is written down all the same
            return "done"
        if not self.fresh:
            return "wait"
        for slip in slips:
            if cause in slip.causes:
                self._let_go(slip, cause)
        return "done"

    def _stop(self, slip: Slip, cause: str) -> None:
        slip.causes.add(cause)
        self._to(slip, "held", slip.held_from or slip.status)

    def _let_go(self, slip: Slip, cause: str) -> None:
        slip.causes.discard(cause)
        if slip.status == "held" and not slip.causes:
            self._to(slip, "submitted" if slip.held_from == "submitted" else "approved")

    # --- paying -----------------------------------------------------------------------------------

    def release(self, slip: Slip, person: str) -> set[str]:
        return self._let_out(slip, person, "approved", "released")

    def send(self, slip: Slip, person: str) -> set[str]:
        return self._let_out(slip, person, "released", "sent")

    def _let_out(self, slip: Slip, person: str, must_be: str, status: str) -> set[str]:
        no = self._unpayable(slip.pact)
        if slip.status != must_be:
            no.add("illegal_move")
        if person in slip.authors:
            no.add("four_eyes")
        if not self.fresh:
            no |= {"partner_state_too_old", "past_uncertain"}
        settled = {
            each.tranche
            for each in self.slips
            if each.pact is slip.pact and each.status == "settled"
        }
        if not set(range(1, slip.tranche)) <= settled:
            no.add("tranche_too_early")
        if not no:
            self._to(slip, status)
        return no

    # --- what became of it ------------------------------------------------------------------------

    def say(self, slip: Slip, outcome: str, kind: str, person: str, *, reference: bool) -> set[str]:
        """Evidence is recorded."""
        no = set()
        possible = outcome in AFTER.get(slip.status, ())
        closed = slip.status in ("settled", "failed", "returned")
        if not possible and not closed:
            no.add("illegal_move")
        if kind not in PROVES[outcome]:
            no.add("evidence")
        standing = "effective" if possible else "recorded"
        if possible and self._takes_two(slip, outcome):
            standing = "waiting"
            if person == MACHINE:
                no.add("forbidden")
        if possible and self._otherwise(slip, outcome):
            standing = "waiting"
        if standing == "waiting" and not reference:
            no.add("evidence")
        if not no:
            word = Word(outcome, person, standing)
            slip.words.append(word)
            if standing == "effective":
                self._take_effect(slip, word)
        return no

    def confirm(self, slip: Slip, word: Word, person: str) -> set[str]:
        no = self._may_judge(word, person)
        if self._otherwise(slip, word.outcome, but=word):
            no.add("contradicting_evidence")
        if word.outcome not in AFTER.get(slip.status, ()):
            no.add("illegal_move")
        if not no:
            word.standing = "confirmed"
            self._take_effect(slip, word)
        return no

    def dismiss(self, word: Word, person: str) -> set[str]:
        no = self._may_judge(word, person)
        if not no:
            word.standing = "dismissed"
        return no

    def receipt(self, slip: Slip) -> set[str]:
        """The recipient says that it has arrived."""
        no = set()
        if slip.status not in ("sent", "unknown", "settled"):
            no.add("illegal_move")
        if slip.confirmed:
            no.add("already_confirmed")
        slip.confirmed = slip.confirmed or not no
        return no

    def _takes_two(self, slip: Slip, outcome: str) -> bool:
        return slip.status == "unknown" or outcome in ("failed", "returned")

    def _otherwise(self, slip: Slip, outcome: str, but: Word | None = None) -> bool:
        """Whether evidence that waits names another outcome. Not to know contradicts nothing."""
        others = (each for each in slip.words if each is not but)
        said = {each.outcome for each in others if each.standing == "waiting"}
        return outcome != "unknown" and bool(said - {outcome, "unknown"})

    def _may_judge(self, word: Word, person: str) -> set[str]:
        no = set()
        if word.standing == "confirmed":
            no.add("already_confirmed")
        elif word.standing != "waiting":
            no.add("not_waiting")
        if person == word.by:
            no.add("four_eyes")
        if person == MACHINE:
            no.add("forbidden")
        return no

    def _take_effect(self, slip: Slip, word: Word) -> None:
        if word.outcome != "unknown":
            for each in slip.words:
                if each.standing == "waiting":
                    each.standing = "recorded"
        self._to(slip, word.outcome)

    # --- agreements -------------------------------------------------------------------------------

    def suspend(self, pact: Pact) -> set[str]:
        if pact.status != "active":
            return {"illegal_move"}
        pact.status = "suspended"
        return set()

    def resume(self, pact: Pact) -> set[str]:
        no = set() if pact.status == "suspended" else {"illegal_move"}
        if not self.eligible[pact.partner]:
            no.add("partner_ineligible")
        if not no:
            pact.status = "active"
        return no

    def terminate(self, pact: Pact) -> set[str]:
        no = set() if pact.status in ("active", "suspended") else {"illegal_move"}
        under_way = ("earmarked", "reserved", "in_transit")
        if any(self.purses[pact.name, purse] for purse in under_way):
            no.add("payments_open")
        if not no:
            pact.status = "terminated"
            self._move(pact, self.purses[pact.name, "committed"], "committed", "available")
        return no
