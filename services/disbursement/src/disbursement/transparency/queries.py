"""Reading across grants, agreements, payments and the partners' mirror, for the reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from sqlalchemy import case, func, select

from common.uow import UnitOfWork
from disbursement.agreements.tables import agreement_table
from disbursement.grants.rules import FunderRole, Grant, layers_from
from disbursement.grants.tables import funding_grant
from disbursement.ledger.rules import AGREEMENT_PURSES, Purse
from disbursement.ledger.tables import ledger_balance
from disbursement.mirrors.partners import partner_mirror
from disbursement.payments.rules.lifecycle import PaymentStatus
from disbursement.payments.tables import payment_table
from disbursement.reach import within_reach
from disbursement.transparency.rules import (
    Days,
    Gift,
    Locality,
    Shares,
    days_between,
    locality,
    shares,
)

MOST = 1000
"""Agreements of one grant that its report shows."""

LOCAL_HERE = case(
    (
        (partner_mirror.c.local == Locality.YES.value)
        & partner_mirror.c.country.is_distinct_from(agreement_table.c.country),
        Locality.UNDETERMINED.value,
    ),
    else_=partner_mirror.c.local,
)
"""A local actor is one in its own country; across a border nobody has agreed on an answer."""

KNOWN = (
    (partner_mirror.c.id == agreement_table.c.partner_id)
    & partner_mirror.c.readable
    & ~partner_mirror.c.gone
)
"""The partner of an agreement, as far as the registry's last word on it can be read and stands."""

FIRST_SETTLED = (
    select(func.min(payment_table.c.settled_on))
    .where(
        payment_table.c.agreement_id == agreement_table.c.id,
        payment_table.c.status == PaymentStatus.SETTLED.value,
    )
    .scalar_subquery()
)
"""The day of an agreement's first instalment that is settled and was not returned."""


@dataclass(frozen=True)
class CurrencyShares:
    """The shares of one currency; nothing is converted."""

    currency: str
    committed: Shares
    paid: Shares


@dataclass(frozen=True)
class Way:
    """How the money of a grant reaches one partner."""

    agreement_id: UUID
    partner_id: UUID
    legal_name: str | None
    local: Locality
    layers_from_fund: int | None
    layers_from_donor: int | None
    first_settled_on: date | None
    days: Days | None


async def shares_of_money(
    uow: UnitOfWork,
    *,
    country: str | None = None,
    emergency: str | None = None,
    grant_id: UUID | None = None,
) -> Sequence[CurrencyShares]:
    """Who gets which share, by currency, within the reader's reach.

    What failed or ended is not in it. The database adds up: what comes back is one row for each
    currency, kind and locality, however many agreements there are.
    """
    agreement, balance, partner = agreement_table.c, ledger_balance.c, partner_mirror.c
    statement = (
        select(
            balance.currency,
            func.sum(balance.balance).label("committed"),
            func.sum(case((balance.purse == Purse.PAID.value, balance.balance), else_=0)).label(
                "paid"
            ),
            partner.kind,
            LOCAL_HERE.label("local"),
        )
        .select_from(agreement_table)
        .join(ledger_balance, balance.owner == agreement.id)
        .join(funding_grant, funding_grant.c.id == agreement.grant_id)
        .outerjoin(partner_mirror, KNOWN)
        .where(balance.purse.in_([purse.value for purse in AGREEMENT_PURSES]))
        .group_by(balance.currency, partner.kind, LOCAL_HERE)
        .order_by(balance.currency)
    )
    statement = within_reach(statement, agreement_table, uow.actor)
    if country is not None:
        statement = statement.where(agreement.country == country)
    if emergency is not None:
        statement = statement.where(funding_grant.c.emergency == emergency)
    if grant_id is not None:
        statement = statement.where(agreement.grant_id == grant_id)
    rows = (await uow.db.execute(statement)).all()
    result = []
    for currency, group in groupby(rows, key=lambda row: row.currency):
        gifts = [
            Gift(Decimal(row.committed), Decimal(row.paid), row.kind, locality(row.local))
            for row in group
        ]
        committed = shares((gift, gift.committed) for gift in gifts)
        paid = shares((gift, gift.paid) for gift in gifts)
        result.append(CurrencyShares(currency, committed, paid))
    return result


async def ways_of_grant(
    uow: UnitOfWork, grant: Grant, *, most: int = MOST
) -> tuple[Sequence[Way], bool]:
    """Layers and time to the first settled instalment, for the first `most` agreements of `grant`
    that were signed, and whether that is all of them.
    """
    agreement, partner = agreement_table.c, partner_mirror.c
    statement = (
        select(
            agreement.id,
            agreement.partner_id,
            partner.legal_name,
            LOCAL_HERE.label("local"),
            FIRST_SETTLED.label("first_settled_on"),
        )
        .select_from(agreement_table)
        .outerjoin(partner_mirror, KNOWN)
        .where(agreement.grant_id == grant.id, agreement.signed_on.is_not(None))
        .order_by(agreement.id)
        .limit(most + 1)
    )
    fund = layers_from(grant.funders, FunderRole.FUND)
    donor = layers_from(grant.funders, FunderRole.DONOR)
    rows = (await uow.db.execute(statement)).all()
    ways = [
        Way(
            agreement_id=row.id,
            partner_id=row.partner_id,
            legal_name=row.legal_name,
            local=locality(row.local),
            layers_from_fund=fund,
            layers_from_donor=donor,
            first_settled_on=row.first_settled_on,
            days=_days(grant.disbursed_on, row.first_settled_on),
        )
        for row in rows[:most]
    ]
    return ways, len(rows) <= most


def _days(start: date | None, end: date | None) -> Days | None:
    return None if start is None or end is None else days_between(start, end)
