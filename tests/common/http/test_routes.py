"""Declaring endpoints: what is read off the function, and what is refused before serving."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from common.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotFoundError,
    StaleVersionError,
    UnauthenticatedError,
    UnavailableError,
)
from common.http import Key, Page, PageQuery, Reply, Routes
from common.http.app import describe
from common.http.idempotency import is_remembered
from common.uow import UnitOfWork
from support import parcels
from support.api import open_api, problem


async def find(uow: UnitOfWork) -> Reply[parcels.Count]:
    """Count."""
    return Reply.ok(parcels.Count(count=1))


async def make(uow: UnitOfWork) -> Reply[parcels.Count]:
    """Make."""
    return Reply.created(parcels.Count(count=1), at="/made")


async def end(uow: UnitOfWork) -> Reply[None]:
    """End."""
    return Reply.no_content()


async def helped(uow: UnitOfWork) -> Reply[parcels.Count]:
    """Make, by a function of another name."""
    return await make(uow)


@pytest.mark.parametrize("work, statuses", [(find, (200,)), (make, (201,)), (end, (204,))])
def test_the_status_is_read_off_the_reply_that_a_function_makes(
    work: object, statuses: tuple[int, ...]
) -> None:
    routes = Routes(tag="things")
    routes.command("POST", "/things", scope=parcels.WRITE)(work)  # type: ignore[type-var]
    assert routes.declared[0].operation.statuses == statuses


async def versioned(uow: UnitOfWork) -> Reply[parcels.Count]:
    """Count, in a version."""
    return Reply.ok(parcels.Count(count=1), sequence="0001-0000000001")


async def versioned_elsewhere(uow: UnitOfWork) -> Reply[parcels.Count]:
    """Count, in a version that another function adds."""
    return await versioned(uow)


@pytest.mark.parametrize(
    "work, has_version", [(find, False), (versioned, True), (versioned_elsewhere, True)]
)
def test_whether_there_is_a_version_is_read_off_the_reply_too(
    work: object, has_version: bool
) -> None:
    routes = Routes(tag="things")
    routes.query("/things", scope=parcels.READ)(work)  # type: ignore[type-var]
    assert routes.declared[0].operation.versioned is has_version


async def test_a_version_that_was_not_declared_is_an_error_of_ours(post_url: str) -> None:
    async def hidden(uow: UnitOfWork) -> Reply[parcels.Count]:
        """Count, in a version that nobody can see in the code."""
        return Reply(parcels.Count(count=1), 200, "0001-0000000001")

    routes = Routes(tag="things")
    routes.query("/things", scope=parcels.READ)(hidden)
    service = replace(parcels.SERVICE, routes=(routes,))
    async with open_api(service, post_url) as api:
        problem(await api.get("/v1/things"), 500, "internal_error")


async def test_an_answer_that_was_not_declared_is_an_error_of_ours(post_url: str) -> None:
    routes = Routes(tag="things")
    routes.command("POST", "/things", scope=parcels.WRITE)(helped)
    service = replace(parcels.SERVICE, routes=(routes,))
    async with open_api(service, post_url) as api:
        problem(await api.post("/v1/things"), 500, "internal_error")


async def test_a_status_can_be_named(post_url: str) -> None:
    routes = Routes(tag="things")
    routes.command("POST", "/things", scope=parcels.WRITE, statuses=(201,))(helped)
    service = replace(parcels.SERVICE, routes=(routes,))
    async with open_api(service, post_url) as api:
        assert (await api.post("/v1/things")).status_code == 201


@pytest.mark.parametrize("method, key", [("POST", Key.OPTIONAL), ("PATCH", Key.NONE)])
def test_every_post_takes_a_key(method: str, key: Key) -> None:
    routes = Routes(tag="things")
    routes.command(method, "/things", scope=parcels.WRITE)(make)  # type: ignore[arg-type]
    assert routes.declared[0].operation.key is key


def test_a_scope_that_nobody_explains_is_refused() -> None:
    routes = Routes(tag="things")
    routes.query("/things", scope="post.things.read")(find)
    with pytest.raises(ValueError, match=r"post\.things\.read"):
        describe(replace(parcels.SERVICE, routes=(routes,)))


def test_an_operation_without_a_sentence_is_refused() -> None:
    async def silent(uow: UnitOfWork) -> Reply[parcels.Count]:
        return Reply.ok(parcels.Count(count=1))

    routes = Routes(tag="things")
    routes.query("/things", scope=parcels.READ)(silent)
    with pytest.raises(TypeError, match="docstring"):
        describe(replace(parcels.SERVICE, routes=(routes,)))


def test_a_page_query_has_one_name() -> None:
    async def many(uow: UnitOfWork, which: PageQuery) -> Reply[Page[parcels.Count]]:
        """Many."""
        return Reply.page(Page.of([], which, key=lambda row: (), view=lambda row: row))

    with pytest.raises(TypeError, match="`page`"):
        Routes(tag="things").query("/things", scope=parcels.READ)(many)


class Passing(ConflictError):
    transient: ClassVar[bool] = True


class OfAnother(ConflictError):
    from_mirror: ClassVar[bool] = True


@pytest.mark.parametrize(
    "error, remembered",
    [
        (ConflictError, True),
        (InvalidError, True),
        (MalformedError, True),
        (Passing, False),
        (OfAnother, False),
        (UnauthenticatedError, False),
        (ForbiddenError, False),
        (NotFoundError, False),
        (StaleVersionError, False),
        (UnavailableError, False),
    ],
)
def test_only_what_would_be_refused_again_is_remembered(
    error: type[DomainError], remembered: bool
) -> None:
    assert is_remembered(error("no")) is remembered
