"""What a partner must show before it can be reviewed, what a verification finds, how long it holds.

The rules follow the UN Partner Portal where it has one: at least one of three documents or a
written reason for each, a declaration, a profile that is complete section by section, five
findings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from common.errors import ConflictError, ForbiddenError, InvalidError, Place
from registry.partners.rules.life import Status
from registry.partners.rules.partner import Partner

MAX_DOCUMENTS = 20


class IncompleteError(ConflictError):
    code = "incomplete"
    title = "Something is still missing"


class NotVerifiedError(ConflictError):
    code = "not_verified"
    title = "No verification stands behind this"


class FourEyesError(ForbiddenError):
    code = "four_eyes"
    title = "Another person has to do this"


class TooManyDocumentsError(ConflictError):
    code = "too_many_documents"
    title = "This partner has as many documents as are kept"


@dataclass(frozen=True)
class Policy:
    """What the organisation has decided, from the settings.

    `validity_years`: how long a verification holds (5 in the UN Partner Portal, 4 in UNICEF
    eTools). `declaration`: the version of the declaration that partners must have accepted.
    """

    validity_years: int = 5
    declaration: str = "1"


class DocumentKind(StrEnum):
    """Statutes or similar; a register's certificate; a letter of somebody who knows them."""

    GOVERNING = "governing"
    REGISTRATION = "registration"
    RECOMMENDATION = "recommendation"


class Section(StrEnum):
    """The parts of a registration that are complete or not, each by itself."""

    IDENTITY = "identity"
    DOCUMENTS = "documents"
    DECLARATION = "declaration"
    CONTACTS = "contacts"
    MANDATE = "mandate"
    CAPABILITIES = "capabilities"
    GOVERNANCE = "governance"
    SAFEGUARDING = "safeguarding"
    FUNDING = "funding"


PROFILE = (
    Section.CONTACTS,
    Section.MANDATE,
    Section.CAPABILITIES,
    Section.GOVERNANCE,
    Section.SAFEGUARDING,
    Section.FUNDING,
)
"""The sections that the partner's profile answers."""


@dataclass(frozen=True)
class Document:
    """A document that was shown. `expires_on`: the first day on which it no longer holds."""

    id: UUID
    kind: DocumentKind
    issued_on: date
    expires_on: date | None = None
    number: str | None = None

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on `day`: issued ≤ day < expiry."""
        return self.issued_on <= day and (self.expires_on is None or day < self.expires_on)


@dataclass(frozen=True)
class Findings:
    """The five answers of a verification."""

    certificate_seen: bool
    mandate_consistent: bool
    safeguards_in_place: bool
    other_risk: bool
    unacceptable_flag: bool

    @property
    def verified(self) -> bool:
        """The certificate was seen, the mandate agrees with the values of the UN, there are
        safeguards against fraud and sexual exploitation, and nothing else speaks against it."""
        return (
            self.certificate_seen
            and self.mandate_consistent
            and self.safeguards_in_place
            and not self.other_risk
            and not self.unacceptable_flag
        )


@dataclass(frozen=True)
class Dossier:
    """What a partner has shown so far.

    `valid_until`, `seen`, `seen_excused`: of its latest verification, if any: its end, and the
    documents and the kinds excused by a written reason that lay before it.
    """

    documents: tuple[Document, ...] = ()
    excused: frozenset[DocumentKind] = frozenset()
    declared: frozenset[str] = frozenset()
    sections: frozenset[Section] = frozenset()
    valid_until: date | None = None
    seen: frozenset[UUID] = frozenset()
    seen_excused: frozenset[DocumentKind] = frozenset()


def admissible(document: Document, dossier: Dossier, *, today: date, latest: date) -> Document:
    """`document`, when it may be added today; `latest` is the latest date on earth.

    Raises InvalidError, TooManyDocumentsError.
    """
    places = []
    if document.issued_on > latest:
        places.append(
            Place("/issued_on", "A document cannot be issued in the future.", "in_future")
        )
    if document.expires_on is not None and document.expires_on <= document.issued_on:
        places.append(Place("/expires_on", "It expires after the day of issue.", "before_issue"))
    elif document.expires_on is not None and document.expires_on <= today:
        places.append(Place("/expires_on", "This document has expired already.", "expired"))
    if places:
        raise InvalidError("This document cannot be accepted.", places=places)
    if len(dossier.documents) >= MAX_DOCUMENTS:
        raise TooManyDocumentsError(
            f"At most {MAX_DOCUMENTS} documents are kept; remove one that no longer counts."
        )
    return document


def missing(
    partner: Partner, dossier: Dossier, policy: Policy, today: date
) -> Mapping[Section, tuple[str, ...]]:
    """What each section still lacks, in sentences; a complete section has none."""
    lacking: dict[Section, list[str]] = {section: [] for section in Section}
    if not partner.facts.countries:
        lacking[Section.IDENTITY].append("Say in which countries the organisation works.")
    if not _documented(dossier, today):
        lacking[Section.DOCUMENTS].append(
            "Show one governing, registration or recommendation document that is in force, "
            "or give a written reason for each of the three."
        )
    if policy.declaration not in dossier.declared:
        lacking[Section.DECLARATION].append(
            f"Accept the declaration in its present version, {policy.declaration}."
        )
    for section in PROFILE:
        if section not in dossier.sections:
            lacking[section].append(f"Fill in the section {section.value} of the profile.")
    return {section: tuple(sentences) for section, sentences in lacking.items()}


def must_be_complete(partner: Partner, dossier: Dossier, policy: Policy, today: date) -> None:
    """Raises IncompleteError naming every section that lacks something, and what."""
    lacking = {
        section.value: list(sentences)
        for section, sentences in missing(partner, dossier, policy, today).items()
        if sentences
    }
    if lacking:
        raise IncompleteError(
            f"Complete these sections first: {', '.join(lacking)}.", missing=lacking
        )


def must_be_another(partner: Partner, subject: str, deed: str) -> None:
    """Raises FourEyesError for whoever submitted the partner: they may not `deed` it."""
    if subject == partner.submitted_by:
        raise FourEyesError(f"You submitted this partner; another person has to {deed} it.")


def must_be_verifiable(partner: Partner) -> None:
    """Raises NotVerifiedError unless the partner is in a reviewer's hands, or was before."""
    verifiable = (Status.UNDER_REVIEW, Status.ACTIVE, Status.SUSPENDED)
    if partner.status not in verifiable:
        raise NotVerifiedError(
            f"A partner that is {partner.status.value.replace('_', ' ')} cannot be verified; "
            "start its review first.",
            state=partner.status.value,
            verifiable_in=[status.value for status in verifiable],
        )


def must_be_verified(partner: Partner, today: date) -> None:
    """Raises NotVerifiedError unless the latest verification speaks for the partner today."""
    lapsed = partner.holds_until is not None and partner.holds_until < today
    if not partner.verified or lapsed:
        raise NotVerifiedError(
            "The partner cannot be activated: since it was submitted no verification has found "
            "everything in order. Record one first.",
            state=partner.status.value,
        )


def valid_until(verified_on: date, years: int) -> date:
    """The last day on which a verification of `verified_on` holds: the eve of its anniversary."""
    try:
        anniversary = verified_on.replace(year=verified_on.year + years)
    except ValueError:  # verified on 29 February
        anniversary = date(verified_on.year + years, 3, 1)
    return anniversary - timedelta(days=1)


def seen(dossier: Dossier, valid_until: date) -> Dossier:
    """`dossier` with a verification that saw all of it and holds up to `valid_until`."""
    return replace(
        dossier,
        valid_until=valid_until,
        seen=frozenset(document.id for document in dossier.documents),
        seen_excused=dossier.excused,
    )


def holds_until(dossier: Dossier, today: date) -> date | None:
    """The last day on which a verified partner's due diligence holds.

    The verification sets an end; so does the last document to run out, unless reasons stand in for
    all three. Only what the verification saw counts: a partner can shorten this day by what it
    shows and takes back, and prolong it by nothing. None without a verification.
    """
    if dossier.valid_until is None:
        return None
    in_force = [
        document
        for document in dossier.documents
        if document.id in dossier.seen and document.holds_on(today)
    ]
    ends = [document.expires_on for document in in_force if document.expires_on is not None]
    if _all_kinds(dossier.seen_excused) or len(ends) < len(in_force):
        return dossier.valid_until
    last = max(ends, default=today) - timedelta(days=1)
    return min(dossier.valid_until, last)


def _documented(dossier: Dossier, today: date) -> bool:
    shown = any(document.holds_on(today) for document in dossier.documents)
    return shown or _all_kinds(dossier.excused)


def _all_kinds(excused: frozenset[DocumentKind]) -> bool:
    return excused == frozenset(DocumentKind)
