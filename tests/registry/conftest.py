"""The registry on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.registry import Registry, open_registry


@pytest.fixture
async def registry(registry_url: str) -> AsyncIterator[Registry]:
    """The service at noon, with no partner in it."""
    async with open_registry(registry_url) as registry:
        yield registry
