"""Finding partners in the database.

A name is found in two steps, each bounded: which known words are like the typed ones (trigrams on
the small table of words, not on every name), then which partners bear them (an inverted index).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_

from common.actor import EVERYWHERE, Actor
from common.http import PageQuery
from common.uow import UnitOfWork
from registry.eligibility.rules import Eligibility
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import Status
from registry.partners.rules.localisation import Local
from registry.partners.tables import partner_table
from registry.search.rules import Wanted, likeness, typed_words

MAX_ALIKE = 12
"""Known words considered for each typed word."""

MAX_CANDIDATES = 200
"""Partners that are ranked; of more, those with the shortest names."""

# A word that some name bears as it was typed stands for itself: slips are looked for in the others.
ALIKE = """
SELECT typed.place, near.word, near.likeness
FROM unnest($1::text[]) WITH ORDINALITY AS typed (word, place)
CROSS JOIN LATERAL (
    SELECT known.word, 1.0::real AS likeness FROM partner_word known WHERE known.word = typed.word
    UNION ALL (
        SELECT known.word, similarity(known.word, typed.word) AS likeness
        FROM partner_word known
        WHERE known.word % typed.word
          AND NOT EXISTS (SELECT FROM partner_word same WHERE same.word = typed.word)
        ORDER BY likeness DESC, known.word LIMIT $2
    )
) near
"""

PartnerRow = Row[*tuple[Any, ...]]
_columns = partner_table.c


@dataclass(frozen=True)
class Facets:
    """What a partner must be to be listed; None does not ask. `working_in`: a country of work."""

    kind: Kind | None = None
    country: str | None = None
    working_in: str | None = None
    status: Status | None = None
    eligibility: Eligibility | None = None
    local: Local | None = None


async def list_partners(uow: UnitOfWork, facets: Facets, page: PageQuery) -> Sequence[PartnerRow]:
    """Rows of `partner_table` that the actor may see, ordered by name, one more than the page."""
    statement = _seen(uow, facets).order_by(_columns.normal_name, _columns.id).limit(page.fetch)
    if page.after is not None:
        statement = statement.where(tuple_(_columns.normal_name, _columns.id) > page.after)
    return (await uow.db.execute(statement)).all()


async def find_partners(
    uow: UnitOfWork, name: str, facets: Facets, limit: int
) -> Sequence[PartnerRow]:
    """The partners whose names are most like `name`, best first, at most `limit`."""
    typed = typed_words(name)
    wanted = await _known(uow, typed)
    bearing = [_columns.words.overlap(list(each.alike)) for each in wanted if each.alike]
    if not bearing:
        return []
    shortest = (
        _seen(uow, facets)
        .order_by(func.cardinality(_columns.words), _columns.normal_name, _columns.id)
        .limit(MAX_CANDIDATES)
    )
    rows = (await uow.db.execute(shortest.where(and_(*bearing)))).all()
    if len(rows) < limit and len(bearing) > 1:
        rows = (await uow.db.execute(shortest.where(_all_but_one(bearing)))).all()
    return sorted(
        rows,
        key=lambda row: (-likeness(wanted, row.words), len(row.words), row.normal_name, row.id),
    )[:limit]


async def _known(uow: UnitOfWork, typed: Sequence[str]) -> list[Wanted]:
    alike: list[dict[str, float]] = [{} for _ in typed]
    for place, word, near in await uow.driver.fetch(ALIKE, list(typed), MAX_ALIKE):
        alike[place - 1][word] = near
    return [Wanted(word, known) for word, known in zip(typed, alike, strict=True)]


def _all_but_one(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(
        *(and_(*(each for each in conditions if each is not left_out)) for left_out in conditions)
    )


def _seen(uow: UnitOfWork, facets: Facets) -> Select[*tuple[Any, ...]]:
    conditions = [
        column == value
        for column, value in (
            (_columns.kind, facets.kind),
            (_columns.country, facets.country),
            (_columns.status, facets.status),
            (_columns.local, facets.local),
        )
        if value is not None
    ]
    if facets.working_in is not None:
        conditions.append(_columns.countries.contains([facets.working_in]))
    if facets.eligibility is not None:
        conditions.append(_is(facets.eligibility, uow.now.date()))
    return select(partner_table).where(*_visible_to(uow.actor, facets), *conditions)


def _is(eligibility: Eligibility, today: date) -> ColumnElement[bool]:
    """Eligible today: whoever has lapsed since its last change counts as what it is now."""
    stored = _columns.eligibility == eligibility.value
    if eligibility is Eligibility.ELIGIBLE:
        return and_(stored, or_(_columns.holds_until.is_(None), _columns.holds_until >= today))
    if eligibility is Eligibility.INELIGIBLE:
        lapsed = and_(_columns.status == Status.ACTIVE.value, _columns.holds_until < today)
        return or_(stored, lapsed)
    return stored


def _visible_to(actor: Actor, facets: Facets) -> list[ColumnElement[bool]]:
    """The same rule as `access.must_see`, as conditions."""
    if actor.partner is not None:
        return [_columns.id == actor.partner]
    if EVERYWHERE in actor.countries or {facets.country, facets.working_in} & actor.countries:
        return []  # whoever is in a country of the actor's may be seen
    return [_columns.seen_from.overlap(sorted(actor.countries))]
