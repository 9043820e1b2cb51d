"""The public contract of a partner: `registry.partner.v1`.

Names of organisations are public. What is not: persons, written reasons, documents' numbers, our
finance system's vendor number.
"""

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from common.aggregate import Aggregate, Change
from common.codes import Country
from common.models import PublicModel
from registry.eligibility.rules import Eligibility, Reason
from registry.partners.rules.identifiers import PRIVATE_SCHEMES, Scheme
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import Status
from registry.partners.rules.localisation import Evidence, Local
from registry.partners.rules.names import NameKind
from registry.partners.rules.partner import LedBy, Partner

EXAMPLE: dict[str, Any] = {
    "id": "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c01",
    "kind": "national_ngo",
    "legal_name": "Association Lumière du Delta",
    "acronym": "ALD",
    "names": [
        {
            "text": "Association Lumière du Delta",
            "kind": "legal",
            "language": None,
            "script": "Latn",
        },
        {"text": "ALD", "kind": "acronym", "language": None, "script": "Latn"},
    ],
    "country": "BGD",
    "countries": ["BGD"],
    "headquarters_id": None,
    "led_by": ["women"],
    "identifiers": [{"scheme": "iati", "value": "BD-NAB-1234"}],
    "local": "yes",
    "local_evidence": ["headquarters_in_recipient_country", "works_at_home", "independent"],
    "status": "active",
    "eligibility": "eligible",
    "eligibility_reasons": [],
    "eligible_until": "2029-06-30",
}


class NameState(PublicModel):
    """One name. `script` is seen from its letters (ISO 15924)."""

    text: str
    kind: NameKind
    language: str | None
    script: str | None


class IdentifierState(PublicModel):
    """A number that another register gave."""

    scheme: Scheme
    value: str


class PartnerState(PublicModel):
    """A partner, as everyone may know it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    kind: Kind
    legal_name: str
    acronym: str | None
    names: tuple[NameState, ...] = Field(description="every name, the legal one first")
    country: Country = Field(description="where it, or this office of it, is headquartered")
    countries: tuple[Country, ...] = Field(description="where it works")
    headquarters_id: UUID | None = Field(description="set on an office: the partner it belongs to")
    led_by: tuple[LedBy, ...]
    identifiers: tuple[IdentifierState, ...]
    local: Local = Field(description="whether it is a local or national actor")
    local_evidence: tuple[Evidence, ...]
    status: Status
    eligibility: Eligibility
    eligibility_reasons: tuple[Reason, ...]
    eligible_until: date | None = Field(
        description="last day (UTC, included) on which it is eligible without anything new; "
        "after that day treat it as ineligible, whatever `eligibility` says"
    )

    @classmethod
    def of(cls, partner: Partner) -> "PartnerState":
        """The public state of `partner`."""
        return cls.model_validate(public_facts(partner), from_attributes=True)


def public_facts(partner: Partner) -> dict[str, Any]:
    """The fields of PartnerState, for it and for what shows more; what is nested, as it is."""
    facts = partner.facts
    return {
        "id": partner.id,
        "kind": facts.kind,
        "legal_name": facts.legal_name,
        "acronym": facts.acronym,
        "names": facts.names,
        "country": facts.country,
        "countries": facts.countries,
        "headquarters_id": facts.headquarters_id,
        "led_by": facts.led_by,
        "identifiers": tuple(
            each for each in facts.identifiers if each.scheme not in PRIVATE_SCHEMES
        ),
        "local": partner.localisation.local,
        "local_evidence": partner.localisation.evidence,
        "status": partner.status,
        "eligibility": partner.verdict.eligibility,
        "eligibility_reasons": partner.verdict.reasons,
        "eligible_until": partner.verdict.eligible_until,
    }


class Registered(Change):
    """The partner was entered."""

    happened = "registered"


class Imported(Change):
    """The partner was entered from a file of organisations."""

    happened = "imported"

    import_id: UUID


class Revised(Change):
    """Facts about the partner changed; `fields` names them."""

    happened = "revised"

    fields: tuple[str, ...]


class Localised(Change):
    """A person decided whether the partner is local, or took that decision back (null)."""

    happened = "localised"

    override: Local | None


class DocumentAdded(Change):
    """A document was shown."""

    happened = "document_added"

    kind: str


class DocumentRemoved(Change):
    """A document no longer counts."""

    happened = "document_removed"

    kind: str


class DocumentExcused(Change):
    """A written reason stands in for a document that does not exist."""

    happened = "document_excused"

    kind: str


class Declared(Change):
    """The partner accepted the declaration in this version."""

    happened = "declared"

    version: str


class Profiled(Change):
    """Sections of the partner's profile were filled in."""

    happened = "profiled"

    sections: tuple[str, ...]


class Submitted(Change):
    """The partner asked to be reviewed."""

    happened = "submitted"


class ReviewStarted(Change):
    """A reviewer has taken the partner up."""

    happened = "review_started"


class Verified(Change):
    """A verification was recorded, whatever it found; the state says what follows."""

    happened = "verified"


class Activated(Change):
    """The review ended well."""

    happened = "activated"


class Rejected(Change):
    """The review ended badly; the partner may mend and submit again."""

    happened = "rejected"


class Suspended(Change):
    """Work with the partner is suspended."""

    happened = "suspended"


class Reinstated(Change):
    """The suspension is over."""

    happened = "reinstated"


class Locked(Change):
    """The partner is locked; `by_headquarters`: because its headquarters is."""

    happened = "locked"

    by_headquarters: bool = False


class Unlocked(Change):
    """Headquarters unlocked the partner."""

    happened = "unlocked"


class Expired(Change):
    """The partner's due diligence has lapsed."""

    happened = "expired"


PARTNER = Aggregate(
    service="registry",
    name="partner",
    table="partner",
    state=PartnerState,
    changes=(
        Registered,
        Imported,
        Revised,
        Localised,
        DocumentAdded,
        DocumentRemoved,
        DocumentExcused,
        Declared,
        Profiled,
        Submitted,
        ReviewStarted,
        Verified,
        Activated,
        Rejected,
        Suspended,
        Reinstated,
        Locked,
        Unlocked,
        Expired,
    ),
)
