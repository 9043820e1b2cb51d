"""What clients send and see of payments."""

import base64
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from common.codes import Day
from common.models import InputModel, PublicModel
from common.money import Currency, PositiveAmount
from common.text import Line, Paragraph
from disbursement.agreements.rules import MAX_TRANCHES
from disbursement.amounts import exact
from disbursement.approvals.rules import Action
from disbursement.payments.commands import NewPayment
from disbursement.payments.commands.outcome import Evidence
from disbursement.payments.events import PaymentState, public_facts
from disbursement.payments.queries import Shown
from disbursement.payments.rules.evidence import EvidenceKind, Outcome, Standing
from disbursement.payments.rules.holds import HoldCause, HoldReason
from disbursement.payments.rules.payment import AccountReference, Payment

PAYMENT_ID = "0197a1b2-0000-7000-8000-0000000000c1"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

MAX_VERSION = 1_000_000

PayloadHash = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="`payload_hash` of the payment as you saw it")
]
ReasonCode = Annotated[
    str, Field(pattern=r"^[A-Z0-9]{4}$", description="the bank's code (ISO 20022), such as AC01")
]
StatusCode = Annotated[
    str,
    Field(
        pattern=r"^[A-Z0-9]{4}$",
        description="the transaction's status in a status report (ISO 20022); it proves `settled` "
        "with ACCC alone, `failed` with RJCT",
    ),
]


def example(**fields: Any) -> ConfigDict:
    """A model's one example."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class AccountInput(InputModel):
    """A reference to one version of an account. The account itself is not sent here."""

    id: UUID
    version: int = Field(ge=1, le=MAX_VERSION, strict=True)

    def reference(self) -> AccountReference:
        """The same as the rules know it."""
        return AccountReference(self.id, self.version)


class PaymentSubmission(InputModel):
    """A payment of one tranche, whole; amount and currency are repeated to catch a slip."""

    model_config = example(
        agreement_id="0197a1b2-0000-7000-8000-0000000000b1",
        tranche=1,
        amount="250000.00",
        currency="USD",
    )

    agreement_id: UUID
    tranche: int = Field(ge=1, le=MAX_TRANCHES, strict=True)
    amount: PositiveAmount
    currency: Currency
    account: AccountInput | None = None

    def new_payment(self) -> NewPayment:
        """The command's input. Raises InexactAmountError."""
        return NewPayment(
            agreement_id=self.agreement_id,
            tranche=self.tranche,
            amount=exact(self.amount, self.currency),
            account=None if self.account is None else self.account.reference(),
        )


class Revision(InputModel):
    """What a new revision changes."""

    model_config = example(account={"id": "0197a1b2-0000-7000-8000-0000000000d1", "version": 2})

    account: AccountInput | None


class Approval(InputModel):
    """An approval of exactly what was seen."""

    model_config = example(payload_hash=HASH)

    payload_hash: PayloadHash


class Rejection(InputModel):
    """A rejection of exactly what was seen, and why; the comment is never published."""

    model_config = example(payload_hash=HASH, comment="The account does not match the agreement.")

    payload_hash: PayloadHash
    comment: Annotated[str, Paragraph(2000)]


class Withdrawal(InputModel):
    """Why the payment is given up; never published."""

    model_config = example(comment="The activity moved to another partner.")

    comment: Annotated[str, Paragraph(2000)]


class HoldInput(InputModel):
    """Why the payment is stopped; the comment is never published."""

    model_config = example(reason="under_review", comment="Waiting for the field office.")

    reason: HoldReason
    comment: Annotated[str, Paragraph(2000)] | None = None


class LiftInput(InputModel):
    """Why the payment may go on; never published."""

    model_config = example(comment="The field office has confirmed.")

    comment: Annotated[str, Paragraph(2000)] | None = None


class EvidenceInput(InputModel):
    """What the bank said, or that it did not answer."""

    model_config = example(
        outcome="settled",
        kind="account_statement",
        occurred_on="2020-07-06",
        reference="2020-187/14",
    )

    outcome: Outcome
    kind: EvidenceKind
    occurred_on: Day = Field(description="the bank's date")
    reference: Annotated[str, Line(64)] | None = Field(None, description="where to find it again")
    reason_code: ReasonCode | None = None
    status_code: StatusCode | None = None

    def evidence(self) -> Evidence:
        """The command's input."""
        return Evidence(
            self.outcome,
            self.kind,
            self.occurred_on,
            self.reference,
            self.reason_code,
            self.status_code,
        )


class Dismissal(InputModel):
    """Why that evidence is wrong; never published."""

    model_config = example(comment="The bank says that this report was of another payment.")

    comment: Annotated[str, Paragraph(2000)]


class ReceiptConfirmation(InputModel):
    """The day on which the recipient had the money."""

    model_config = example(confirmed_on="2020-07-07")

    confirmed_on: Day


_VIEW: dict[str, Any] = {
    "id": PAYMENT_ID,
    "agreement_id": "0197a1b2-0000-7000-8000-0000000000b1",
    "grant_id": "0197a1b2-0000-7000-8000-000000000001",
    "partner_id": "0197a1b2-0000-7000-8000-0000000000a1",
    "country": "BGD",
    "tranche": 1,
    "amount": "250000.00",
    "currency": "USD",
    "status": "submitted",
    "holds": [],
    "revision": 1,
    "approvals_required": 2,
    "approvals_given": 0,
    "settled_on": None,
    "returned_on": None,
    "failure_code": None,
    "confirmed_on": None,
    "payload_hash": HASH,
    "account": None,
    "submitted_at": "2020-07-01T08:00:00Z",
    "released_at": None,
    "sent_at": None,
}


class AccountView(PublicModel):
    """Which account, in which version."""

    id: UUID
    version: int


class PaymentView(PaymentState):
    """A payment, with what is not published: the payload's hash, the account's reference, the
    times.
    """

    model_config = example(**_VIEW)

    payload_hash: str
    account: AccountView | None
    submitted_at: datetime
    released_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def view(cls, payment: Payment, holds: tuple[HoldCause, ...] = ()) -> "PaymentView":
        """The view of `payment`, held by `holds`."""
        account = payment.account
        return cls(
            **public_facts(payment, holds),
            payload_hash=payment.payload_hash,
            account=None
            if account is None
            else AccountView(id=account.id, version=account.version),
            submitted_at=payment.submitted_at,
            released_at=payment.released_at,
            sent_at=payment.sent_at,
        )

    @classmethod
    def shown(cls, shown: Shown) -> "PaymentView":
        """The view of a payment as it was read."""
        return cls.view(shown.payment, shown.holds)


class ApprovalView(PublicModel):
    """What a person decided."""

    revision: int
    person: str
    action: Action
    payload_hash: str
    acted_at: datetime


class ApprovalsView(PublicModel):
    """Every decision on a payment; those on earlier revisions are void."""

    model_config = example(
        items=[
            {
                "revision": 1,
                "person": "amina",
                "action": "approved",
                "payload_hash": HASH,
                "acted_at": "2020-07-01T09:00:00Z",
            }
        ]
    )

    items: list[ApprovalView]


class HoldView(PublicModel):
    """One cause, from when to when. `took_effect` is false when the payment had left before."""

    id: UUID
    cause: HoldCause
    took_effect: bool
    placed_at: datetime
    placed_by: str
    lifted_at: datetime | None
    lifted_by: str | None


class HoldsView(PublicModel):
    """Every hold of a payment, open and lifted."""

    model_config = example(
        items=[
            {
                "id": "0197a1b2-0000-7000-8000-0000000000e1",
                "cause": "partner_ineligible",
                "took_effect": True,
                "placed_at": "2020-07-02T10:00:00Z",
                "placed_by": "system:disbursement",
                "lifted_at": None,
                "lifted_by": None,
            }
        ]
    )

    items: list[HoldView]


class EvidenceView(PublicModel):
    """What was recorded of an outcome, and what it does. `confirmed_by` or `dismissed_by` is set
    where a second person decided on it.
    """

    id: UUID
    outcome: Outcome
    kind: EvidenceKind
    reference: str | None
    reason_code: str | None
    status_code: str | None
    occurred_on: date
    recorded_at: datetime
    recorded_by: str
    standing: Standing
    confirmed_at: datetime | None
    confirmed_by: str | None
    dismissed_at: datetime | None
    dismissed_by: str | None


class EvidenceListView(PublicModel):
    """Everything that was recorded of a payment's outcome."""

    model_config = example(
        items=[
            {
                "id": "0197a1b2-0000-7000-8000-0000000000f1",
                "outcome": "settled",
                "kind": "account_statement",
                "reference": "2020-187/14",
                "reason_code": None,
                "status_code": None,
                "occurred_on": "2020-07-06",
                "recorded_at": "2020-07-06T12:00:00Z",
                "recorded_by": "kofi",
                "standing": "effective",
                "confirmed_at": None,
                "confirmed_by": None,
                "dismissed_at": None,
                "dismissed_by": None,
            }
        ]
    )

    items: list[EvidenceView]


class InstructionView(PublicModel):
    """What was handed over, byte for byte. It is never sent a second time under another id."""

    model_config = example(
        payment_id=PAYMENT_ID,
        message_id="FL0197a1b2000070008000000000000c1",
        payload_hash=HASH,
        content_base64=base64.b64encode(b"{}").decode(),
        handed_over_at="2020-07-03T08:00:00Z",
        handed_over_by="kofi",
    )

    payment_id: UUID
    message_id: str = Field(description="the end-to-end id, at most 35 characters")
    payload_hash: str
    content_base64: str
    handed_over_at: datetime
    handed_over_by: str
