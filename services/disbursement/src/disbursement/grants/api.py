"""Grants over HTTP, with their balances and ledger."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from common.codes import Country, Day
from common.http import Key, Page, PageQuery, Reply, Routes
from common.models import InputModel, PublicModel
from common.money import Amount, Currency, Money, PositiveAmount
from common.text import Line
from common.uow import UnitOfWork
from disbursement.amounts import exact
from disbursement.errors import (
    BeyondGrantError,
    ChainError,
    CodeMismatchError,
    CurrencyMismatchError,
    DatesError,
    InexactAmountError,
    UnknownTermError,
)
from disbursement.grants import commands, queries
from disbursement.grants.codes import Emergency, Window
from disbursement.grants.commands import NewGrant
from disbursement.grants.events import GRANT, GrantState
from disbursement.grants.rules import Funder, FunderRole, Grant, Source
from disbursement.ledger.queries import TransactionRow, balances_of_grant, transactions_of_grant
from disbursement.ledger.rules import MovementKind, Purse

READ = "disbursement.grants.read"
WRITE = "disbursement.grants.write"

EXAMPLE_ID = "0197a1b2-0000-7000-8000-000000000001"
_MONEY = r"^-?(0|[1-9]\d{0,14})(\.\d{1,4})?$"

routes = Routes(tag="grants", description="Money entrusted to us, and where it lies.")


class FunderInput(InputModel):
    """One organisation above us in the chain."""

    role: FunderRole
    name: Annotated[str, Line(200)]


_NEW: dict[str, Any] = {
    "source": "cerf",
    "cerf_window": "rapid_response",
    "code_text": "20-RR-IOM-027",
    "title": "Front-line health and WASH through civil society",
    "country": "BGD",
    "emergency": "COVID-19",
    "amount": "3000000.00",
    "currency": "USD",
    "approved_on": "2020-06-12",
    "disbursed_on": "2020-06-19",
}


class GrantRegistration(InputModel):
    """A grant as its letter says. `ends_on` overrides the rule of the window."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW]})

    source: Source
    cerf_window: Window | None = Field(None, description="read from the code when it is left out")
    cerf_round: Literal[1, 2] | None = Field(
        None,
        description="of the year of `approved_on`, which it asks for; underfunded emergencies "
        "only: their deadline follows from both, and stays open without a round",
    )
    code_text: Annotated[str, Line(200)] | None = Field(
        None, description="the funder's code as received, whatever stands around it"
    )
    title: Annotated[str, Line(200)]
    country: Country
    emergency: Emergency | None = Field(None, description="GLIDE number or other code")
    amount: PositiveAmount
    currency: Currency
    funders: list[FunderInput] = Field(
        [], max_length=10, description="from the first donor down to whoever pays us"
    )
    approved_on: Day | None = None
    disbursed_on: Day | None = Field(None, description="when the fund paid the agency")
    ends_on: Day | None = Field(None, description="by when it must be spent, if agreed in writing")

    def new_grant(self) -> NewGrant:
        """The command's input. Raises InexactAmountError."""
        return NewGrant(
            source=self.source,
            cerf_window=self.cerf_window,
            cerf_round=self.cerf_round,
            code_text=self.code_text,
            title=self.title,
            country=self.country,
            emergency=self.emergency,
            amount=exact(self.amount, self.currency),
            funders=[Funder(each.role, each.name) for each in self.funders],
            approved_on=self.approved_on,
            disbursed_on=self.disbursed_on,
            agreed_end=self.ends_on,
        )


class ReceiptInput(InputModel):
    """Money of the grant that reached us."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": "3000000.00", "currency": "USD", "received_on": "2020-06-19"}]
        }
    )

    amount: PositiveAmount
    currency: Currency
    received_on: Day
    reference: Annotated[str, Line(64)] | None = None


_VIEW = _NEW | {
    "id": EXAMPLE_ID,
    "project_code": "20-RR-IOM-027",
    "application_code": None,
    "cerf_round": None,
    "funder_roles": ["donor", "fund"],
    "funders": [{"role": "donor", "name": "Donors to CERF"}, {"role": "fund", "name": "CERF"}],
    "ends_on": "2020-12-19",
    "ends_source": "CERF guideline",
}


class FunderView(PublicModel):
    """One organisation above us in the chain."""

    role: FunderRole
    name: str


class GrantView(GrantState):
    """A grant, with what is not published: its title, its raw code, the emergency, the funders'
    names, and whose rule set its end.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    title: str
    code_text: str | None
    emergency: str | None
    funders: list[FunderView]
    ends_source: str | None

    @classmethod
    def of(cls, grant: Grant) -> "GrantView":
        """The view of `grant`."""
        return cls(
            **dict(GrantState.of(grant)),
            title=grant.title,
            code_text=grant.code_text,
            emergency=grant.emergency,
            funders=[FunderView(role=each.role, name=each.name) for each in grant.funders],
            ends_source=grant.ends_source,
        )


class BalanceView(PublicModel):
    """Where a grant's money lies. `received` is what came in; the others sum to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "grant_id": EXAMPLE_ID,
                    "currency": "USD",
                    "granted": "3000000.00",
                    "received": "3000000.00",
                    "available": "2155000.00",
                    "committed": "600000.00",
                    "earmarked": "0.00",
                    "reserved": "0.00",
                    "in_transit": "145000.00",
                    "paid": "100000.00",
                }
            ]
        }
    )

    grant_id: UUID
    currency: Currency
    granted: Amount
    received: Amount
    available: Amount = Field(description="not yet promised to anybody")
    committed: Amount = Field(description="promised by signed agreements, not yet asked for")
    earmarked: Amount = Field(description="asked for by submitted payments")
    reserved: Amount = Field(description="approved, not yet released")
    in_transit: Amount = Field(description="released, with its outcome open")
    paid: Amount = Field(description="settled by the bank")


class EntryView(PublicModel):
    """One side of a movement; the amounts of a movement sum to zero."""

    owner: UUID = Field(description="the grant, or one of its agreements")
    purse: Purse
    amount: Annotated[str, Field(pattern=_MONEY)]


class MovementView(PublicModel):
    """A movement of money, never changed once made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "kind": "received",
                    "agreement_id": None,
                    "payment_id": None,
                    "currency": "USD",
                    "occurred_at": "2020-06-19T09:30:00Z",
                    "entries": [
                        {"owner": EXAMPLE_ID, "purse": "received", "amount": "-3000000.00"},
                        {"owner": EXAMPLE_ID, "purse": "available", "amount": "3000000.00"},
                    ],
                }
            ]
        }
    )

    id: UUID
    kind: MovementKind
    agreement_id: UUID | None
    payment_id: UUID | None
    currency: Currency
    occurred_at: datetime
    entries: list[EntryView]

    @classmethod
    def of(cls, row: TransactionRow) -> "MovementView":
        """The view of a posted movement."""
        return cls(
            id=row.id,
            kind=MovementKind(row.kind),
            agreement_id=row.agreement_id,
            payment_id=row.payment_id,
            currency=row.currency,
            occurred_at=row.occurred_at,
            entries=[
                EntryView(owner=each.owner, purse=each.purse, amount=format(each.amount, "f"))
                for each in row.entries
            ],
        )


@routes.command(
    "POST",
    "/grants",
    scope=WRITE,
    key=Key.REQUIRED,
    refuses=(InexactAmountError, CodeMismatchError, ChainError, DatesError, UnknownTermError),
)
async def register_grant(uow: UnitOfWork, body: GrantRegistration) -> Reply[GrantView]:
    """Register a grant.

    CERF's codes are found in `code_text` by search and kept as received. The deadline follows from
    the window's rule unless `ends_on` is given. No money is there yet: record its receipts.
    """
    grant = await commands.register_grant(uow, body.new_grant())
    return Reply.created(GrantView.of(grant), at=f"/v1/grants/{grant.id}", sequence=grant.sequence)


@routes.command(
    "POST",
    "/grants/{grant_id}/receipts",
    scope=WRITE,
    key=Key.REQUIRED,
    refuses=(
        InexactAmountError,
        CurrencyMismatchError,
        BeyondGrantError,
        DatesError,
        UnknownTermError,
    ),
)
async def record_receipt(uow: UnitOfWork, grant_id: UUID, body: ReceiptInput) -> Reply[GrantView]:
    """Record money of the grant that reached us.

    It becomes available for agreements at once. The first receipt dates the fund's payment to us,
    which deadlines wait for, unless that date is known already.
    """
    grant = await commands.record_receipt(
        uow,
        grant_id,
        exact(body.amount, body.currency),
        body.received_on,
        reference=body.reference,
    )
    return Reply.ok(GrantView.of(grant), sequence=grant.sequence)


@routes.query("/grants", scope=READ, of=GRANT)
async def list_grants(
    uow: UnitOfWork,
    page: PageQuery,
    country: Country | None = None,
    source: Source | None = None,
    code: Annotated[str, Line(40)] | None = None,
) -> Reply[Page[GrantView]]:
    """List grants, oldest first.

    `code` finds a project or application code, in either case and whatever stands around it;
    several grants may share one.
    """
    rows = await queries.grants(
        uow,
        page,
        country=country,
        source=source,
        code=code,
    )
    return Reply.page(Page.of(rows, page, key=lambda grant: (grant.id,), view=GrantView.of))


@routes.query("/grants/{grant_id}", scope=READ)
async def read_grant(uow: UnitOfWork, grant_id: UUID) -> Reply[GrantView]:
    """Read one grant."""
    grant = await queries.grant_by_id(uow, grant_id)
    return Reply.ok(GrantView.of(grant), sequence=grant.sequence)


@routes.query("/grants/{grant_id}/balance", scope=READ)
async def read_grant_balance(uow: UnitOfWork, grant_id: UUID) -> Reply[BalanceView]:
    """Read where a grant's money lies now.

    A resource of its own: payments move balances without changing the grant.
    """
    grant = await queries.grant_by_id(uow, grant_id)
    currency = grant.amount.currency
    purses = {
        purse: Money(balance, currency).amount
        for purse, balance in (await balances_of_grant(uow, grant_id)).items()
    }
    return Reply.ok(
        BalanceView(
            grant_id=grant_id,
            currency=currency,
            granted=grant.amount.amount,
            received=abs(purses[Purse.RECEIVED]),
            available=purses[Purse.AVAILABLE],
            committed=purses[Purse.COMMITTED],
            earmarked=purses[Purse.EARMARKED],
            reserved=purses[Purse.RESERVED],
            in_transit=purses[Purse.IN_TRANSIT],
            paid=purses[Purse.PAID],
        )
    )


@routes.query("/grants/{grant_id}/ledger", scope=READ)
async def list_grant_movements(
    uow: UnitOfWork, grant_id: UUID, page: PageQuery
) -> Reply[Page[MovementView]]:
    """List every movement of a grant's money, oldest first."""
    await queries.grant_by_id(uow, grant_id)
    rows = await transactions_of_grant(
        uow, grant_id, after=page.after[0] if page.after else None, limit=page.fetch
    )
    return Reply.page(Page.of(rows, page, key=lambda row: (row.id,), view=MovementView.of))
