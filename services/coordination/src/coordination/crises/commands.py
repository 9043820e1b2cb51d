"""Declaring, closing and reopening a crisis."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from common.aggregate import Change
from common.clock import latest_date
from common.db.faults import constraint_of
from common.errors import ConflictError, NotFoundError
from common.sequence import Sequence
from common.uow import UnitOfWork
from coordination.crises import rules
from coordination.crises.events import CRISIS, Closed, CrisisState, Declared, Reopened
from coordination.crises.rules import Crisis, CrisisStatus
from coordination.crises.tables import crisis_of, crisis_table
from coordination.locks import Lock


class DuplicateGlideError(ConflictError):
    code = "duplicate_glide"
    title = "A crisis with this GLIDE number exists"


async def declare_crisis(
    uow: UnitOfWork,
    *,
    name: str,
    onset_on: date,
    countries: tuple[str, ...],
    glide: str | None = None,
) -> Crisis:
    """Declare a crisis in `countries` since `onset_on`.

    Raises InvalidError (a future onset, another country's GLIDE number), ForbiddenError (a country
    outside the actor's, a partner's token), DuplicateGlideError.
    """
    uow.actor.must_be_staff("declare crises")
    for country in countries:
        uow.actor.must_act_in(country)
    sequence = uow.after(None)
    crisis = rules.declare(
        Crisis(
            id=uow.ids.new(),
            sequence=str(sequence),
            glide=glide,
            name=name,
            onset_on=onset_on,
            countries=tuple(sorted(set(countries))),
            status=CrisisStatus.OPEN,
        ),
        latest=latest_date(uow.now),
    )
    try:
        await uow.db.execute(
            insert(crisis_table).values(
                id=crisis.id,
                sequence=crisis.sequence,
                glide=glide,
                name=name,
                onset_on=onset_on,
                countries=list(crisis.countries),
                status=crisis.status.value,
            )
        )
    except IntegrityError as error:
        if constraint_of(error) == "crisis_glide_once":
            raise DuplicateGlideError(
                f"A crisis with the GLIDE number {glide} has been declared already.", glide=glide
            ) from error
        raise
    await uow.record(CRISIS, crisis.id, sequence, Declared(), CrisisState.of(crisis))
    return crisis


async def close_crisis(
    uow: UnitOfWork, crisis_id: UUID, expected: Sequence | None = None
) -> Crisis:
    """The response has ended. Its clusters stand until each is deactivated.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    crisis = await _lock(uow, crisis_id, expected)
    return await _save(uow, rules.close(crisis), Closed())


async def reopen_crisis(
    uow: UnitOfWork, crisis_id: UUID, expected: Sequence | None = None
) -> Crisis:
    """It flares up again.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    crisis = await _lock(uow, crisis_id, expected)
    return await _save(uow, rules.reopen(crisis), Reopened())


async def hold_crisis(uow: UnitOfWork, crisis_id: UUID) -> Crisis:
    """The crisis, kept from changing until this transaction ends. Raises NotFoundError."""
    statement = select(crisis_table).where(crisis_table.c.id == crisis_id)
    row = await uow.lock(Lock.CRISIS, statement.with_for_update(read=True))
    if row is None:
        raise NotFoundError(f"There is no crisis {crisis_id}.")
    return crisis_of(row)


async def _lock(uow: UnitOfWork, crisis_id: UUID, expected: Sequence | None) -> Crisis:
    statement = select(crisis_table).where(crisis_table.c.id == crisis_id)
    row = await uow.lock(Lock.CRISIS, statement.with_for_update())
    if row is None:
        raise NotFoundError(f"There is no crisis {crisis_id}.")
    crisis = crisis_of(row)
    uow.actor.must_be_staff("close or reopen crises")
    for country in crisis.countries:
        uow.actor.must_act_in(country)
    uow.expect(crisis.sequence, expected)
    return crisis


async def _save(uow: UnitOfWork, crisis: Crisis, change: Change) -> Crisis:
    sequence = uow.after(crisis.sequence)
    saved = replace(crisis, sequence=str(sequence))
    await uow.db.execute(
        update(crisis_table)
        .where(crisis_table.c.id == saved.id)
        .values(sequence=saved.sequence, status=saved.status.value)
    )
    await uow.record(CRISIS, saved.id, sequence, change, CrisisState.of(saved))
    return saved
