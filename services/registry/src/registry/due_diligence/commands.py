"""Showing documents, submitting, verifying, deciding, lapsing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from common.aggregate import Change
from common.clock import latest_date
from common.errors import ConflictError, NotFoundError
from common.sequence import Sequence
from common.uow import UnitOfWork
from registry.due_diligence import rules
from registry.due_diligence.rules import Document, DocumentKind, Dossier, Findings, Policy, Section
from registry.due_diligence.tables import (
    DOSSIER,
    declaration_table,
    document_table,
    dossier_of,
    excuse_table,
    profile_table,
    verification_table,
)
from registry.locks import Lock
from registry.partners.commands import hold, save
from registry.partners.events import (
    Activated,
    Declared,
    DocumentAdded,
    DocumentExcused,
    DocumentRemoved,
    Expired,
    Profiled,
    Rejected,
    ReviewStarted,
    Submitted,
    Verified,
)
from registry.partners.rules import partner as partners
from registry.partners.rules.life import Deed, Status
from registry.partners.rules.partner import Partner, must_be_editable
from registry.partners.tables import partner_of, partner_table

MAX_LAPSING = 500
"""Partners that one unit of work moves to expired."""

_DOSSIER = (
    select(*DOSSIER).select_from(partner_table).where(partner_table.c.id == bindparam("partner_id"))
)


class OldDeclarationError(ConflictError):
    code = "old_declaration"
    title = "This is not the present declaration"


async def add_document(
    uow: UnitOfWork,
    partner_id: UUID,
    *,
    kind: DocumentKind,
    number: str | None,
    issued_on: date,
    expires_on: date | None,
    expected: Sequence | None = None,
) -> Partner:
    """Show a document.

    Raises NotFoundError, ForbiddenError, StaleVersionError, NotEditableError, InvalidError,
    TooManyDocumentsError.
    """
    partner, dossier = await _edit(uow, partner_id, expected)
    document = rules.admissible(
        Document(uow.ids.new(), kind, issued_on, expires_on, number),
        dossier,
        today=uow.now.date(),
        latest=latest_date(uow.now),
    )
    await uow.db.execute(
        insert(document_table).values(
            id=document.id,
            partner_id=partner_id,
            kind=kind.value,
            number=number,
            issued_on=issued_on,
            expires_on=expires_on,
            added_by=uow.actor.subject,
            added_at=uow.now,
        )
    )
    shown = replace(dossier, documents=(*dossier.documents, document))
    return await _keep(uow, partner, shown, DocumentAdded(kind=kind.value), {"number": number})


async def remove_document(
    uow: UnitOfWork, partner_id: UUID, document_id: UUID, expected: Sequence | None = None
) -> Partner:
    """A document no longer counts; it is kept for the record.

    Raises NotFoundError, ForbiddenError, StaleVersionError, NotEditableError.
    """
    partner, dossier = await _edit(uow, partner_id, expected)
    document = next((each for each in dossier.documents if each.id == document_id), None)
    if document is None:
        raise NotFoundError(f"This partner has no document {document_id}.")
    await uow.db.execute(
        update(document_table).where(document_table.c.id == document_id).values(removed_at=uow.now)
    )
    left = tuple(each for each in dossier.documents if each is not document)
    change = DocumentRemoved(kind=document.kind.value)
    return await _keep(uow, partner, replace(dossier, documents=left), change)


async def excuse_document(
    uow: UnitOfWork,
    partner_id: UUID,
    kind: DocumentKind,
    *,
    reason: str,
    expected: Sequence | None = None,
) -> Partner:
    """State why there is no document of `kind`. The reason itself is private.

    Raises NotFoundError, ForbiddenError, StaleVersionError, NotEditableError.
    """
    partner, dossier = await _edit(uow, partner_id, expected)
    stated = {"stated_by": uow.actor.subject, "stated_at": uow.now}
    await uow.db.execute(
        insert(excuse_table)
        .values(partner_id=partner_id, kind=kind.value, **stated)
        .on_conflict_do_update(index_elements=["partner_id", "kind"], set_=stated)
    )
    excused = replace(dossier, excused=dossier.excused | {kind})
    change = DocumentExcused(kind=kind.value)
    return await _keep(uow, partner, excused, change, {"reason": reason})


async def accept_declaration(
    uow: UnitOfWork, partner_id: UUID, version: str, expected: Sequence | None = None
) -> Partner:
    """Accept the declaration; accepting the same version again changes nothing.

    Raises NotFoundError, ForbiddenError (a system), StaleVersionError, NotEditableError,
    OldDeclarationError.
    """
    uow.actor.must_be_human("accept the declaration")
    policy: Policy = uow.policy
    partner, dossier = await _edit(uow, partner_id, expected)
    if version != policy.declaration:
        raise OldDeclarationError(
            f"The present declaration is version {policy.declaration}, not {version}.",
            present=policy.declaration,
        )
    if version in dossier.declared:
        return partner
    await uow.db.execute(
        insert(declaration_table).values(
            partner_id=partner_id,
            version=version,
            accepted_by=uow.actor.subject,
            accepted_at=uow.now,
        )
    )
    return await save(uow, partner, Declared(version=version))


async def fill_profile(
    uow: UnitOfWork,
    partner_id: UUID,
    sections: Mapping[Section, Mapping[str, Any]],
    expected: Sequence | None = None,
) -> Partner:
    """Replace the given sections of the profile; the others stay.

    Raises NotFoundError, ForbiddenError, StaleVersionError, NotEditableError.
    """
    partner, _ = await _edit(uow, partner_id, expected)
    if not sections:
        return partner
    filled = insert(profile_table).values(
        partner_id=partner_id, sections={name.value: dict(each) for name, each in sections.items()}
    )
    await uow.db.execute(
        filled.on_conflict_do_update(
            index_elements=["partner_id"],
            set_={"sections": profile_table.c.sections.concat(filled.excluded.sections)},
        )
    )
    names = tuple(section.value for section in Section if section in sections)
    return await save(uow, partner, Profiled(sections=names))


async def submit_partner(
    uow: UnitOfWork, partner_id: UUID, expected: Sequence | None = None
) -> Partner:
    """Ask for a review. What was verified before has to be verified anew.

    Raises NotFoundError, ForbiddenError, StaleVersionError, IllegalMoveError, IncompleteError.
    """
    partner, dossier = await _load(uow, partner_id, expected)
    submitted = partners.do(partner, Deed.SUBMIT)
    rules.must_be_complete(partner, dossier, uow.policy, uow.now.date())
    waiting = replace(submitted, verified=False, holds_until=None, submitted_by=uow.actor.subject)
    return await save(uow, waiting, Submitted())


async def start_review(
    uow: UnitOfWork, partner_id: UUID, expected: Sequence | None = None
) -> Partner:
    """Take a submitted partner up. Raises NotFoundError, ForbiddenError, StaleVersionError,
    IllegalMoveError."""
    partner = await hold(uow, partner_id, expected, judging="review a partner")
    return await save(uow, partners.do(partner, Deed.START_REVIEW), ReviewStarted())


async def verify_partner(
    uow: UnitOfWork,
    partner_id: UUID,
    findings: Findings,
    *,
    comment: str,
    expected: Sequence | None = None,
) -> Partner:
    """Record a verification. It is never changed; the latest one counts.

    Raises NotFoundError, ForbiddenError, StaleVersionError, FourEyesError (who submitted it),
    NotVerifiedError (a state in which nothing is verified), IncompleteError (a good verification of
    an incomplete partner).
    """
    partner, dossier = await _load(uow, partner_id, expected, judging="verify a partner")
    policy: Policy = uow.policy
    today = uow.now.date()
    rules.must_be_another(partner, uow.actor.subject, "verify")
    rules.must_be_verifiable(partner)
    if findings.verified:
        rules.must_be_complete(partner, dossier, policy, today)
    valid_until = rules.valid_until(today, policy.validity_years)
    seen = rules.seen(dossier, valid_until)
    await uow.db.execute(
        insert(verification_table).values(
            id=uow.ids.new(),
            partner_id=partner_id,
            certificate_seen=findings.certificate_seen,
            mandate_consistent=findings.mandate_consistent,
            safeguards_in_place=findings.safeguards_in_place,
            other_risk=findings.other_risk,
            unacceptable_flag=findings.unacceptable_flag,
            verified_by=uow.actor.subject,
            verified_at=uow.now,
            valid_until=valid_until,
            documents=sorted(seen.seen),
            excused=sorted(seen.seen_excused),
        )
    )
    found = replace(partner, verified=findings.verified)
    return await _keep(uow, found, seen, Verified(), {"comment": comment})


async def activate_partner(
    uow: UnitOfWork, partner_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Partner:
    """End a review well. Raises NotFoundError, ForbiddenError, StaleVersionError, FourEyesError,
    IllegalMoveError, NotVerifiedError."""
    partner = await hold(uow, partner_id, expected, judging="decide on a partner")
    rules.must_be_another(partner, uow.actor.subject, "activate")
    active = partners.do(partner, Deed.ACTIVATE)
    rules.must_be_verified(partner, uow.now.date())
    return await save(uow, active, Activated(), private={"reason": reason})


async def reject_partner(
    uow: UnitOfWork, partner_id: UUID, *, reason: str, expected: Sequence | None = None
) -> Partner:
    """End a review badly. Raises NotFoundError, ForbiddenError, StaleVersionError, FourEyesError,
    IllegalMoveError."""
    partner = await hold(uow, partner_id, expected, judging="decide on a partner")
    rules.must_be_another(partner, uow.actor.subject, "reject")
    rejected = partners.do(partner, Deed.REJECT)
    return await save(uow, rejected, Rejected(), private={"reason": reason})


async def expire_lapsed(uow: UnitOfWork) -> int:
    """Move active partners whose due diligence lapsed before today to expired, MAX_LAPSING at most.

    Returns how many. Safe to run at any time and side by side. Nothing waits for it:
    `eligible_until` has closed them already.
    """
    uow.locks(Lock.PARTNER)
    lapsed = (
        select(partner_table)
        .where(partner_table.c.status == Status.ACTIVE.value)
        .where(partner_table.c.holds_until < uow.now.date())
        .order_by(partner_table.c.id)
        .limit(MAX_LAPSING)
        .with_for_update(skip_locked=True)
    )
    rows = (await uow.db.execute(lapsed)).all()
    for row in rows:
        await save(uow, partners.do(partner_of(row._mapping), Deed.EXPIRE), Expired())
    return len(rows)


async def _load(
    uow: UnitOfWork, partner_id: UUID, expected: Sequence | None, *, judging: str | None = None
) -> tuple[Partner, Dossier]:
    """The partner, locked, and then its dossier: every change of it takes that lock first."""
    partner = await hold(uow, partner_id, expected, judging=judging)
    rows = await uow.db.execute(_DOSSIER, {"partner_id": partner_id})
    return partner, dossier_of(rows.one())


async def _edit(
    uow: UnitOfWork, partner_id: UUID, expected: Sequence | None
) -> tuple[Partner, Dossier]:
    partner, dossier = await _load(uow, partner_id, expected)
    must_be_editable(partner)
    return partner, dossier


async def _keep(
    uow: UnitOfWork,
    partner: Partner,
    dossier: Dossier,
    change: Change,
    private: Mapping[str, Any] | None = None,
) -> Partner:
    """Save `partner` with the day until which its due diligence now holds."""
    end = rules.holds_until(dossier, uow.now.date()) if partner.verified else None
    return await save(uow, replace(partner, holds_until=end), change, private=private)
