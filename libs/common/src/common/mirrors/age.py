"""How old our copy of another service's state is, in seconds. Decisions on an old one fail closed.

A watermark says: everything up to here stands before me. Having processed it, a partition is as
young as its watermark; a topic is as old as its worst partition.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from common.aggregate import PARTITIONS
from common.mirrors.mirror import Mirror
from common.uow import UnitOfWork


class Stale(StrEnum):
    """Why a mirror is not to be decided on."""

    NEVER_HEARD = "never_heard"
    TOO_OLD = "too_old"
    CLOCK_SKEW = "clock_skew"


@dataclass(frozen=True)
class MirrorAge:
    """The age of a topic's mirror. `seconds` None: some partition was never heard of.

    `ahead_seconds`: how far the newest watermark lies in our future, beyond what clocks may differ.
    """

    topic: str
    seconds: Decimal | None
    ahead_seconds: Decimal = Decimal(0)

    def problem(self, bound_seconds: float | Decimal) -> Stale | None:
        """Why it must not be decided on, when it is older than `bound_seconds` or cannot be
        told.
        """
        if self.seconds is None:
            return Stale.NEVER_HEARD
        if self.ahead_seconds > 0:
            return Stale.CLOCK_SKEW
        return Stale.TOO_OLD if self.seconds > Decimal(str(bound_seconds)) else None


# `waited`: how long this transaction has been under way; without one, nothing.
_AGE = """
SELECT count(watermark_at) AS heard, min(watermark_at) AS oldest, max(watermark_at) AS newest,
       date_trunc('second', statement_timestamp() - now()) AS waited
FROM mirror_partition WHERE topic = $1
"""


async def mirror_age(
    source: UnitOfWork | Any,
    mirror: Mirror | str,
    *,
    now: datetime | None = None,
    skew_seconds: float = 5.0,
    partitions: int = PARTITIONS,
) -> MirrorAge:
    """The age of `mirror` (or of a topic) as `source` sees it: a unit of work, or an asyncpg
    connection and `now`. One small statement.

    A unit of work knows the time at which it began; the whole seconds that it has waited since, for
    locks above all, are added.
    """
    topic = mirror if isinstance(mirror, str) else mirror.topic
    if isinstance(source, UnitOfWork):
        driver, now = source.driver, now or source.now
    else:
        driver = source
    if now is None:
        raise ValueError("say what time it is")
    row = await driver.fetchrow(_AGE, topic)
    if isinstance(source, UnitOfWork):
        now += row["waited"]
    if row["heard"] < partitions:
        return MirrorAge(topic, None)
    ahead = _seconds(row["newest"], now) - Decimal(str(skew_seconds))
    return MirrorAge(
        topic,
        seconds=max(Decimal(0), _seconds(now, row["oldest"])),
        ahead_seconds=max(Decimal(0), ahead),
    )


def _seconds(later: datetime, earlier: datetime) -> Decimal:
    between = later - earlier
    return Decimal(between.days * 86_400 + between.seconds) + Decimal(between.microseconds).scaleb(
        -6
    )
