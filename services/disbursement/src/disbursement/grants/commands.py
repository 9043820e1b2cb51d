"""Registering grants and recording what was received of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy import insert, select, update

from common.clock import latest_date
from common.errors import NotFoundError
from common.money import Money
from common.uow import UnitOfWork
from disbursement.amounts import must_be_in
from disbursement.grants import rules
from disbursement.grants.codes import Window, find_codes
from disbursement.grants.events import GRANT, GrantState, Received, Registered
from disbursement.grants.rules import Funder, Grant, Source
from disbursement.grants.tables import funding_grant, grant_receipt
from disbursement.ledger.commands import open_accounts, post
from disbursement.ledger.queries import balances_of_owner
from disbursement.ledger.rules import GRANT_PURSES, Movement, MovementKind, Purse
from disbursement.locks import Lock
from disbursement.policy import Policy


@dataclass(frozen=True)
class NewGrant:
    """What is known of a grant when it is entered. `agreed_end` overrides the window's rule."""

    source: Source
    cerf_window: Window | None
    code_text: str | None
    title: str
    country: str
    emergency: str | None
    amount: Money
    funders: Sequence[Funder] = ()
    approved_on: date | None = None
    disbursed_on: date | None = None
    agreed_end: date | None = None
    cerf_round: int | None = None


async def register_grant(uow: UnitOfWork, new: NewGrant) -> Grant:
    """Enter a grant and open its accounts, empty.

    Raises ForbiddenError for another country, CodeMismatchError, ChainError, DatesError,
    UnknownTermError.
    """
    uow.actor.must_act_in(new.country)
    policy: Policy = uow.policy
    codes = find_codes(new.code_text)
    window = rules.cerf_window(new.source, new.cerf_window, codes)
    rules.must_have_rounds(window, new.cerf_round)
    rules.must_tell_its_year(new.cerf_round, new.approved_on)
    rules.must_be_in_order(new.approved_on, new.disbursed_on, latest_date(uow.now))
    ends = rules.deadline(
        window,
        new.disbursed_on,
        new.agreed_end,
        policy.terms,
        approved_on=new.approved_on,
        cerf_round=new.cerf_round,
    )
    sequence = uow.after(None)
    grant = Grant(
        id=uow.ids.new(),
        sequence=str(sequence),
        source=new.source,
        cerf_window=window,
        cerf_round=new.cerf_round,
        code_text=new.code_text,
        project_code=codes.project_code,
        application_code=codes.application_code,
        title=new.title,
        country=new.country,
        emergency=new.emergency,
        amount=new.amount,
        funders=rules.funding_chain(new.source, new.funders),
        approved_on=new.approved_on,
        disbursed_on=new.disbursed_on,
        ends_on=ends.ends_on if ends else None,
        ends_source=ends.source if ends else None,
    )
    await uow.db.execute(insert(funding_grant).values(**_row(grant), registered_at=uow.now))
    await open_accounts(
        uow, grant.id, GRANT_PURSES, grant_id=grant.id, currency=grant.amount.currency
    )
    await uow.record(GRANT, grant.id, sequence, Registered(), GrantState.of(grant))
    return grant


async def record_receipt(
    uow: UnitOfWork,
    grant_id: UUID,
    amount: Money,
    received_on: date,
    *,
    reference: str | None = None,
) -> Grant:
    """Record money that reached us; the first receipt dates the fund's payment unless that is
    known.

    Raises NotFoundError, ForbiddenError, CurrencyMismatchError, BeyondGrantError, DatesError,
    UnknownTermError.
    """
    policy: Policy = uow.policy
    grant = await grant_for_update(uow, grant_id)
    must_be_in(amount.currency, grant.amount.currency, whose="grant")
    rules.must_not_be_ahead(received_on, latest_date(uow.now), pointer="/received_on")
    rules.must_follow_the_fund(received_on, grant)
    balances = await balances_of_owner(uow, grant_id)
    received = Money(-balances[Purse.RECEIVED], grant.amount.currency)
    rules.must_fit(amount, received, grant.amount)
    sequence = uow.after(grant.sequence)
    disbursed_on = grant.disbursed_on or received_on
    ends = rules.deadline(
        grant.cerf_window,
        disbursed_on,
        grant.ends_on,
        policy.terms,
        approved_on=grant.approved_on,
        cerf_round=grant.cerf_round,
    )
    changed = replace(
        grant,
        sequence=str(sequence),
        disbursed_on=disbursed_on,
        ends_on=ends.ends_on if ends else None,
        ends_source=grant.ends_source or (ends.source if ends else None),
    )
    await uow.db.execute(
        update(funding_grant)
        .where(funding_grant.c.id == grant_id)
        .values(
            sequence=changed.sequence,
            disbursed_on=changed.disbursed_on,
            ends_on=changed.ends_on,
            ends_source=changed.ends_source,
        )
    )
    await uow.db.execute(
        insert(grant_receipt).values(
            id=uow.ids.new(),
            grant_id=grant_id,
            amount=amount.amount,
            currency=amount.currency,
            received_on=received_on,
            reference=reference,
            recorded_at=uow.now,
        )
    )
    await post(uow, Movement(MovementKind.RECEIVED, amount, grant_id))
    change = Received(amount=amount.amount, currency=amount.currency, received_on=received_on)
    await uow.record(GRANT, grant_id, sequence, change, GrantState.of(changed))
    return changed


async def grant_for_update(uow: UnitOfWork, grant_id: UUID) -> Grant:
    """The grant, locked. Raises NotFoundError, ForbiddenError for another country's."""
    row = await uow.lock(
        Lock.GRANT, select(funding_grant).where(funding_grant.c.id == grant_id).with_for_update()
    )
    return permitted(uow, row)


def permitted(uow: UnitOfWork, row: object | None) -> Grant:
    """The grant in `row`, for staff of its country. Raises NotFoundError, ForbiddenError."""
    if row is None:
        raise NotFoundError("There is no such grant.")
    grant = Grant.of(row)
    uow.actor.must_act_in(grant.country)
    uow.actor.must_be_staff("see and handle grants")
    return grant


def _row(grant: Grant) -> dict[str, object]:
    return {
        "id": grant.id,
        "sequence": grant.sequence,
        "source": grant.source.value,
        "cerf_window": grant.cerf_window and grant.cerf_window.value,
        "cerf_round": grant.cerf_round,
        "code_text": grant.code_text,
        "project_code": grant.project_code,
        "application_code": grant.application_code,
        "title": grant.title,
        "country": grant.country,
        "emergency": grant.emergency,
        "amount": grant.amount.amount,
        "currency": grant.amount.currency,
        "funders": [{"role": each.role.value, "name": each.name} for each in grant.funders],
        "approved_on": grant.approved_on,
        "disbursed_on": grant.disbursed_on,
        "ends_on": grant.ends_on,
        "ends_source": grant.ends_source,
    }
