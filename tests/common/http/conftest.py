"""The made-up post service on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from common.db import foundation
from support import parcels
from support.api import Api, open_api


@pytest.fixture
async def post_url(scratch_database: str) -> str:
    """A database with the foundation and the parcel table."""
    driver = await asyncpg.connect(scratch_database.replace("postgresql+asyncpg", "postgresql"))
    try:
        await foundation.create_on(driver)
        await driver.execute(parcels.TABLES)
    finally:
        await driver.close()
    return scratch_database


@pytest.fixture
async def api(post_url: str) -> AsyncIterator[Api]:
    """The post service's API at noon."""
    async with open_api(parcels.SERVICE, post_url) as opened:
        yield opened
