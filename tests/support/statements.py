"""Counting what is really sent to PostgreSQL, BEGIN and COMMIT included.

Core statements are counted by SQLAlchemy, those on the driver's connection by the driver. Each is a
round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass
class Statements:
    """The statements sent while counting, in order."""

    sent: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sent)

    def __str__(self) -> str:
        lines = (" ".join(each.split()) for each in self.sent)
        return "\n".join(f"{number}. {line:.150}" for number, line in enumerate(lines, 1))


@asynccontextmanager
async def counted(engine: AsyncEngine) -> AsyncIterator[Statements]:
    """Count the statements that `engine` sends from now on.

    Run the operation once before: the first use of a connection also prepares statements, and the
    first unit of work looks up the epoch.
    """
    statements = Statements()

    def note(record: Any) -> None:
        statements.sent.append(record.query)

    watched: list[Any] = []

    def watch(connection: Any, record: Any, proxy: Any) -> None:
        driver = connection.driver_connection
        driver.add_query_logger(note)
        watched.append(driver)

    def unwatch(connection: Any, record: Any) -> None:
        while watched:
            watched.pop().remove_query_logger(note)

    def note_core(
        db: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        statements.sent.append(statement)

    pool = engine.sync_engine.pool
    event.listen(pool, "checkout", watch)
    event.listen(pool, "checkin", unwatch)
    event.listen(engine.sync_engine, "before_cursor_execute", note_core)
    try:
        yield statements
        await asyncio.sleep(0)  # asyncpg tells of a statement on the loop's next turn
    finally:
        event.remove(pool, "checkout", watch)
        event.remove(pool, "checkin", unwatch)
        event.remove(engine.sync_engine, "before_cursor_execute", note_core)
