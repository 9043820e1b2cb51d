"""Entering, revising, suspending and locking partners.

`hold` and `save` are how every slice of this service changes a partner: one row locked, one row
written, one entry in the journal, with localisation and eligibility reckoned anew each time.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError

from common.aggregate import Change
from common.db.faults import constraint_of
from common.errors import ConflictError, InvalidError, NotFoundError, Place
from common.sequence import Sequence
from common.uow import UnitOfWork
from registry.locks import Lock
from registry.partners.events import (
    PARTNER,
    Localised,
    Locked,
    PartnerState,
    Registered,
    Reinstated,
    Revised,
    Suspended,
    Unlocked,
)
from registry.partners.rules import access
from registry.partners.rules import partner as rules
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import Deed, Status
from registry.partners.rules.localisation import Local
from registry.partners.rules.partner import Facts, Partner
from registry.partners.tables import (
    changing,
    identifier_table,
    partner_of,
    partner_table,
    row_of,
    word_table,
)

MAX_OFFICES = 250
MAX_CANDIDATES = 5

_LOAD = select(partner_table).where(partner_table.c.id == bindparam("partner_id"))
_OFFICES = (
    select(partner_table.c.kind, partner_table.c.country)
    .where(partner_table.c.headquarters_id == bindparam("head"))
    .limit(MAX_OFFICES)
)
_HEAD_OF = select(partner_table.c.headquarters_id).where(
    partner_table.c.id == bindparam("partner_id")
)
_ENTER = insert(partner_table).on_conflict_do_nothing().returning(partner_table.c.id)
_UPDATE = update(partner_table).where(partner_table.c.id == bindparam("partner_id"))
_LEARN_WORDS = (
    insert(word_table)
    .from_select(["word"], select(func.unnest(bindparam("words", type_=ARRAY(Text)))))
    .on_conflict_do_nothing()
)


class DuplicatePartnerError(ConflictError):
    code = "duplicate_partner"
    title = "This partner is registered already"


class IdentifierTakenError(ConflictError):
    code = "identifier_taken"
    title = "Another partner has this identifier"


async def register_partner(uow: UnitOfWork, facts: Facts) -> Partner:
    """Enter a partner as a draft.

    Raises InvalidError, ForbiddenError (a country outside the actor's, a partner-bound token),
    DuplicatePartnerError with the candidates, IdentifierTakenError.
    """
    uow.actor.must_be_staff("register partners")
    uow.actor.must_act_in(facts.country)
    facts = rules.checked(facts)
    headquarters = await _headquarters(uow, facts)
    if headquarters is not None:
        rules.must_be_able_to_hold(headquarters, facts)
    sequence = uow.after(None)
    partner = rules.reckoned(
        Partner(id=uow.ids.new(), sequence=str(sequence), facts=facts, registered_at=uow.now),
        uow.now.date(),
    )
    entered = await uow.db.execute(_ENTER, row_of(partner))
    if entered.one_or_none() is None:
        await _refuse_duplicate(uow, facts)
    await _claim_identifiers(uow, partner)
    await uow.db.execute(_LEARN_WORDS, {"words": list(facts.words)})
    await uow.record(PARTNER, partner.id, sequence, Registered(), PartnerState.of(partner))
    return partner


async def revise_partner(
    uow: UnitOfWork, partner_id: UUID, facts: Facts, expected: Sequence | None = None
) -> Partner:
    """Replace what is known about a partner. The same facts again change nothing.

    Raises NotFoundError, ForbiddenError, StaleVersionError, NotEditableError, InvalidError,
    DuplicatePartnerError, IdentifierTakenError.
    """
    headquarters = await _headquarters(uow, facts)  # locked first: see Lock
    before = await hold(uow, partner_id, expected)
    uow.actor.must_act_in(facts.country)
    partner, changed = rules.revise(before, facts)
    if not changed:
        return before
    access.must_be_able_to_change(uow.actor, before.facts, facts)
    if {"headquarters_id", "country", "countries", "kind"} & set(changed):
        offices = await _offices(uow, partner_id)
        rules.must_keep_its_offices(facts, offices)
        if headquarters is not None and {"headquarters_id", "country", "kind"} & set(changed):
            rules.must_be_able_to_hold(
                headquarters, facts, office_id=partner_id, has_offices=bool(offices)
            )
    try:
        partner = await save(uow, partner, Revised(fields=changed))
    except IntegrityError as error:
        if constraint_of(error) in ("partner_name_once", "partner_office_once"):
            raise DuplicatePartnerError(
                f"Another partner in {facts.country} bears the name {facts.legal_name}, "
                "or is the headquarters' office there.",
                country=facts.country,
            ) from error
        raise
    if {"identifiers", "country"} & set(changed):
        await uow.db.execute(
            delete(identifier_table).where(identifier_table.c.partner_id == partner_id)
        )
        await _claim_identifiers(uow, partner)
    if before.facts.words != facts.words:
        await uow.db.execute(_LEARN_WORDS, {"words": list(facts.words)})
    return partner


async def override_localisation(
    uow: UnitOfWork,
    partner_id: UUID,
    override: Local | None,
    *,
    reason: str,
    expected: Sequence | None = None,
) -> Partner:
    """A person decides whether the partner is local; None goes back to the computed answer.

    Raises NotFoundError, ForbiddenError, StaleVersionError.
    """
    partner = await hold(uow, partner_id, expected, judging="decide whether a partner is local")
    partner = replace(partner, local_override=override)
    return await save(uow, partner, Localised(override=override), private={"reason": reason})


async def suspend_partner(
    uow: UnitOfWork, partner_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Partner:
    """Stop working with a partner until it is reinstated.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    partner = await hold(uow, partner_id, expected, judging="suspend a partner")
    suspended = rules.do(partner, Deed.SUSPEND)
    return await save(uow, suspended, Suspended(), private={"reason": reason})


async def reinstate_partner(
    uow: UnitOfWork, partner_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Partner:
    """End a suspension. Raises NotFoundError, ForbiddenError, StaleVersionError,
    IllegalMoveError."""
    partner = await hold(uow, partner_id, expected, judging="reinstate a partner")
    reinstated = rules.do(partner, Deed.REINSTATE)
    return await save(uow, reinstated, Reinstated(), private={"reason": reason})


async def lock_partner(
    uow: UnitOfWork, partner_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Partner:
    """Lock a partner, and with a headquarters every office of it.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError.
    """
    partner = await hold(uow, partner_id, expected, judging="lock a partner")
    locked = await save(uow, rules.do(partner, Deed.LOCK), Locked(), private={"reason": reason})
    if partner.facts.headquarters_id is None:
        offices = (
            select(partner_table)
            .where(partner_table.c.headquarters_id == partner_id)
            .where(partner_table.c.status != Status.LOCKED.value)
            .order_by(partner_table.c.id)
            .limit(MAX_OFFICES)
            .with_for_update()
        )
        for row in (await uow.db.execute(offices)).all():
            office = rules.do(partner_of(row._mapping), Deed.LOCK)
            await save(uow, office, Locked(by_headquarters=True), private={"reason": reason})
    return locked


async def unlock_partner(
    uow: UnitOfWork, partner_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Partner:
    """Unlock a partner; it stands where it stood. Its offices are unlocked one by one, after it.

    Raises NotFoundError, ForbiddenError (not headquarters), StaleVersionError, IllegalMoveError,
    HeadquartersLockedError.
    """
    access.must_be_headquarters(uow.actor, "unlock a partner")
    known = (await uow.db.execute(_HEAD_OF, {"partner_id": partner_id})).scalar_one_or_none()
    headquarters = await _hold_headquarters(uow, known)  # locked first: see Lock
    partner = await hold(uow, partner_id, expected, judging="unlock a partner")
    unlocked = rules.do(partner, Deed.UNLOCK)
    rules.must_have_its_headquarters_open(partner, headquarters)
    return await save(uow, unlocked, Unlocked(), private={"reason": reason})


async def hold(
    uow: UnitOfWork,
    partner_id: UUID,
    expected: Sequence | None = None,
    *,
    judging: str | None = None,
) -> Partner:
    """The partner, locked until the transaction ends, for one who may edit it, or judge it.

    Raises NotFoundError, ForbiddenError, StaleVersionError.
    """
    uow.locks(Lock.PARTNER)
    rows = await uow.db.execute(_LOAD.with_for_update(), {"partner_id": partner_id})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError(f"There is no partner {partner_id}.")
    partner = partner_of(row._mapping)
    if judging is None:
        access.must_edit(uow.actor, partner)
    else:
        access.must_judge(uow.actor, partner, judging)
    uow.expect(row.sequence, expected)
    return partner


async def save(
    uow: UnitOfWork,
    partner: Partner,
    change: Change,
    *,
    private: Mapping[str, Any] | None = None,
) -> Partner:
    """Write a held partner with what follows from its facts today, and record `change`."""
    sequence = uow.after(partner.sequence)
    saved = replace(rules.reckoned(partner, uow.now.date()), sequence=str(sequence))
    await uow.db.execute(_UPDATE, {"partner_id": saved.id, **changing(saved)})
    await uow.record(PARTNER, saved.id, sequence, change, PartnerState.of(saved), private=private)
    return saved


async def _headquarters(uow: UnitOfWork, office: Facts) -> Partner | None:
    """The headquarters that `office` names, kept from changing. Raises InvalidError."""
    headquarters = await _hold_headquarters(uow, office.headquarters_id)
    if headquarters is None and office.headquarters_id is not None:
        raise InvalidError(
            "The headquarters is not registered.",
            places=[Place("/headquarters_id", "There is no such partner.", "unknown_partner")],
        )
    return headquarters


async def _hold_headquarters(uow: UnitOfWork, partner_id: UUID | None) -> Partner | None:
    if partner_id is None:
        return None
    uow.locks(Lock.HEADQUARTERS)
    held = _LOAD.with_for_update(read=True)
    row = (await uow.db.execute(held, {"partner_id": partner_id})).one_or_none()
    return None if row is None else partner_of(row._mapping)


async def _offices(uow: UnitOfWork, partner_id: UUID) -> list[tuple[Kind, str]]:
    """Kind and country of each office. While its headquarters is locked none is added."""
    rows = await uow.db.execute(_OFFICES, {"head": partner_id})
    return [(Kind(row.kind), row.country) for row in rows]


async def _claim_identifiers(uow: UnitOfWork, partner: Partner) -> None:
    wanted = partner.facts.identifiers
    if not wanted:
        return
    claim = insert(identifier_table).on_conflict_do_nothing()
    rows = await uow.db.execute(
        claim.values(
            [
                {
                    "scheme": each.scheme.value,
                    "country": each.known_in(partner.facts.country),
                    "value": each.value,
                    "partner_id": partner.id,
                }
                for each in wanted
            ]
        ).returning(identifier_table.c.scheme, identifier_table.c.value)
    )
    claimed = {(row.scheme, row.value) for row in rows}
    taken = [
        Place(
            f"/identifiers/{index}",
            f"Another partner has the {each.scheme.value} identifier {each.value}.",
            "identifier_taken",
        )
        for index, each in enumerate(wanted)
        if (each.scheme.value, each.value) not in claimed
    ]
    if taken:
        raise IdentifierTakenError("Another partner has these identifiers already.", places=taken)


async def _refuse_duplicate(uow: UnitOfWork, facts: Facts) -> NoReturn:
    columns = partner_table.c
    same = columns.normal_name == facts.normal_name
    if facts.headquarters_id is not None:
        beside = columns.headquarters_id == facts.headquarters_id
        same |= beside & (columns.country == facts.country)
    standing = (
        select(columns.id, columns.legal_name, columns.kind, columns.country, columns.status)
        .where(same)
        .order_by(columns.country != facts.country, columns.id)
        .limit(MAX_CANDIDATES)
    )
    candidates = [
        {key: str(value) for key, value in row._mapping.items()}
        for row in await uow.db.execute(standing)
    ]
    raise DuplicatePartnerError(
        f"{facts.legal_name} is registered in {facts.country} already; use that entry.",
        candidates=candidates,
    )
