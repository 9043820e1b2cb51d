"""Partners over HTTP."""

from uuid import UUID

from common.errors import IllegalMoveError
from common.http import Reply, Routes
from common.sequence import Sequence
from common.uow import UnitOfWork
from registry.partners import commands, queries
from registry.partners.commands import DuplicatePartnerError, IdentifierTakenError
from registry.partners.models import (
    EligibilityView,
    Kinds,
    KindView,
    LocalisationOverride,
    PartnerFacts,
    PartnerView,
    WrittenReason,
)
from registry.partners.rules.kinds import CROSSWALK
from registry.partners.rules.partner import (
    HeadquartersLockedError,
    NotEditableError,
    Partner,
    eligibility,
)

READ = "registry.partners.read"
WRITE = "registry.partners.write"
SUSPEND = "registry.partners.suspend"
LOCK = "registry.partners.lock"
LOCALISE = "registry.partners.localise"

routes = Routes(
    tag="partners",
    description="Who the partners are, and whether they may be worked with.",
)


@routes.command(
    "POST", "/partners", scope=WRITE, refuses=(DuplicatePartnerError, IdentifierTakenError)
)
async def register_partner(uow: UnitOfWork, body: PartnerFacts) -> Reply[PartnerView]:
    """Register a partner.

    It begins as a draft. A legal name is registered once per country (capitals, accents and
    punctuation do not make another name); a refusal shows the entries that stand.
    """
    partner = await commands.register_partner(uow, body.facts())
    return Reply.created(
        PartnerView.of(partner), at=f"/v1/partners/{partner.id}", sequence=partner.sequence
    )


@routes.query("/partners/{partner_id}", scope=READ)
async def read_partner(uow: UnitOfWork, partner_id: UUID) -> Reply[PartnerView]:
    """Read a partner.

    As it stood after its last change, which is what its ETag names. Whether it is eligible *today*
    is a question of its own: see `/eligibility`.
    """
    partner = await queries.read_partner(uow, partner_id)
    return Reply.ok(PartnerView.of(partner), sequence=partner.sequence)


@routes.query("/partners/{partner_id}/eligibility", scope=READ)
async def read_eligibility(uow: UnitOfWork, partner_id: UUID) -> Reply[EligibilityView]:
    """May this partner be worked with today?"""
    partner = await queries.read_partner(uow, partner_id)
    today = uow.now.date()
    verdict = eligibility(partner, today)
    return Reply.ok(
        EligibilityView(
            partner_id=partner.id,
            on=today,
            eligibility=verdict.eligibility,
            reasons=verdict.reasons,
            eligible_until=verdict.eligible_until,
        )
    )


@routes.command(
    "PUT",
    "/partners/{partner_id}",
    scope=WRITE,
    match=True,
    refuses=(NotEditableError, DuplicatePartnerError, IdentifierTakenError),
)
async def revise_partner(
    uow: UnitOfWork, partner_id: UUID, body: PartnerFacts, expected: Sequence
) -> Reply[PartnerView]:
    """Revise what is known about a partner.

    Replaces all of it. Another name, kind, country of headquarters or headquarters takes a
    verification back, and so does whatever makes the partner local or foreign. Not while it is with
    a reviewer, and not while it is locked.
    """
    return _seen(await commands.revise_partner(uow, partner_id, body.facts(), expected))


@routes.command("PUT", "/partners/{partner_id}/localisation", scope=LOCALISE, match=True)
async def override_localisation(
    uow: UnitOfWork, partner_id: UUID, body: LocalisationOverride, expected: Sequence
) -> Reply[PartnerView]:
    """Decide whether a partner is local.

    For the cases in which the computed answer is wrong or open. Only a person may, and not the
    partner itself.
    """
    return _seen(
        await commands.override_localisation(
            uow, partner_id, body.local, reason=body.reason, expected=expected
        )
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/suspend",
    scope=SUSPEND,
    match=True,
    refuses=(IllegalMoveError,),
)
async def suspend_partner(
    uow: UnitOfWork, partner_id: UUID, body: WrittenReason, expected: Sequence
) -> Reply[PartnerView]:
    """Suspend an active partner."""
    return _seen(
        await commands.suspend_partner(uow, partner_id, reason=body.reason, expected=expected)
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/reinstate",
    scope=SUSPEND,
    match=True,
    refuses=(IllegalMoveError,),
)
async def reinstate_partner(
    uow: UnitOfWork, partner_id: UUID, body: WrittenReason, expected: Sequence
) -> Reply[PartnerView]:
    """End a suspension."""
    return _seen(
        await commands.reinstate_partner(uow, partner_id, reason=body.reason, expected=expected)
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/lock",
    scope=LOCK,
    match=True,
    refuses=(IllegalMoveError,),
)
async def lock_partner(
    uow: UnitOfWork, partner_id: UUID, body: WrittenReason, expected: Sequence
) -> Reply[PartnerView]:
    """Lock a partner.

    For a red flag or a confirmed sanctions match. The offices of a headquarters are locked with it.
    """
    return _seen(
        await commands.lock_partner(uow, partner_id, reason=body.reason, expected=expected)
    )


@routes.command(
    "POST",
    "/partners/{partner_id}/unlock",
    scope=LOCK,
    match=True,
    refuses=(IllegalMoveError, HeadquartersLockedError),
)
async def unlock_partner(
    uow: UnitOfWork, partner_id: UUID, body: WrittenReason, expected: Sequence
) -> Reply[PartnerView]:
    """Unlock a partner.

    Headquarters only (access to every country). The partner stands where it stood before the lock;
    its offices are unlocked one by one, after it.
    """
    return _seen(
        await commands.unlock_partner(uow, partner_id, reason=body.reason, expected=expected)
    )


@routes.query("/code-lists/partner-kinds", scope=READ)
async def list_kinds(uow: UnitOfWork) -> Reply[Kinds]:
    """The kinds of partner and their codes in IATI, HDX, FTS and UNPP."""
    return Reply.ok(
        Kinds(
            kinds=tuple(
                KindView(kind=kind, iati=codes.iati, hdx=codes.hdx, fts=codes.fts, unpp=codes.unpp)
                for kind, codes in CROSSWALK.items()
            )
        )
    )


def _seen(partner: Partner) -> Reply[PartnerView]:
    return Reply.ok(PartnerView.of(partner), sequence=partner.sequence)
