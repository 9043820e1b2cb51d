"""What dashboards and alerts see of the mirrors. Made in the registry that is passed in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from common.clock import Clock
from common.mirrors.mirror import Mirror, Reaction


class FollowerMetrics:
    """The follower's metrics. One per process and registry."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._oldest: dict[str, datetime | None] = {}
        self.events = Counter(
            "frontline_mirror_events",
            "Events processed, by what became of them: applied, repeated (or out of date), parked",
            ["outcome"],
            registry=registry,
        )
        self.failures = Counter(
            "frontline_mirror_failures",
            "Batches and connections that failed and were tried again, by the kind of error",
            ["error"],
            registry=registry,
        )
        self.lag = Gauge(
            "frontline_mirror_lag_records",
            "Records behind the last stable offset, for the partitions of this process",
            ["topic", "partition"],
            registry=registry,
        )
        self.age = Gauge(
            "frontline_mirror_age_seconds",
            "Age of the worst partition; +Inf while one was never heard of",
            ["topic"],
            registry=registry,
        )
        self.parked = Gauge(
            "frontline_mirror_parked_records",
            "Records that cannot be read and wait for a person or a newer event",
            ["topic"],
            registry=registry,
        )

    def heard(self, topic: str, oldest: datetime | None) -> None:
        """The oldest watermark of `topic`. From here the age grows by itself, even if we stand
        still.
        """
        if topic not in self._oldest:
            self.age.labels(topic).set_function(self._age_of(topic))
        self._oldest[topic] = oldest

    def _age_of(self, topic: str) -> Callable[[], float]:
        def age() -> float:
            oldest = self._oldest[topic]
            if oldest is None:
                return float("inf")
            return max(0.0, (self._clock.now() - oldest).total_seconds())

        return age


class ReactorMetrics:
    """The reactor's metrics. One per process and registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Counter(
            "frontline_reaction_runs",
            "Reactions run, by outcome: done, wait, more, refused (by a rule), failed",
            ["reaction", "outcome"],
            registry=registry,
        )
        self.due = Gauge(
            "frontline_reactions_due",
            "Mirror rows whose consequences are not yet drawn",
            ["reaction"],
            registry=registry,
        )
        self.refused = Gauge(
            "frontline_reactions_refused",
            "Those of them whose last run raised an error",
            ["reaction"],
            registry=registry,
        )


async def look(
    metrics: FollowerMetrics, driver: Any, mirrors: tuple[Mirror, ...], partitions: int
) -> None:
    """Read what the gauges show of the mirrors: two small statements."""
    rows = await driver.fetch(
        "SELECT topic, count(watermark_at) AS heard, min(watermark_at) AS oldest "
        "FROM mirror_partition GROUP BY topic"
    )
    oldest = {row["topic"]: row["oldest"] for row in rows if row["heard"] >= partitions}
    rows = await driver.fetch(
        "SELECT topic, count(*) AS open FROM parked WHERE resolved_at IS NULL GROUP BY topic"
    )
    parked = {row["topic"]: row["open"] for row in rows}
    for topic in {mirror.topic for mirror in mirrors}:
        metrics.heard(topic, oldest.get(topic))
        metrics.parked.labels(topic).set(parked.get(topic, 0))


async def look_due(metrics: ReactorMetrics, driver: Any, reactions: tuple[Reaction, ...]) -> None:
    """Read what the gauges show of the reactions: one statement."""
    rows = await driver.fetch(
        "SELECT reaction, count(*) AS due, count(error) AS refused "
        "FROM reaction_due GROUP BY reaction"
    )
    found = {row["reaction"]: row for row in rows}
    for reaction in reactions:
        row = found.get(reaction.name)
        metrics.due.labels(reaction.name).set(row["due"] if row else 0)
        metrics.refused.labels(reaction.name).set(row["refused"] if row else 0)
