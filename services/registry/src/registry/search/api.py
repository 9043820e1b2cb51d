"""Finding partners over HTTP."""

from typing import Annotated

from fastapi import Query

from common.codes import Country
from common.errors import InvalidError, Place
from common.http import Page, PageQuery, Reply, Routes
from common.uow import UnitOfWork
from registry.eligibility.rules import Eligibility
from registry.partners.api import READ
from registry.partners.events import PARTNER
from registry.partners.models import PartnerView
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import Status
from registry.partners.rules.localisation import Local
from registry.partners.tables import partner_of
from registry.search import queries
from registry.search.queries import Facets, PartnerRow
from registry.search.rules import MAX_QUERY

routes = Routes(tag="search", description="Finding partners.")


@routes.query("/partners", scope=READ, of=PARTNER)
async def list_partners(
    uow: UnitOfWork,
    page: PageQuery,
    name: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_QUERY,
            description="words of any of its names, in any order; accents and slips are forgiven",
        ),
    ] = None,
    kind: Kind | None = None,
    country: Annotated[Country | None, Query(description="of its headquarters")] = None,
    working_in: Annotated[Country | None, Query(description="a country in which it works")] = None,
    status: Status | None = None,
    eligibility: Annotated[Eligibility | None, Query(description="today")] = None,
    local: Annotated[Local | None, Query(description="a local or national actor")] = None,
) -> Reply[Page[PartnerView]]:
    """Find partners.

    Without `name`: every partner that has all the given facets, ordered by name, in pages. With
    `name`: the best `limit` matches, best first, on one page; narrow the search to see others.
    """
    facets = Facets(kind, country, working_in, status, eligibility, local)
    if name is None:
        rows = await queries.list_partners(uow, facets, page)
        return Reply.page(
            Page.of(rows, page, key=lambda row: (row["normal_name"], row["id"]), view=_view)
        )
    _must_be_one_page(page)
    found = await queries.find_partners(uow, name, facets, page.limit)
    return Reply.page(Page(items=[_view(row) for row in found], next=None))


def _must_be_one_page(page: PageQuery) -> None:
    """Raises InvalidError for what needs a list that goes on."""
    asked = {
        "query:cursor": page.after is not None,
        "query:changed_since": page.changed is not None,
        "header:accept": page.whole,
    }
    places = [
        Place(each, "not together with `name`", "not_together") for each in asked if asked[each]
    ]
    if places:
        raise InvalidError(
            "A search by name has one page, of the best matches; ask for it in JSON, and leave the "
            "cursor and `changed_since` out.",
            places=places,
        )


def _view(row: PartnerRow) -> PartnerView:
    return PartnerView.of(partner_of(row))
