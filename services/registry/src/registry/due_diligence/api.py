"""Due diligence over HTTP. Every answer to a change is the partner, with its new ETag."""

from uuid import UUID

from common.errors import IllegalMoveError
from common.http import Reply, Routes
from common.sequence import Sequence
from common.uow import UnitOfWork
from registry.due_diligence import commands, queries, reasons
from registry.due_diligence.commands import OldDeclarationError
from registry.due_diligence.models import (
    CompletenessView,
    DecisionInput,
    DeclarationInput,
    DocumentInput,
    DossierView,
    Profile,
    SectionView,
    Verdict,
    VerificationInput,
)
from registry.due_diligence.reasons import ReasonsView
from registry.due_diligence.rules import (
    DocumentKind,
    FourEyesError,
    IncompleteError,
    NotVerifiedError,
    TooManyDocumentsError,
    missing,
)
from registry.partners.models import PartnerView, WrittenReason
from registry.partners.rules.partner import NotEditableError, Partner

READ = "registry.due_diligence.read"
WRITE = "registry.due_diligence.write"
REVIEW = "registry.due_diligence.review"

routes = Routes(
    tag="due diligence",
    description="What a partner shows, what a review finds, and until when that holds.",
)


@routes.query("/partners/{partner_id}/due-diligence", scope=READ)
async def read_due_diligence(uow: UnitOfWork, partner_id: UUID) -> Reply[DossierView]:
    """Read what a partner has shown.

    For the partner itself and for staff of its country. Written reasons are not shown: they are
    encrypted, for reviewers and auditors.
    """
    shown = await queries.read_dossier(uow, partner_id)
    return Reply.ok(DossierView.of(shown), sequence=shown.partner.sequence)


@routes.query("/partners/{partner_id}/due-diligence/reasons", scope=REVIEW)
async def read_reasons(uow: UnitOfWork, partner_id: UUID) -> Reply[ReasonsView]:
    """Read why documents are missing.

    The written reasons that stand in for them, deciphered, for the people who review the partner.
    """
    return Reply.ok(await reasons.read_reasons(uow, partner_id))


@routes.query("/partners/{partner_id}/due-diligence/completeness", scope=READ)
async def read_completeness(uow: UnitOfWork, partner_id: UUID) -> Reply[CompletenessView]:
    """What is still missing before a partner can be submitted, section by section, today."""
    shown = await queries.read_dossier(uow, partner_id)
    today = uow.now.date()
    lacking = missing(shown.partner, shown.dossier, uow.policy, today)
    return Reply.ok(
        CompletenessView(
            on=today,
            complete=not any(lacking.values()),
            sections=tuple(
                SectionView(section=section, complete=not sentences, missing=sentences)
                for section, sentences in lacking.items()
            ),
        )
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/documents",
    scope=WRITE,
    match=True,
    refuses=(NotEditableError, TooManyDocumentsError),
)
async def add_document(
    uow: UnitOfWork, partner_id: UUID, body: DocumentInput, expected: Sequence
) -> Reply[PartnerView]:
    """Show a document that is in force today."""
    return _seen(
        await commands.add_document(
            uow,
            partner_id,
            kind=body.kind,
            number=body.number,
            issued_on=body.issued_on,
            expires_on=body.expires_on,
            expected=expected,
        )
    )


@routes.command(
    "DELETE",
    "/partners/{partner_id}/documents/{document_id}",
    scope=WRITE,
    match=True,
    refuses=(NotEditableError,),
)
async def remove_document(
    uow: UnitOfWork, partner_id: UUID, document_id: UUID, expected: Sequence
) -> Reply[PartnerView]:
    """Take a document back.

    It no longer counts, and may shorten the time for which a verification holds.
    """
    return _seen(await commands.remove_document(uow, partner_id, document_id, expected))


@routes.command(
    "PUT",
    "/partners/{partner_id}/documents/{kind}/reason",
    scope=WRITE,
    match=True,
    refuses=(NotEditableError,),
)
async def excuse_document(
    uow: UnitOfWork, partner_id: UUID, kind: DocumentKind, body: WrittenReason, expected: Sequence
) -> Reply[PartnerView]:
    """State why there is no document of a kind.

    Reasons for all three kinds stand in for the documents.
    """
    return _seen(
        await commands.excuse_document(uow, partner_id, kind, reason=body.reason, expected=expected)
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/declaration",
    scope=WRITE,
    match=True,
    refuses=(NotEditableError, OldDeclarationError),
)
async def accept_declaration(
    uow: UnitOfWork, partner_id: UUID, body: DeclarationInput, expected: Sequence
) -> Reply[PartnerView]:
    """Accept the declaration in its present version. Only a person can."""
    return _seen(await commands.accept_declaration(uow, partner_id, body.version, expected))


@routes.command(
    "PATCH",
    "/partners/{partner_id}/profile",
    scope=WRITE,
    match=True,
    refuses=(NotEditableError,),
)
async def fill_profile(
    uow: UnitOfWork, partner_id: UUID, body: Profile, expected: Sequence
) -> Reply[PartnerView]:
    """Fill in sections of the profile.

    A section that is given replaces the one that stood; a section that is left out stays.
    """
    return _seen(await commands.fill_profile(uow, partner_id, body.sections(), expected))


@routes.command(
    "POST",
    "/partners/{partner_id}/submit",
    scope=WRITE,
    match=True,
    refuses=(IllegalMoveError, IncompleteError),
)
async def submit_partner(
    uow: UnitOfWork, partner_id: UUID, expected: Sequence
) -> Reply[PartnerView]:
    """Submit a partner for review.

    From draft, and again after a rejection or when its due diligence has lapsed. A refusal lists
    what each section still lacks.
    """
    return _seen(await commands.submit_partner(uow, partner_id, expected))


@routes.command(
    "POST",
    "/partners/{partner_id}/review",
    scope=REVIEW,
    match=True,
    refuses=(IllegalMoveError,),
)
async def start_review(uow: UnitOfWork, partner_id: UUID, expected: Sequence) -> Reply[PartnerView]:
    """Take a submitted partner under review."""
    return _seen(await commands.start_review(uow, partner_id, expected))


@routes.command(
    "POST",
    "/partners/{partner_id}/verifications",
    scope=REVIEW,
    match=True,
    refuses=(FourEyesError, NotVerifiedError, IncompleteError),
)
async def verify_partner(
    uow: UnitOfWork, partner_id: UUID, body: VerificationInput, expected: Sequence
) -> Reply[PartnerView]:
    """Record a verification.

    Verified means: the certificate was seen, the mandate agrees, safeguards are in place, and
    nothing else speaks against the partner. Verifications are never changed; the latest counts, and
    a bad one makes an active partner ineligible at once. Whoever submitted the partner cannot.
    """
    return _seen(
        await commands.verify_partner(
            uow, partner_id, body.findings(), comment=body.comment, expected=expected
        )
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/decision",
    scope=REVIEW,
    match=True,
    refuses=(FourEyesError, IllegalMoveError, NotVerifiedError),
)
async def decide_review(
    uow: UnitOfWork, partner_id: UUID, body: DecisionInput, expected: Sequence
) -> Reply[PartnerView]:
    """End a review: activate the partner, or reject it.

    Only a person of the partner's country may, other than whoever submitted it, and only a verified
    partner becomes active.
    """
    decide = (
        commands.activate_partner if body.decision is Verdict.ACTIVATE else commands.reject_partner
    )
    return _seen(await decide(uow, partner_id, reason=body.reason, expected=expected))


def _seen(partner: Partner) -> Reply[PartnerView]:
    return Reply.ok(PartnerView.of(partner), sequence=partner.sequence)
