"""Reading across grants, agreements, payments and the partners' mirror, for the reports."""

from collections.abc import Mapping, Sequence
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
from disbursement.payments.rules import PaymentStatus
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

LOCAL_HERE = case(
    (
        (partner_mirror.c.local == Locality.YES.value)
        & (partner_mirror.c.country != agreement_table.c.country),
        Locality.UNDETERMINED.value,
    ),
    else_=partner_mirror.c.local,
)
"""A local actor is one in its own country; across a border nobody has agreed on an answer."""


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

    What failed or ended is not in it.
    """
    agreement, balance, partner = agreement_table.c, ledger_balance.c, partner_mirror.c
    statement = (
        select(
            agreement.id,
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
        .outerjoin(partner_mirror, (partner.id == agreement.partner_id) & partner.readable)
        .where(balance.purse.in_([purse.value for purse in AGREEMENT_PURSES]))
        .group_by(agreement.id, balance.currency, partner.kind, LOCAL_HERE)
        .order_by(balance.currency, agreement.id)
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


async def ways_of_grant(uow: UnitOfWork, grant: Grant) -> Sequence[Way]:
    """Layers and time to the first settled instalment, for each agreement of `grant` that was
    signed.
    """
    agreement, partner = agreement_table.c, partner_mirror.c
    statement = (
        select(agreement.id, agreement.partner_id, partner.legal_name, LOCAL_HERE.label("local"))
        .select_from(agreement_table)
        .outerjoin(partner_mirror, (partner.id == agreement.partner_id) & partner.readable)
        .where(agreement.grant_id == grant.id, agreement.signed_on.is_not(None))
        .order_by(agreement.id)
    )
    first = await _first_settled(uow, grant.id)
    fund = layers_from(grant.funders, FunderRole.FUND)
    donor = layers_from(grant.funders, FunderRole.DONOR)
    ways = []
    for row in await uow.db.execute(statement):
        settled = first.get(row.id)
        ways.append(
            Way(
                agreement_id=row.id,
                partner_id=row.partner_id,
                legal_name=row.legal_name,
                local=locality(row.local),
                layers_from_fund=fund,
                layers_from_donor=donor,
                first_settled_on=settled,
                days=_days(grant.disbursed_on, settled),
            )
        )
    return ways


def _days(start: date | None, end: date | None) -> Days | None:
    return None if start is None or end is None else days_between(start, end)


async def _first_settled(uow: UnitOfWork, grant_id: UUID) -> Mapping[UUID, date]:
    """The day of each agreement's first instalment that is settled and was not returned."""
    payment = payment_table.c
    statement = (
        select(payment.agreement_id, func.min(payment.settled_on).label("first"))
        .where(payment.grant_id == grant_id, payment.status == PaymentStatus.SETTLED.value)
        .group_by(payment.agreement_id)
    )
    rows = await uow.db.execute(statement)
    return {row.agreement_id: row.first for row in rows}
