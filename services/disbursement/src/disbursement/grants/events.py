"""What we publish of a grant. Balances are not part of it: a payment does not change its grant."""

from datetime import date
from uuid import UUID

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from common.money import Amount, Currency
from disbursement.grants.codes import Window
from disbursement.grants.rules import FunderRole, Grant, Source


class FunderState(PublicModel):
    """One organisation above us in the chain."""

    role: FunderRole
    name: str


class GrantState(PublicModel):
    """The public state of a grant."""

    id: UUID
    source: Source
    cerf_window: Window | None
    project_code: str | None
    application_code: str | None
    country: Country
    emergency: str | None
    amount: Amount
    currency: Currency
    funders: list[FunderState]
    approved_on: date | None
    disbursed_on: date | None
    ends_on: date | None

    @classmethod
    def of(cls, grant: Grant) -> "GrantState":
        """The public part of `grant`: no title, no raw code text."""
        return cls(
            id=grant.id,
            source=grant.source,
            cerf_window=grant.cerf_window,
            project_code=grant.project_code,
            application_code=grant.application_code,
            country=grant.country,
            emergency=grant.emergency,
            amount=grant.amount.amount,
            currency=grant.amount.currency,
            funders=[FunderState(role=each.role, name=each.name) for each in grant.funders],
            approved_on=grant.approved_on,
            disbursed_on=grant.disbursed_on,
            ends_on=grant.ends_on,
        )


class Registered(Change):
    """The grant was entered here."""

    happened = "registered"


class Received(Change):
    """Money of the grant reached us."""

    happened = "received"
    amount: Amount
    currency: Currency
    received_on: date


GRANT = Aggregate(
    service="disbursement",
    name="grant",
    table="funding_grant",
    state=GrantState,
    changes=(Registered, Received),
)
