"""The made-up post service on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from support import parcels
from support.api import Api, open_api
from support.databases import Databases, with_foundation


@pytest.fixture
def post_url(databases: Databases) -> Iterator[str]:
    """A database with the foundation and the parcel table."""
    with databases.lent("post", partial(with_foundation, tables=parcels.TABLES)) as url:
        yield url


@pytest.fixture
async def api(post_url: str) -> AsyncIterator[Api]:
    """The post service's API at noon."""
    async with open_api(parcels.SERVICE, post_url) as opened:
        yield opened
