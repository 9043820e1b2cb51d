"""Finding partners in the database.

A name is found in two steps, each bounded: which known words are like the typed ones (trigrams on
the small table of words, not on every name), then which partners bear them (an inverted index).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    or_,
    select,
    tuple_,
)

from common.actor import EVERYWHERE, Actor
from common.db.compiled import Compiled
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

# A word that some name bore as it was typed stands for itself: slips are looked for in the others,
# and in every word ($3) when nobody bears those as typed. Short words have few trigrams, so one
# slip changes most of them: `short_words_like` asks for less.
ALIKE = """
SELECT typed.place, near.word, near.likeness
FROM unnest($1::text[]) WITH ORDINALITY AS typed (word, place)
CROSS JOIN LATERAL (
    SELECT known.word, 1.0::real AS likeness FROM partner_word known WHERE known.word = typed.word
    UNION ALL (
        SELECT known.word, similarity(known.word, typed.word) AS likeness
        FROM partner_word known
        WHERE length(typed.word) > 4 AND known.word % typed.word
          AND ($3 OR NOT EXISTS (SELECT FROM partner_word same WHERE same.word = typed.word))
        ORDER BY likeness DESC, known.word LIMIT $2
    ) UNION ALL (
        SELECT known.word, known.likeness FROM short_words_like(typed.word, $2) known
        WHERE length(typed.word) <= 4
          AND ($3 OR NOT EXISTS (SELECT FROM partner_word same WHERE same.word = typed.word))
    )
) near
"""

PartnerRow = Mapping[Any, Any]
_columns = partner_table.c
_BY_NAME = (_columns.normal_name, _columns.id)


@dataclass(frozen=True)
class Facets:
    """What a partner must be to be listed; None does not ask. `working_in`: a country of work."""

    kind: Kind | None = None
    country: str | None = None
    working_in: str | None = None
    status: Status | None = None
    eligibility: Eligibility | None = None
    local: Local | None = None


_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "kind": _columns.kind == bindparam("kind"),
    "country": _columns.country == bindparam("country"),
    "working_in": _columns.countries.contains(bindparam("working_in")),
    "status": _columns.status == bindparam("status"),
    "local": _columns.local == bindparam("local"),
    # asked with today: whoever has lapsed since its last change counts as what it is now
    "eligible": and_(
        _columns.eligibility == Eligibility.ELIGIBLE.value,
        or_(_columns.holds_until.is_(None), _columns.holds_until >= bindparam("eligible")),
    ),
    "provisional": _columns.eligibility == Eligibility.PROVISIONAL.value,
    "ineligible": or_(
        _columns.eligibility == Eligibility.INELIGIBLE.value,
        and_(
            _columns.status == Status.ACTIVE.value, _columns.holds_until < bindparam("ineligible")
        ),
    ),
    "itself": _columns.id == bindparam("itself"),
    "seen_from": _columns.seen_from.overlap(bindparam("seen_from")),
    "after_name": tuple_(_columns.normal_name, _columns.id)
    > tuple_(bindparam("after_name", type_=Text), bindparam("after_id", type_=Uuid)),
}
"""What can be asked of a partner, by the name of the value it is asked with."""


async def list_partners(uow: UnitOfWork, facets: Facets, page: PageQuery) -> Sequence[PartnerRow]:
    """Rows of `partner_table` that the actor may see, ordered by name, one more than the page."""
    asked = _asked(uow, facets)
    if page.changed is not None:
        return await _rows(uow, page.cut(_seen(asked), *_BY_NAME), asked)
    if page.after is not None:
        asked["after_name"], asked["after_id"] = page.after
    return await _list(frozenset(asked)).rows(uow.driver, **asked, fetch=page.fetch)


@cache
def _list(names: frozenset[str]) -> Compiled:
    """The list under these conditions, of which there are only so many."""
    return Compiled(_seen(names).order_by(*_BY_NAME).limit(bindparam("fetch")))


async def find_partners(
    uow: UnitOfWork, name: str, facets: Facets, limit: int
) -> Sequence[PartnerRow]:
    """The partners whose names are most like `name`, best first, at most `limit`."""
    typed = typed_words(name)
    asked = _asked(uow, facets)
    shortest = (
        _seen(asked)
        .order_by(func.cardinality(_columns.words), _columns.normal_name, _columns.id)
        .limit(MAX_CANDIDATES)
    )
    wanted = await _known(uow, typed)
    if not _bearing(wanted):
        return []
    rows = await _rows(uow, shortest.where(and_(*_bearing(wanted))), asked)
    if not rows:
        wanted = await _known(uow, typed, slips_everywhere=True)
        rows = await _rows(uow, shortest.where(and_(*_bearing(wanted))), asked)
    bearing = _bearing(wanted)
    if len(rows) < limit and len(bearing) > 1:
        rows = await _rows(uow, shortest.where(_all_but_one(bearing)), asked)
    return sorted(
        rows,
        key=lambda row: (
            -likeness(wanted, row["words"]),
            len(row["words"]),
            row["normal_name"],
            row["id"],
        ),
    )[:limit]


async def _rows(
    uow: UnitOfWork, statement: Select[*tuple[Any, ...]], asked: Mapping[str, Any]
) -> Sequence[PartnerRow]:
    return (await uow.db.execute(statement, asked)).mappings().all()


async def _known(
    uow: UnitOfWork, typed: Sequence[str], *, slips_everywhere: bool = False
) -> list[Wanted]:
    alike: list[dict[str, float]] = [{} for _ in typed]
    found = await uow.driver.fetch(ALIKE, list(typed), MAX_ALIKE, slips_everywhere)
    for place, word, near in found:
        alike[place - 1][word] = near
    return [Wanted(word, known) for word, known in zip(typed, alike, strict=True)]


def _bearing(wanted: Sequence[Wanted]) -> list[ColumnElement[bool]]:
    """That a partner bears a word like each of those that any name bears."""
    return [_columns.words.overlap(list(each.alike)) for each in wanted if each.alike]


def _all_but_one(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(
        *(and_(*(each for each in conditions if each is not left_out)) for left_out in conditions)
    )


def _seen(names: Collection[str]) -> Select[*tuple[Any, ...]]:
    return select(partner_table).where(
        *(condition for name, condition in _CONDITIONS.items() if name in names)
    )


def _asked(uow: UnitOfWork, facets: Facets) -> dict[str, Any]:
    """The values that the facets, and what the actor may see, are asked with."""
    asked: dict[str, Any] = {
        "kind": facets.kind,
        "country": facets.country,
        "status": facets.status,
        "local": facets.local,
        "working_in": None if facets.working_in is None else [facets.working_in],
    }
    if facets.eligibility is not None:
        asked[facets.eligibility.value] = uow.now.date()
    asked |= _visible_to(uow.actor, facets)
    return {name: value for name, value in asked.items() if value is not None}


def _visible_to(actor: Actor, facets: Facets) -> dict[str, Any]:
    """The same rule as `access.must_see`, as conditions."""
    if actor.partner is not None:
        return {"itself": actor.partner}
    if EVERYWHERE in actor.countries or {facets.country, facets.working_in} & actor.countries:
        return {}  # whoever is in a country of the actor's may be seen
    return {"seen_from": sorted(actor.countries)}
