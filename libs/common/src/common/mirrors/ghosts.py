"""Rows that their owner no longer knows: it had made them after the backup that it was put back to.

A restored owner says everything that it has again, under a higher epoch. What still stands under a
lower one, when all of that has come, exists nowhere but in Kafka and here: it is marked as gone,
which counts as ineligible, and its reactions become due. Its facts stay, for people to see. Should
the owner make the same thing again, its event brings the row back.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from common.mirrors.mirror import Mirror
from common.mirrors.rows import become_due, quoted
from common.sequence import Sequence as Version

log = structlog.get_logger(__name__)


async def close_ghosts(driver: Any, mirror: Mirror, reactions: Sequence[str], epoch: int) -> int:
    """Mark the rows of `mirror` below `epoch` as gone, inside a transaction; how many they were."""
    table = quoted(mirror.table.name)
    rows = await driver.fetch(
        f"""
        WITH ghost AS (
            SELECT id FROM {table} WHERE sequence < $1 AND NOT gone
            ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE {table} AS mirror SET gone = true, readable = true, seen_at = now()
        FROM ghost WHERE mirror.id = ghost.id
        RETURNING mirror.id
        """,  # noqa: S608 - the table's name is ours
        str(Version(epoch, 1)),
    )
    if rows:
        log.warning("unknown_to_the_owner", mirror=mirror.name, number=len(rows), epoch=epoch)
        await become_due(driver, reactions, {row["id"]: None for row in rows})
    return len(rows)
