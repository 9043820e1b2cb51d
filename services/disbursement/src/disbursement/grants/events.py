"""What we publish of a grant: codes and dates, no text that somebody wrote.

Balances are not part of it: a payment does not change its grant.
"""

from datetime import date
from uuid import UUID

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from common.money import Amount, Currency
from disbursement.grants.codes import Window
from disbursement.grants.rules import FunderRole, Grant, Source


class GrantState(PublicModel):
    """The public state of a grant. `funder_roles` lead from the first donor down to whoever paid
    us.
    """

    id: UUID
    source: Source
    cerf_window: Window | None
    cerf_round: int | None
    project_code: str | None
    application_code: str | None
    country: Country
    amount: Amount
    currency: Currency
    funder_roles: list[FunderRole]
    approved_on: date | None
    disbursed_on: date | None
    ends_on: date | None

    @classmethod
    def of(cls, grant: Grant) -> "GrantState":
        """The public part of `grant`: no title, no raw code text, no names, no emergency."""
        return cls(
            id=grant.id,
            source=grant.source,
            cerf_window=grant.cerf_window,
            cerf_round=grant.cerf_round,
            project_code=grant.project_code,
            application_code=grant.application_code,
            country=grant.country,
            amount=grant.amount.amount,
            currency=grant.amount.currency,
            funder_roles=[each.role for each in grant.funders],
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
