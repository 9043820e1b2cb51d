"""A service of the test's own, on the shared broker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from common.kafka.embedded import EmbeddedKafka
from kafka_kit import House, house_on


@pytest.fixture
def scratch_database(journal_database: str) -> str:
    """No database is empty here: it has the journal and the table of THING."""
    return journal_database


@pytest.fixture
async def house(kafka: EmbeddedKafka, scratch_database: str, unique: str) -> AsyncIterator[House]:
    """A service with an empty journal and no topic yet."""
    async with house_on(kafka.bootstrap_servers, scratch_database, f"service-{unique}") as house:
        yield house
