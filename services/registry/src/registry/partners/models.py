"""What partners look like over HTTP: bodies and views."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from common.codes import Country
from common.models import InputModel, PublicModel
from common.text import Line, Paragraph
from registry.eligibility.rules import Eligibility, Reason
from registry.partners.events import EXAMPLE, PartnerState, public_facts
from registry.partners.rules.identifiers import MAX_IDENTIFIERS, Identifier, Scheme, identifier
from registry.partners.rules.kinds import Kind
from registry.partners.rules.localisation import Affiliation, Local
from registry.partners.rules.names import MAX_NAME, MAX_NAMES, Name, NameKind, known_language
from registry.partners.rules.partner import MAX_COUNTRIES, Facts, LedBy, Partner


class NameInput(InputModel):
    """A further name: a legal name in another language, a former one, an alias, an acronym."""

    text: Annotated[str, Line(MAX_NAME)]
    kind: NameKind
    language: Annotated[
        str | None,
        Field(description="ISO 639 code", min_length=2, max_length=3),
        AfterValidator(lambda code: code if code is None else known_language(code)),
    ] = None


class IdentifierInput(InputModel):
    """A number that another register gave; its form and check digits are verified."""

    scheme: Scheme
    value: Annotated[str, Line(80)]

    @model_validator(mode="after")
    def _well_formed(self) -> Self:
        identifier(self.scheme, self.value)
        return self


class PartnerFacts(InputModel):
    """What an organisation says about itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "national_ngo",
                    "legal_name": "Association Lumière du Delta",
                    "acronym": "ALD",
                    "other_names": [{"text": "ডেল্টার আলো", "kind": "alias", "language": "bn"}],
                    "country": "BGD",
                    "countries": ["BGD"],
                    "affiliation": "none",
                    "led_by": ["women"],
                    "identifiers": [{"scheme": "iati", "value": "BD-NAB-1234"}],
                }
            ]
        }
    )

    kind: Kind
    legal_name: Annotated[str, Line(MAX_NAME)]
    country: Country = Field(description="where it, or this office of it, is headquartered")
    acronym: Annotated[str, Line(40)] | None = None
    other_names: Annotated[tuple[NameInput, ...], Field(max_length=MAX_NAMES)] = ()
    countries: Annotated[
        tuple[Country, ...], Field(max_length=MAX_COUNTRIES, description="where it works")
    ] = ()
    headquarters_id: UUID | None = Field(
        None, description="for a country office: the partner it belongs to"
    )
    affiliation: Affiliation | None = Field(
        None, description="`network`: a member whose governance and fundraising are its own"
    )
    led_by: Annotated[tuple[LedBy, ...], Field(max_length=len(LedBy))] = ()
    identifiers: Annotated[tuple[IdentifierInput, ...], Field(max_length=MAX_IDENTIFIERS)] = ()

    def facts(self) -> Facts:
        """The same as the rules know it: sets sorted, identifiers in their one spelling."""
        numbers: set[Identifier] = {
            identifier(each.scheme, each.value) for each in self.identifiers
        }
        return Facts(
            kind=self.kind,
            legal_name=" ".join(self.legal_name.split()),
            country=self.country,
            acronym=self.acronym,
            other_names=tuple(
                Name(each.text, each.kind, each.language) for each in self.other_names
            ),
            countries=tuple(sorted(set(self.countries))),
            headquarters_id=self.headquarters_id,
            affiliation=self.affiliation,
            led_by=tuple(sorted(set(self.led_by))),
            identifiers=tuple(sorted(numbers)),
        )


class WrittenReason(InputModel):
    """Why, in words, for those who must answer for it later. Encrypted, never published."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "The bank statement of May is being clarified."}]
        }
    )

    reason: Annotated[str, Paragraph(4000)]


class LocalisationOverride(WrittenReason):
    """A person's decision over the computed answer; null takes the decision back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"local": "no", "reason": "The board sits abroad since March."}]
        }
    )

    local: Local | None


class PartnerView(PartnerState):
    """A partner, with what only users of the registry see."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                EXAMPLE
                | {
                    "affiliation": "none",
                    "local_override": None,
                    "verified": True,
                    "holds_until": "2029-06-30",
                    "registered_at": "2024-06-17T08:30:00Z",
                }
            ]
        }
    )

    affiliation: Affiliation | None
    local_override: Local | None
    verified: bool = Field(description="the latest verification found nothing against it")
    holds_until: date | None = Field(description="last day on which its due diligence holds")
    registered_at: datetime

    @classmethod
    def of(cls, partner: Partner) -> "PartnerView":
        """The view of `partner`."""
        shown = {
            "identifiers": partner.facts.identifiers,
            "affiliation": partner.facts.affiliation,
            "local_override": partner.local_override,
            "verified": partner.verified,
            "holds_until": partner.holds_until,
            "registered_at": partner.registered_at,
        }
        return cls.model_validate(public_facts(partner) | shown, from_attributes=True)


class EligibilityView(PublicModel):
    """May this partner be worked with today? Computed now, not when it last changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "partner_id": EXAMPLE["id"],
                    "on": "2024-07-01",
                    "eligibility": "eligible",
                    "reasons": [],
                    "eligible_until": "2029-06-30",
                }
            ]
        }
    )

    partner_id: UUID
    on: date
    eligibility: Eligibility
    reasons: tuple[Reason, ...]
    eligible_until: date | None


class KindView(PublicModel):
    """A kind of partner and its codes elsewhere; null where that system has no such kind."""

    kind: Kind
    iati: str
    hdx: str
    fts: str | None
    unpp: str | None


class Kinds(PublicModel):
    """The code list of kinds."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kinds": [
                        {
                            "kind": "national_ngo",
                            "iati": "24",
                            "hdx": "441",
                            "fts": "NGO/National NGO",
                            "unpp": "NGO",
                        }
                    ]
                }
            ]
        }
    )

    kinds: tuple[KindView, ...]
