"""The disbursement service on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.api import Api
from support.clerk import Clerk
from support.disbursement import World, api_of, open_world


@pytest.fixture
async def world(disbursement_url: str) -> AsyncIterator[World]:
    """The service at noon, with people and nothing else."""
    async with open_world(disbursement_url, database_pool_size=20) as world:
        yield world


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    """The API on the world's database."""
    async with api_of(world) as api:
        yield api


@pytest.fixture
def clerk(api: Api, world: World) -> Clerk:
    """Somebody who sends requests."""
    return Clerk(api, world)
