"""What we publish of a payment: no account, no person, no written reason."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from common.money import Amount, Currency
from disbursement.payments.rules.evidence import Outcome
from disbursement.payments.rules.holds import SHOWING_HOLDS, HoldCause
from disbursement.payments.rules.lifecycle import PaymentStatus
from disbursement.payments.rules.payment import Payment


class PaymentState(PublicModel):
    """The public state of a payment. `holds`: what stops it, or keeps a draft from being
    submitted.
    """

    id: UUID
    agreement_id: UUID
    grant_id: UUID
    partner_id: UUID
    country: Country
    tranche: int
    amount: Amount
    currency: Currency
    status: PaymentStatus
    holds: list[HoldCause]
    revision: int
    approvals_required: int
    approvals_given: int
    settled_on: date | None
    returned_on: date | None
    failure_code: str | None
    confirmed_on: date | None

    @classmethod
    def of(cls, payment: Payment, holds: Iterable[HoldCause] = ()) -> "PaymentState":
        """The public part of `payment`; `holds` are its open causes."""
        return cls(**public_facts(payment, holds))


def public_facts(payment: Payment, holds: Iterable[HoldCause]) -> dict[str, Any]:
    """The fields of PaymentState, for it and for what shows more."""
    return {
        "id": payment.id,
        "agreement_id": payment.agreement_id,
        "grant_id": payment.grant_id,
        "partner_id": payment.partner_id,
        "country": payment.country,
        "tranche": payment.tranche,
        "amount": payment.amount.amount,
        "currency": payment.amount.currency,
        "status": payment.status,
        "holds": sorted(holds) if payment.status in SHOWING_HOLDS else [],
        "revision": payment.revision,
        "approvals_required": payment.approvals_required,
        "approvals_given": payment.approvals_given,
        "settled_on": payment.settled_on,
        "returned_on": payment.returned_on,
        "failure_code": payment.failure_code,
        "confirmed_on": payment.confirmed_on,
    }


class Submitted(Change):
    """Handed to the approvers."""

    happened = "submitted"


class ApprovalGiven(Change):
    """One approval of several."""

    happened = "approval_given"


class Approved(Change):
    """The last approval that it took."""

    happened = "approved"


class Rejected(Change):
    """An approver sent it back."""

    happened = "rejected"


class Revised(Change):
    """A new revision; approvals of the ones before are void."""

    happened = "revised"


class Withdrawn(Change):
    """Given up as a draft; its tranche is free again."""

    happened = "withdrawn"


class Held(Change):
    """Stopped, or one more cause to stop it."""

    happened = "held"
    cause: HoldCause


class HoldMissed(Change):
    """A cause to hold it came up when it had left already."""

    happened = "hold_missed"
    cause: HoldCause


class HoldLifted(Change):
    """One cause is gone; it goes nowhere by that: another holds it, it is a draft, or had left."""

    happened = "hold_lifted"
    cause: HoldCause


class Resumed(Change):
    """The last cause is gone; it goes on from the state shown."""

    happened = "resumed"
    cause: HoldCause


class Released(Change):
    """Everything was checked; the money is on its way out."""

    happened = "released"


class Sent(Change):
    """The instruction was handed over."""

    happened = "sent"


class EvidenceRecorded(Change):
    """Evidence that awaits a second person."""

    happened = "evidence_recorded"
    outcome: Outcome


class LateEvidenceRecorded(Change):
    """The bank said something when the outcome stood already: kept, and nothing moves.

    Where `outcome` is not the state's, the two contradict each other.
    """

    happened = "late_evidence_recorded"
    outcome: Outcome


class EvidenceDismissed(Change):
    """A second person found that evidence which waited is wrong."""

    happened = "evidence_dismissed"
    outcome: Outcome


class Settled(Change):
    """The bank paid."""

    happened = "settled"


class Failed(Change):
    """The bank did not pay, and said so."""

    happened = "failed"


class BecameUnknown(Change):
    """Nobody knows whether it was paid; its money stays in transit."""

    happened = "became_unknown"


class Returned(Change):
    """Paid, and sent back to us."""

    happened = "returned"


class Confirmed(Change):
    """The recipient says that it arrived."""

    happened = "confirmed"


PAYMENT = Aggregate(
    service="disbursement",
    name="payment",
    table="payment",
    state=PaymentState,
    changes=(
        Submitted,
        ApprovalGiven,
        Approved,
        Rejected,
        Revised,
        Withdrawn,
        Held,
        HoldMissed,
        HoldLifted,
        Resumed,
        Released,
        Sent,
        EvidenceRecorded,
        LateEvidenceRecorded,
        EvidenceDismissed,
        Settled,
        Failed,
        BecameUnknown,
        Returned,
        Confirmed,
    ),
)
