"""The reports over HTTP."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from common.codes import Country
from common.http import Reply, Routes
from common.models import PublicModel
from common.money import Amount, Currency, Money
from common.uow import UnitOfWork
from disbursement.grants.codes import Emergency
from disbursement.grants.queries import grant_by_id
from disbursement.transparency import queries
from disbursement.transparency.queries import MOST, CurrencyShares, Way
from disbursement.transparency.rules import Locality, Shares, Summary, summary

READ = "disbursement.transparency.read"

routes = Routes(
    tag="transparency", description="How directly and how fast, and who gets which share."
)

Share = Annotated[
    str | None,
    Field(description="a fraction with four decimals; null when there is nothing to divide"),
]

_EXAMPLE_SHARES: dict[str, Any] = {
    "total": "3000000.00",
    "to_civil_society": "3000000.00",
    "to_civil_society_share": "1.0000",
    "to_local": "1200000.00",
    "to_local_share": "0.4000",
    "not_local": "1800000.00",
    "not_local_share": "0.6000",
    "undetermined": "0.00",
    "undetermined_share": "0.0000",
}


class SharesView(PublicModel):
    """One total and its parts; the undetermined are shown apart, never counted on either side."""

    total: Amount
    to_civil_society: Amount
    to_civil_society_share: Share
    to_local: Amount = Field(description="to local and national actors")
    to_local_share: Share
    not_local: Amount
    not_local_share: Share
    undetermined: Amount
    undetermined_share: Share

    @classmethod
    def of(cls, shares: Shares, currency: str) -> "SharesView":
        """The view of `shares` in `currency`."""
        amounts = {
            "total": shares.total,
            "to_civil_society": shares.to_civil_society,
            "to_local": shares.to_local,
            "not_local": shares.not_local,
            "undetermined": shares.undetermined,
        }
        fractions = {f"{name}_share": shares.share(amount) for name, amount in amounts.items()}
        del fractions["total_share"]
        return cls.model_validate(
            {name: Money(amount, currency).amount for name, amount in amounts.items()}
            | {name: _text(fraction) for name, fraction in fractions.items()}
        )


class CurrencySharesView(PublicModel):
    """Committed and paid, apart."""

    currency: Currency
    committed: SharesView
    paid: SharesView

    @classmethod
    def of(cls, row: CurrencyShares) -> "CurrencySharesView":
        """The view of one currency's shares."""
        return cls(
            currency=row.currency,
            committed=SharesView.of(row.committed, row.currency),
            paid=SharesView.of(row.paid, row.currency),
        )


class SharesReport(PublicModel):
    """Shares of the money given to partners, by currency; nothing is converted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "currencies": [
                        {
                            "currency": "USD",
                            "committed": _EXAMPLE_SHARES,
                            "paid": _EXAMPLE_SHARES,
                        }
                    ]
                }
            ]
        }
    )

    currencies: list[CurrencySharesView]


class SummaryView(PublicModel):
    """Median and mean of a series, in days."""

    count: int
    median: str
    mean: str

    @classmethod
    def of(cls, values: Summary | None) -> "SummaryView | None":
        """The view of `values`."""
        if values is None:
            return None
        return cls(count=values.count, median=str(values.median), mean=str(values.mean))


class WayView(PublicModel):
    """How the grant's money reaches one partner. Layers count the organisations in between."""

    agreement_id: UUID
    partner_id: UUID
    legal_name: str | None
    local: Locality
    layers_from_fund: int | None = Field(description="null when no fund stands in the chain")
    layers_from_donor: int | None
    first_settled_on: date | None
    calendar_days: int | None = Field(description="from the fund's payment to us to that day")
    working_days: int | None = Field(
        description="Monday to Friday; public holidays are not known here"
    )

    @classmethod
    def of(cls, way: Way) -> "WayView":
        """The view of `way`."""
        return cls(
            agreement_id=way.agreement_id,
            partner_id=way.partner_id,
            legal_name=way.legal_name,
            local=way.local,
            layers_from_fund=way.layers_from_fund,
            layers_from_donor=way.layers_from_donor,
            first_settled_on=way.first_settled_on,
            calendar_days=way.days.calendar if way.days else None,
            working_days=way.days.working if way.days else None,
        )


class DirectnessReport(PublicModel):
    """How directly and how fast a grant reaches each partner."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "grant_id": "0197a1b2-0000-7000-8000-000000000001",
                    "disbursed_on": "2020-06-19",
                    "ways": [
                        {
                            "agreement_id": "0197a1b2-0000-7000-8000-0000000000b1",
                            "partner_id": "0197a1b2-0000-7000-8000-0000000000a1",
                            "legal_name": "Association Lumière du Delta",
                            "local": "yes",
                            "layers_from_fund": 1,
                            "layers_from_donor": 2,
                            "first_settled_on": "2020-07-06",
                            "calendar_days": 17,
                            "working_days": 11,
                        }
                    ],
                    "complete": True,
                    "calendar_days": {"count": 1, "median": "17.0", "mean": "17.0"},
                    "working_days": {"count": 1, "median": "11.0", "mean": "11.0"},
                }
            ]
        }
    )

    grant_id: UUID
    disbursed_on: date | None
    ways: list[WayView]
    complete: bool = Field(
        description=f"false when the grant has more agreements than the {MOST} first, which are "
        "shown and counted here"
    )
    calendar_days: SummaryView | None
    working_days: SummaryView | None


@routes.query("/transparency/shares", scope=READ)
async def read_shares(
    uow: UnitOfWork,
    country: Country | None = None,
    emergency: Emergency | None = None,
    grant_id: UUID | None = None,
) -> Reply[SharesReport]:
    """Read who gets which share of the money given to partners.

    Paid and committed are apart; committed holds everything signed and not ended, paid included.
    """
    rows = await queries.shares_of_money(
        uow, country=country, emergency=emergency, grant_id=grant_id
    )
    return Reply.ok(SharesReport(currencies=[CurrencySharesView.of(row) for row in rows]))


@routes.query("/grants/{grant_id}/directness", scope=READ)
async def read_grant_directness(uow: UnitOfWork, grant_id: UUID) -> Reply[DirectnessReport]:
    """Read how directly and how fast a grant reaches each partner.

    Days count from the fund's payment to us to the bank's date of the first settled instalment.
    """
    grant = await grant_by_id(uow, grant_id)
    ways, complete = await queries.ways_of_grant(uow, grant)
    timed = [way.days for way in ways if way.days is not None]
    return Reply.ok(
        DirectnessReport(
            grant_id=grant.id,
            disbursed_on=grant.disbursed_on,
            ways=[WayView.of(way) for way in ways],
            complete=complete,
            calendar_days=SummaryView.of(summary(days.calendar for days in timed)),
            working_days=SummaryView.of(summary(days.working for days in timed)),
        )
    )


def _text(fraction: Decimal | None) -> str | None:
    return None if fraction is None else format(fraction, "f")
