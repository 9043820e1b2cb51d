"""Records that could not be read: kept as they came, open until their mirror row can be trusted
again.

A record whose key is an aggregate's id stays open exactly as long as the row is unreadable. One
without such a key closes no row, so nothing but a person resolves it.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.mirrors.reading import Item, KafkaRecord
from common.mirrors.rows import Absorbed

_PARK = """
INSERT INTO parked (cluster_id, topic, partition, "offset", key, id, sequence, headers, value,
                    timestamp_ms, error, resolved_at, resolution)
SELECT $1, topic, partition, "offset", key, id, sequence, headers::jsonb, value, timestamp_ms,
       error, CASE WHEN NOT open THEN now() END, CASE WHEN NOT open THEN 'superseded' END
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::uuid[], $7::text[], $8::text[],
            $9::bytea[], $10::bigint[], $11::text[], $12::bool[])
     AS came (topic, partition, "offset", key, id, sequence, headers, value, timestamp_ms, error,
              open)
ON CONFLICT (cluster_id, topic, partition, "offset") DO UPDATE
SET error = excluded.error,
    resolved_at = CASE WHEN excluded.resolved_at IS NULL AND excluded.id IS NOT NULL THEN NULL
                  ELSE coalesce(parked.resolved_at, excluded.resolved_at) END,
    resolution = CASE WHEN excluded.resolved_at IS NULL AND excluded.id IS NOT NULL THEN NULL
                 ELSE coalesce(parked.resolution, excluded.resolution) END
"""

_SETTLE = """
UPDATE parked SET resolved_at = now(), resolution = $3
WHERE resolved_at IS NULL AND topic = $1 AND id = ANY($2::uuid[])
"""


@dataclass(frozen=True)
class ParkedRecord:
    """A parked record, as it was read from Kafka once; to be read again."""

    cluster_id: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @classmethod
    def of(cls, row: Any) -> "ParkedRecord":
        """From a row of `parked`."""
        headers = row["headers"]
        pairs = json.loads(headers) if isinstance(headers, str) else headers
        return cls(
            cluster_id=row["cluster_id"],
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            timestamp=row["timestamp_ms"],
            key=row["key"],
            value=row["value"],
            headers=[(name, b64decode(value)) for name, value in pairs],
        )


async def park(driver: Any, cluster_id: str, absorbed: Sequence[Absorbed]) -> int:
    """Keep every record of `absorbed` (all mirrors of one topic) that one of its mirrors could not
    read, and settle those whose rows are open again. The number of records kept."""
    bad: dict[tuple[int, int], Item] = {}
    for each in absorbed:
        for item in each.items:
            if item.error is not None:
                bad.setdefault((item.record.partition, item.record.offset), item)
    opened = {id_ for each in absorbed for id_ in each.opened if not closed(id_, absorbed)}
    if opened:
        topic = absorbed[0].mirror.topic
        await driver.execute(_SETTLE, topic, list(opened), "superseded")
    if bad:
        await _insert(driver, cluster_id, list(bad.values()), absorbed)
    return len(bad)


def closed(id_: UUID | None, absorbed: Iterable[Absorbed]) -> bool:
    """Whether a mirror still holds the row `id_` unreadable (a key that is no id is never
    settled).
    """
    return id_ is None or any(id_ in each.rows and not each.rows[id_].readable for each in absorbed)


async def _insert(
    driver: Any, cluster_id: str, items: Sequence[Item], absorbed: Sequence[Absorbed]
) -> None:
    records = [item.record for item in items]
    await driver.execute(
        _PARK,
        cluster_id,
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        [record.key for record in records],
        [item.id for item in items],
        [item.sequence for item in items],
        [_headers(record) for record in records],
        [record.value for record in records],
        [record.timestamp for record in records],
        [item.error for item in items],
        [closed(item.id, absorbed) for item in items],
    )


def _headers(record: KafkaRecord) -> str:
    """Pairs of name and base64: a header may hold any bytes, and stand twice."""
    return json.dumps(
        [
            [name.replace("\0", ""), b64encode(value or b"").decode()]
            for name, value in record.headers
        ]
    )
