"""The coordination service on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.coordination import Coordination, open_coordination


@pytest.fixture
async def house(coordination_url: str) -> AsyncIterator[Coordination]:
    """The service at noon, with a registry that says what the test lets it say."""
    async with open_coordination(coordination_url) as house:
        yield house
