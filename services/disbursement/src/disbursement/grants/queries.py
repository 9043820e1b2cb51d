"""Reading grants."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from common.http import PageQuery
from common.uow import UnitOfWork
from disbursement.grants.codes import find_codes
from disbursement.grants.commands import permitted
from disbursement.grants.rules import Grant, Source
from disbursement.grants.tables import funding_grant
from disbursement.reach import within_reach


async def grant_by_id(uow: UnitOfWork, grant_id: UUID) -> Grant:
    """The grant. Raises NotFoundError, ForbiddenError for another country's."""
    found = await uow.db.execute(select(funding_grant).where(funding_grant.c.id == grant_id))
    return permitted(uow, found.one_or_none())


async def grants(
    uow: UnitOfWork,
    page: PageQuery,
    *,
    country: str | None = None,
    source: Source | None = None,
    code: str | None = None,
) -> Sequence[Grant]:
    """The grants in the reader's reach, oldest first: those of `page` and one more.

    `code`: a text with a project or application code, which several grants may share. Raises
    ForbiddenError for access that is bound to a partner.
    """
    uow.actor.must_be_staff("see and handle grants")
    grant = funding_grant.c
    statement = within_reach(select(funding_grant), funding_grant, uow.actor)
    statement = page.cut(statement, grant.id)
    if country is not None:
        statement = statement.where(grant.country == country)
    if source is not None:
        statement = statement.where(grant.source == source.value)
    if code is not None:
        statement = statement.where(_has_code(code))
    return [Grant.of(row) for row in await uow.db.execute(statement)]


def _has_code(text: str) -> ColumnElement[bool]:
    """A grant with a code that stands in `text`, or that is `text`."""
    grant, found = funding_grant.c, find_codes(text)
    if found.window is None:
        return (grant.project_code == text.upper()) | (grant.application_code == text.upper())
    return or_(
        *(
            column == code
            for column, code in (
                (grant.project_code, found.project_code),
                (grant.application_code, found.application_code),
            )
            if code is not None
        )
    )
