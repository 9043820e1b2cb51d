"""The one answer that every other service acts on: may this partner be worked with today.

It is a function of facts and of the day, and of nothing else. Whoever knows a fact that speaks
against a partner brings it as an objection: its life (suspended, locked), its due diligence.
Reasons are coarse on purpose: they are published, and a reader must not learn more from them than
it needs. The rule is ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Eligibility(StrEnum):
    """PROVISIONAL is for checks that a regime defers to a deadline; nothing gives it yet."""

    ELIGIBLE = "eligible"
    PROVISIONAL = "provisional"
    INELIGIBLE = "ineligible"


class Reason(StrEnum):
    """Why a partner is not eligible, from what weighs most to what weighs least."""

    LOCKED = "locked"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNDER_REVIEW = "under_review"
    INCOMPLETE = "incomplete"
    NOT_VERIFIED = "not_verified"


@dataclass(frozen=True)
class Verdict:
    """`eligible_until`: the last day (UTC, that day included) on which the answer can hold without
    new facts; None when the partner is not eligible now, or when nothing sets an end."""

    eligibility: Eligibility
    reasons: tuple[Reason, ...] = ()
    eligible_until: date | None = None


def decide(
    objections: Iterable[Reason], *, verified: bool, holds_until: date | None, today: date
) -> Verdict:
    """Whether a partner is eligible on `today`.

    `verified`: the latest verification found nothing against it. `holds_until`: the last day on
    which its due diligence holds. Without objections, verified and within that day: eligible.
    """
    reasons = set(objections)
    if not verified:
        reasons.add(Reason.NOT_VERIFIED)
    elif holds_until is not None and today > holds_until:
        reasons.add(Reason.EXPIRED)
    if reasons:
        return Verdict(
            Eligibility.INELIGIBLE, tuple(reason for reason in Reason if reason in reasons)
        )
    return Verdict(Eligibility.ELIGIBLE, eligible_until=holds_until)
