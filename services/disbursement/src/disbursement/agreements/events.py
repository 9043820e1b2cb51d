"""What we publish of an agreement."""

from datetime import date
from uuid import UUID

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from common.money import Amount, Currency
from disbursement.agreements.rules import (
    Agreement,
    AgreementStatus,
    AgreementType,
    Justification,
    Selection,
)


class TrancheState(PublicModel):
    """One instalment of an agreement."""

    number: int
    amount: Amount
    planned_on: date | None


class AgreementState(PublicModel):
    """The public state of an agreement."""

    id: UUID
    grant_id: UUID
    partner_id: UUID
    country: Country
    type: AgreementType
    status: AgreementStatus
    amount: Amount
    currency: Currency
    tranches: list[TrancheState]
    selection: Selection
    justification: Justification | None
    starts_on: date
    ends_on: date
    signed_on: date | None
    activated_on: date | None

    @classmethod
    def of(cls, agreement: Agreement) -> "AgreementState":
        """The public state of `agreement`, which is all of it."""
        return cls(
            id=agreement.id,
            grant_id=agreement.grant_id,
            partner_id=agreement.partner_id,
            country=agreement.country,
            type=agreement.type,
            status=agreement.status,
            amount=agreement.amount.amount,
            currency=agreement.amount.currency,
            tranches=[
                TrancheState(
                    number=each.number, amount=each.amount.amount, planned_on=each.planned_on
                )
                for each in agreement.tranches
            ],
            selection=agreement.selection,
            justification=agreement.justification,
            starts_on=agreement.starts_on,
            ends_on=agreement.ends_on,
            signed_on=agreement.signed_on,
            activated_on=agreement.activated_on,
        )


class Drafted(Change):
    """The agreement was written down."""

    happened = "drafted"


class SubmittedForReview(Change):
    """The draft was handed to the reviewers."""

    happened = "submitted_for_review"


class ReturnedToDraft(Change):
    """Review or signature found something to change."""

    happened = "returned_to_draft"


class Reviewed(Change):
    """The review passed; it may be signed."""

    happened = "reviewed"


class Signed(Change):
    """Both sides signed; the grant's money is committed to it."""

    happened = "signed"


class Activated(Change):
    """Payments may be made."""

    happened = "activated"


class Suspended(Change):
    """Payments stop until it is resumed."""

    happened = "suspended"


class Resumed(Change):
    """Payments may be made again."""

    happened = "resumed"


class Terminated(Change):
    """Ended before its time; what was not paid went back to the grant."""

    happened = "terminated"
    released_amount: Amount


class Cancelled(Change):
    """Given up before it was signed."""

    happened = "cancelled"


AGREEMENT = Aggregate(
    service="disbursement",
    name="agreement",
    table="agreement",
    state=AgreementState,
    changes=(
        Drafted,
        SubmittedForReview,
        ReturnedToDraft,
        Reviewed,
        Signed,
        Activated,
        Suspended,
        Resumed,
        Terminated,
        Cancelled,
    ),
)
