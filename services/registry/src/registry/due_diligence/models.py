"""What due diligence looks like over HTTP: bodies and views.

The profile speaks of the organisation, never of persons: addresses are of the office, the mailbox
is a shared one.
"""

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, WithJsonSchema

from common.codes import Day
from common.models import InputModel, PublicModel
from common.text import Line, Paragraph
from registry.due_diligence.queries import Shown
from registry.due_diligence.rules import DocumentKind, Findings, Section
from registry.partners.models import WrittenReason

_MAILBOX = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,63}$"
_MAILBOX_SCHEMA = WithJsonSchema(
    {"type": "string", "maxLength": 254, "pattern": _MAILBOX, "examples": ["office@example.org"]}
)


def _mailbox(text: str) -> str:
    if not re.fullmatch(_MAILBOX, text, re.ASCII):
        raise ValueError("this is not an e-mail address, such as office@example.org")
    return text


class DocumentInput(InputModel):
    """A document that is in force today."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "registration",
                    "number": "NAB-1234",
                    "issued_on": "2019-03-01",
                    "expires_on": "2029-03-01",
                }
            ]
        }
    )

    kind: DocumentKind
    number: Annotated[str, Line(100)] | None = None
    issued_on: Day
    expires_on: Day | None = Field(
        None, description="the first day on which it no longer holds; null when it does not run out"
    )


class DeclarationInput(InputModel):
    """Acceptance of the declaration, by the person who sends this."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": "1"}]})

    version: Annotated[str, Line(20)]


class Sector(StrEnum):
    """Clusters and areas of responsibility by their codes."""

    CCM = "CCM"
    ERY = "ERY"
    EDU = "EDU"
    SHL = "SHL"
    TEL = "TEL"
    FSC = "FSC"
    HEA = "HEA"
    LOG = "LOG"
    NUT = "NUT"
    PRO = "PRO"
    PRO_CPN = "PRO-CPN"
    PRO_GBV = "PRO-GBV"
    PRO_HLP = "PRO-HLP"
    PRO_MIN = "PRO-MIN"
    WSH = "WSH"


class Budget(StrEnum):
    """What the organisation spends in a year, in US dollars."""

    UNDER_100K = "under_100k"
    UNDER_500K = "under_500k"
    UNDER_2M = "under_2m"
    OVER_2M = "2m_and_over"


class Contacts(InputModel):
    """How to reach the organisation's office."""

    address: Annotated[str, Paragraph(500)]
    email: Annotated[str, Line(254), AfterValidator(_mailbox), _MAILBOX_SCHEMA]
    telephone: Annotated[str, Line(40)] | None = None
    website: Annotated[str, Line(200)] | None = None


class Mandate(InputModel):
    """What the organisation is for."""

    statement: Annotated[str, Paragraph(2000)]
    founded_in: Annotated[int, Field(strict=True, ge=1700, le=2200)]


class Capabilities(InputModel):
    """What it can do."""

    sectors: Annotated[tuple[Sector, ...], Field(min_length=1, max_length=len(Sector))]
    staff: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class Governance(InputModel):
    """Who decides, and who checks."""

    governing_body: Annotated[str, Line(300)]
    members: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    audited_yearly: StrictBool


class Safeguarding(InputModel):
    """How people are kept safe from the organisation itself."""

    code_of_conduct: StrictBool
    sexual_exploitation_policy: StrictBool
    reporting_channel: Annotated[str, Paragraph(1000)]


class Funding(InputModel):
    """What it lives on."""

    yearly_budget: Budget
    main_funders: Annotated[tuple[Annotated[str, Line(200)], ...], Field(max_length=20)] = ()


class Profile(InputModel):
    """The profile, section by section; a section that is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "contacts": {
                        "address": "12 Lake Road, Cox's Bazar",
                        "email": "office@example.org",
                    },
                    "mandate": {"statement": "Safe water for delta villages.", "founded_in": 1998},
                    "capabilities": {"sectors": ["WSH", "HEA"], "staff": 42},
                    "governance": {
                        "governing_body": "Board of trustees",
                        "members": 7,
                        "audited_yearly": True,
                    },
                    "safeguarding": {
                        "code_of_conduct": True,
                        "sexual_exploitation_policy": True,
                        "reporting_channel": "A telephone line, and boxes at every site.",
                    },
                    "funding": {"yearly_budget": "under_500k", "main_funders": ["Members"]},
                }
            ]
        }
    )

    contacts: Contacts | None = None
    mandate: Mandate | None = None
    capabilities: Capabilities | None = None
    governance: Governance | None = None
    safeguarding: Safeguarding | None = None
    funding: Funding | None = None

    def sections(self) -> dict[Section, dict[str, object]]:
        """The sections that are given, as they are kept."""
        given = self.model_dump(mode="json", exclude_none=True)
        return {Section(name): section for name, section in given.items()}


class VerificationInput(InputModel):
    """The five findings; the comment is private."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "certificate_seen": True,
                    "mandate_consistent": True,
                    "safeguards_in_place": True,
                    "other_risk": False,
                    "unacceptable_flag": False,
                    "comment": "Certificate checked with the bureau by telephone.",
                }
            ]
        }
    )

    certificate_seen: StrictBool = Field(description="the certificate of registration was seen")
    mandate_consistent: StrictBool = Field(
        description="the mandate agrees with the values of the UN"
    )
    safeguards_in_place: StrictBool = Field(
        description="there are safeguards against fraud and against sexual exploitation and abuse"
    )
    other_risk: StrictBool = Field(description="something else would harm the UN's reputation")
    unacceptable_flag: StrictBool = Field(description="a flag stands that cannot be accepted")
    comment: Annotated[str, Paragraph(4000)]

    def findings(self) -> Findings:
        """The five answers."""
        return Findings(**self.model_dump(exclude={"comment"}))


class Verdict(StrEnum):
    """How a review ends."""

    ACTIVATE = "activate"
    REJECT = "reject"


class DecisionInput(WrittenReason):
    """The end of a review."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"decision": "activate", "reason": "Everything was found in order."}]
        }
    )

    decision: Verdict


class DocumentView(PublicModel):
    """A document that the partner has shown."""

    id: UUID
    kind: DocumentKind
    number: str | None
    issued_on: date
    expires_on: date | None


class DeclarationView(PublicModel):
    """An accepted declaration."""

    version: str
    accepted_by: str
    accepted_at: datetime


class VerificationView(PublicModel):
    """A verification, as it was recorded."""

    id: UUID
    certificate_seen: bool
    mandate_consistent: bool
    safeguards_in_place: bool
    other_risk: bool
    unacceptable_flag: bool
    verified: bool
    verified_by: str
    verified_at: datetime
    valid_until: date


class DossierView(PublicModel):
    """Everything that a partner has shown, and the latest verifications, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "documents": [
                        {
                            "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c02",
                            "kind": "registration",
                            "number": "NAB-1234",
                            "issued_on": "2019-03-01",
                            "expires_on": "2029-03-01",
                        }
                    ],
                    "excused": [],
                    "declarations": [],
                    "profile": {},
                    "verifications": [],
                }
            ]
        }
    )

    documents: tuple[DocumentView, ...]
    excused: tuple[DocumentKind, ...] = Field(
        description="kinds of document for which a written reason stands in"
    )
    declarations: tuple[DeclarationView, ...]
    profile: Profile
    verifications: tuple[VerificationView, ...]

    @classmethod
    def of(cls, shown: Shown) -> "DossierView":
        """The view of what was read."""
        return cls(
            documents=tuple(
                DocumentView(
                    id=each.id,
                    kind=each.kind,
                    number=each.number,
                    issued_on=each.issued_on,
                    expires_on=each.expires_on,
                )
                for each in shown.dossier.documents
            ),
            excused=tuple(sorted(shown.dossier.excused)),
            declarations=tuple(
                DeclarationView.model_validate(_shown(DeclarationView, each))
                for each in shown.declarations
            ),
            profile=Profile.model_validate(shown.profile),
            verifications=tuple(
                VerificationView.model_validate(_shown(VerificationView, each))
                for each in shown.verifications
            ),
        )


class SectionView(PublicModel):
    """One section of the registration, and what it lacks."""

    section: Section
    complete: bool
    missing: tuple[str, ...]


class CompletenessView(PublicModel):
    """Whether the partner could be submitted today, section by section."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "on": "2024-07-01",
                    "complete": False,
                    "sections": [
                        {
                            "section": "declaration",
                            "complete": False,
                            "missing": ["Accept the declaration in its present version, 1."],
                        }
                    ],
                }
            ]
        }
    )

    on: date
    complete: bool
    sections: tuple[SectionView, ...]


def _shown(view: type[PublicModel], row: dict[str, object]) -> dict[str, object]:
    return {name: row[name] for name in view.model_fields}
