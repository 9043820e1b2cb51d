"""A partner and every decision about it that needs no more than the partner itself.

Offices below a headquarters, and a lock that reaches them, follow the UN Partner Portal.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from common.errors import ConflictError, InvalidError, Place
from registry.eligibility.rules import Eligibility, Reason, Verdict, decide
from registry.partners.rules.identifiers import MAX_IDENTIFIERS, Identifier
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import EDITABLE, OBJECTION, Deed, Status, move
from registry.partners.rules.localisation import (
    Affiliation,
    Evidence,
    Local,
    Localisation,
    localise,
)
from registry.partners.rules.names import MAX_NAMES, Name, NameKind, normal, trouble_with, words

MAX_COUNTRIES = 250


class NotEditableError(ConflictError):
    code = "not_editable"
    title = "Nothing about this partner may change now"


class HeadquartersLockedError(ConflictError):
    code = "headquarters_locked"
    title = "The headquarters is locked"


class LedBy(StrEnum):
    """Who leads the organisation, by its own statement."""

    WOMEN = "women"
    REFUGEES = "refugees"
    PERSONS_WITH_DISABILITIES = "persons_with_disabilities"
    YOUTH = "youth"


@dataclass(frozen=True)
class Facts:
    """What an organisation says about itself, as registration and revision give it.

    `country`: where it (or, below a headquarters, this office) is headquartered. `countries`: where
    it works. ISO 3166-1 alpha-3, each once, sorted. `affiliation`: None when it was not asked.
    """

    kind: Kind
    legal_name: str
    country: str
    acronym: str | None = None
    other_names: tuple[Name, ...] = ()
    countries: tuple[str, ...] = ()
    headquarters_id: UUID | None = None
    affiliation: Affiliation | None = None
    led_by: tuple[LedBy, ...] = ()
    identifiers: tuple[Identifier, ...] = ()

    @property
    def names(self) -> tuple[Name, ...]:
        """Every name, the legal one first."""
        acronym = () if self.acronym is None else (Name(self.acronym, NameKind.ACRONYM),)
        return (Name(self.legal_name, NameKind.LEGAL), *acronym, *self.other_names)

    @property
    def normal_name(self) -> str:
        """The legal name as uniqueness compares it."""
        return normal(self.legal_name)

    @property
    def localisation(self) -> Localisation:
        """Whether these facts make a local actor."""
        return localise(
            self.kind,
            country=self.country,
            countries=self.countries,
            affiliation=self.affiliation,
            office=self.headquarters_id is not None,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Every word of every name, as search knows them."""
        return words(name.text for name in self.names)


@dataclass(frozen=True)
class Partner:
    """A partner as it stands. `localisation` and `verdict` always follow from the rest.

    `stood`: where it stood when it was locked. `holds_until`: the last day on which its due
    diligence holds. `submitted_by`: who asked for its latest review. `local_override`: a person's
    decision over the computed answer.
    """

    id: UUID
    sequence: str | None
    facts: Facts
    registered_at: datetime
    status: Status = Status.DRAFT
    stood: Status | None = None
    verified: bool = False
    holds_until: date | None = None
    submitted_by: str | None = None
    local_override: Local | None = None
    localisation: Localisation = field(default=Localisation(Local.UNDETERMINED, ()))
    verdict: Verdict = field(default=Verdict(Eligibility.INELIGIBLE, (Reason.INCOMPLETE,)))


def checked(facts: Facts) -> Facts:
    """`facts`, when a partner can be made of them. Raises InvalidError pointing at what is
    wrong."""
    named = [("/legal_name", facts.legal_name)] + [
        (f"/other_names/{index}/text", name.text) for index, name in enumerate(facts.other_names)
    ]
    places = [
        Place(pointer, sentence, "not_a_name")
        for pointer, text in named
        if (sentence := trouble_with(text)) is not None
    ]
    if len(facts.names) > MAX_NAMES:
        places.append(Place("/other_names", f"At most {MAX_NAMES} names are kept.", "too_many"))
    if len(facts.identifiers) > MAX_IDENTIFIERS:
        places.append(
            Place("/identifiers", f"At most {MAX_IDENTIFIERS} identifiers are kept.", "too_many")
        )
    if facts.affiliation is Affiliation.INTERNATIONAL_NGO and facts.kind is Kind.INTERNATIONAL_NGO:
        places.append(
            Place("/affiliation", "An international NGO is not affiliated to one.", "contradiction")
        )
    if places:
        raise InvalidError("These facts do not make a partner.", places=places)
    return facts


def reckoned(partner: Partner, today: date) -> Partner:
    """`partner` with what follows from its facts on `today`: localisation and eligibility."""
    localisation = partner.facts.localisation
    if partner.local_override is not None:
        localisation = Localisation(partner.local_override, (Evidence.DECIDED_BY_A_PERSON,))
    return replace(partner, localisation=localisation, verdict=eligibility(partner, today))


def eligibility(partner: Partner, today: date) -> Verdict:
    """Whether `partner` may be worked with on `today`."""
    objection = OBJECTION[partner.status]
    return decide(
        () if objection is None else (objection,),
        verified=partner.verified,
        holds_until=partner.holds_until,
        today=today,
    )


def must_be_editable(partner: Partner) -> None:
    """Raises NotEditableError while the partner is with a reviewer, or locked."""
    if partner.status not in EDITABLE:
        raise NotEditableError(
            f"The partner is {partner.status.value.replace('_', ' ')}; "
            "until that is over nothing about it may change.",
            state=partner.status.value,
            editable_in=sorted(EDITABLE),
        )


def revise(partner: Partner, facts: Facts) -> tuple[Partner, tuple[str, ...]]:
    """`partner` with new facts, and the names of those that changed.

    Who was verified under another name, kind, country or headquarters, or as local when it was not,
    was not verified at all: such a change takes the verification back. Raises NotEditableError,
    InvalidError.
    """
    must_be_editable(partner)
    facts = checked(facts)
    changed = tuple(
        each.name
        for each in fields(Facts)
        if getattr(facts, each.name) != getattr(partner.facts, each.name)
    )
    another = (
        facts.normal_name != partner.facts.normal_name
        or {"kind", "country", "headquarters_id"} & set(changed)
        or facts.localisation.local is not partner.facts.localisation.local
    )
    return replace(partner, facts=facts, verified=partner.verified and not another), changed


def do(partner: Partner, deed: Deed) -> Partner:
    """`partner` after `deed`. Raises IllegalMoveError."""
    status = move(partner.status, deed, stood=partner.stood)
    return replace(partner, status=status, stood=partner.status if deed is Deed.LOCK else None)


def must_be_able_to_hold(
    headquarters: Partner,
    office: Facts,
    *,
    office_id: UUID | None = None,
    has_offices: bool = False,
) -> None:
    """Whether `office` can be an office of `headquarters`. Raises InvalidError.

    The headquarters comes first: it is active, no office itself, of the same kind, and has declared
    that it works in the office's country. Offices have none of their own: a lock reaches one level.
    """
    head = headquarters.facts
    trouble = None
    if headquarters.id == office_id:
        trouble = "A partner cannot be its own headquarters."
    elif head.headquarters_id is not None:
        trouble = "That partner is itself an office; name its headquarters."
    elif has_offices:
        trouble = "This partner has offices of its own, so it cannot become one."
    elif headquarters.status is not Status.ACTIVE:
        trouble = "The headquarters must be active before it can have offices."
    elif head.kind is not office.kind:
        trouble = f"An office is of its headquarters' kind, {head.kind.value}."
    elif not _reaches(head, office.country):
        trouble = f"The headquarters has not declared that it works in {office.country}."
    if trouble is not None:
        raise InvalidError(
            "This office cannot belong to that headquarters.",
            places=[Place("/headquarters_id", trouble, "not_an_office_of")],
        )


def must_keep_its_offices(headquarters: Facts, offices: Collection[tuple[Kind, str]]) -> None:
    """Raises InvalidError unless `offices`, by kind and country, still fit `headquarters` as it is
    revised."""
    places = []
    stray = sorted(country for _, country in offices if not _reaches(headquarters, country))
    if stray:
        sentence = f"It has offices in {', '.join(stray)}; revise those first."
        places.append(Place("/countries", sentence, "has_offices"))
    if any(kind is not headquarters.kind for kind, _ in offices):
        sentence = "It has offices, which are of its kind; take them out of it first."
        places.append(Place("/kind", sentence, "has_offices"))
    if places:
        raise InvalidError("Its offices would not fit this headquarters.", places=places)


def _reaches(headquarters: Facts, country: str) -> bool:
    """Whether `headquarters` may have an office in `country`: it works there, away from home."""
    return country != headquarters.country and country in headquarters.countries


def must_have_its_headquarters_open(office: Partner, headquarters: Partner | None) -> None:
    """Raises HeadquartersLockedError while the headquarters of `office` is locked, or is another
    than the one that was looked at."""
    head = office.facts.headquarters_id
    if head is None:
        return
    if headquarters is None or headquarters.id != head or headquarters.status is Status.LOCKED:
        raise HeadquartersLockedError(
            "Unlock the headquarters first; its offices follow one by one.",
            headquarters_id=str(head),
        )
