"""Where partners are kept.

What a decision needs stands in the one row that the decision locks, names and identifiers included:
a second statement could see an older snapshot than the lock. `partner_identifier` says that nobody
else has a number, `partner_word` knows every word that occurs in a name; both are for looking up.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Computed, Date, DateTime, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from common.codes import members
from common.sequence import sequence_column
from registry.eligibility.rules import Eligibility, Reason, Verdict
from registry.metadata import metadata
from registry.partners.rules.identifiers import Identifier, Scheme
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import Status
from registry.partners.rules.localisation import Affiliation, Evidence, Local, Localisation
from registry.partners.rules.names import Name, NameKind
from registry.partners.rules.partner import Facts, LedBy, Partner

partner_table = Table(
    "partner",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("kind", Text, nullable=False),
    Column("legal_name", Text, nullable=False),
    Column("normal_name", Text(collation="C"), nullable=False),
    Column("acronym", Text),
    Column("other_names", JSONB, nullable=False),
    Column("words", ARRAY(Text), nullable=False),
    Column("country", Text, nullable=False),
    Column("countries", ARRAY(Text), nullable=False),
    Column("seen_from", ARRAY(Text), Computed("array_append(countries, country)"), nullable=False),
    Column("headquarters_id", Uuid),
    Column("affiliation", Text),
    Column("led_by", ARRAY(Text), nullable=False),
    Column("identifiers", JSONB, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("status", Text, nullable=False),
    Column("stood", Text),
    Column("verified", Boolean, nullable=False),
    Column("holds_until", Date),
    Column("submitted_by", Text),
    Column("local_override", Text),
    Column("local", Text, nullable=False),
    Column("local_evidence", ARRAY(Text), nullable=False),
    Column("eligibility", Text, nullable=False),
    Column("eligibility_reasons", ARRAY(Text), nullable=False),
)

identifier_table = Table(
    "partner_identifier",
    metadata,
    Column("scheme", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("partner_id", Uuid, nullable=False),
)

word_table = Table("partner_word", metadata, Column("word", Text, primary_key=True))

_KINDS, _STATUSES = members(Kind), members(Status)
_NAMES, _SCHEMES = members(NameKind), members(Scheme)
_AFFILIATIONS, _LEADERS = members(Affiliation), members(LedBy)
_LOCALS, _EVIDENCE = members(Local), members(Evidence)
_ELIGIBILITIES, _REASONS = members(Eligibility), members(Reason)


def partner_of(row: Mapping[Any, Any]) -> Partner:
    """The partner that `row` of `partner_table` keeps: SQLAlchemy's mapping or the driver's
    record.
    """
    eligibility = _ELIGIBILITIES[row["eligibility"]]
    return Partner(
        id=row["id"],
        sequence=row["sequence"],
        facts=Facts(
            kind=_KINDS[row["kind"]],
            legal_name=row["legal_name"],
            country=row["country"],
            acronym=row["acronym"],
            other_names=tuple(
                Name(name["text"], _NAMES[name["kind"]], name["language"])
                for name in row["other_names"]
            ),
            countries=tuple(row["countries"]),
            headquarters_id=row["headquarters_id"],
            affiliation=None if row["affiliation"] is None else _AFFILIATIONS[row["affiliation"]],
            led_by=tuple(_LEADERS[each] for each in row["led_by"]),
            identifiers=tuple(
                Identifier(_SCHEMES[each["scheme"]], each["value"]) for each in row["identifiers"]
            ),
        ),
        registered_at=row["registered_at"],
        status=_STATUSES[row["status"]],
        stood=None if row["stood"] is None else _STATUSES[row["stood"]],
        verified=row["verified"],
        holds_until=row["holds_until"],
        submitted_by=row["submitted_by"],
        local_override=None if row["local_override"] is None else _LOCALS[row["local_override"]],
        localisation=Localisation(
            _LOCALS[row["local"]], tuple(_EVIDENCE[each] for each in row["local_evidence"])
        ),
        verdict=Verdict(
            eligibility,
            tuple(_REASONS[each] for each in row["eligibility_reasons"]),
            row["holds_until"] if eligibility is Eligibility.ELIGIBLE else None,
        ),
    )


def row_of(partner: Partner) -> dict[str, Any]:
    """The values of `partner` for `partner_table`."""
    return {"id": partner.id, "registered_at": partner.registered_at} | changing(partner)


def changing(partner: Partner) -> dict[str, Any]:
    """Those values that a change may change."""
    facts, localisation = partner.facts, partner.localisation
    return {
        "sequence": partner.sequence,
        "kind": facts.kind.value,
        "legal_name": facts.legal_name,
        "normal_name": facts.normal_name,
        "acronym": facts.acronym,
        "other_names": [
            {"text": name.text, "kind": name.kind.value, "language": name.language}
            for name in facts.other_names
        ],
        "words": list(facts.words),
        "country": facts.country,
        "countries": list(facts.countries),
        "headquarters_id": facts.headquarters_id,
        "affiliation": None if facts.affiliation is None else facts.affiliation.value,
        "led_by": [each.value for each in facts.led_by],
        "identifiers": [
            {"scheme": each.scheme.value, "value": each.value} for each in facts.identifiers
        ],
        "status": partner.status.value,
        "stood": None if partner.stood is None else partner.stood.value,
        "verified": partner.verified,
        "holds_until": partner.holds_until,
        "submitted_by": partner.submitted_by,
        "local_override": None if partner.local_override is None else partner.local_override.value,
        "local": localisation.local.value,
        "local_evidence": [each.value for each in localisation.evidence],
        "eligibility": partner.verdict.eligibility.value,
        "eligibility_reasons": [each.value for each in partner.verdict.reasons],
    }
