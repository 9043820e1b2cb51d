"""How far each partition was read. It stands in our own database, so it goes back in time with it.

The place moves by compare-and-set in the transaction that applies the records: whoever believes in
another place (a consumer that was frozen and replaced, one that ran while the database was
restored) is refused and must look again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.kafka.watermarks import Watermark

Partition = tuple[str, int]
"""(topic, number)"""


class OffsetMovedError(Exception):
    """Somebody else moved a partition's place, or it was put back: forget the batch and look
    again.
    """


class AnotherTopicError(Exception):
    """These partitions belong to a topic that was made anew, born at the moments beside them: our
    places are those of another one.
    """

    def __init__(self, born: Mapping[Partition, datetime]) -> None:
        super().__init__(f"made anew: {sorted(born)}")
        self.born = born


@dataclass(frozen=True)
class Step:
    """A partition goes on from `expected` to `following` (offsets), passing `watermark`."""

    partition: Partition
    expected: int
    following: int
    watermark: Watermark | None


_MOVE = """
UPDATE mirror_partition AS p
SET next_offset = step.following,
    watermark_epoch = coalesce(step.epoch, p.watermark_epoch),
    watermark_position = coalesce(step.position, p.watermark_position),
    watermark_hash = coalesce(step.hash, p.watermark_hash),
    watermark_at = coalesce(step.at, p.watermark_at),
    whole_epoch = coalesce(step.whole_epoch, p.whole_epoch),
    born = coalesce(step.born, p.born),
    updated_at = now()
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::bigint[], $8::text[],
            $9::timestamptz[], $10::int[], $11::timestamptz[])
     AS step (topic, partition, expected, following, epoch, position, hash, at, whole_epoch, born)
WHERE p.cluster_id = $1 AND p.topic = step.topic AND p.partition = step.partition
  AND p.next_offset = step.expected
"""
_NEWS = """
SELECT p.topic, p.partition, step.born > p.born AS replaced, step.born
FROM mirror_partition AS p
JOIN unnest($2::text[], $3::int[], $4::int[], $5::timestamptz[])
     AS step (topic, partition, whole_epoch, born) USING (topic, partition)
WHERE p.cluster_id = $1
  AND (step.born > p.born OR step.whole_epoch > coalesce(p.whole_epoch, 1))
"""


async def places(
    driver: Any, cluster_id: str, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """The next offset of those of `partitions` that were ever read on this cluster."""
    rows = await driver.fetch(
        "SELECT topic, partition, next_offset FROM mirror_partition "
        "WHERE cluster_id = $1 AND topic = ANY($2::text[])",
        cluster_id,
        sorted({topic for topic, _ in partitions}),
    )
    found = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {each: found[each] for each in partitions if each in found}


async def begin(
    driver: Any, cluster_id: str, beginnings: Mapping[Partition, int]
) -> list[Partition]:
    """Take up partitions at their `beginnings`, unless they have a place on this cluster already.

    What was known of their topics on another cluster is forgotten: its offsets mean nothing here,
    and its watermarks would keep a mirror old for ever. Gives the partitions forgotten.
    """
    topics = sorted({topic for topic, _ in beginnings})
    forgotten = await driver.fetch(
        "DELETE FROM mirror_partition WHERE topic = ANY($2::text[]) AND cluster_id <> $1 "
        "RETURNING topic, partition",
        cluster_id,
        topics,
    )
    await driver.execute(
        "INSERT INTO mirror_partition (cluster_id, topic, partition, next_offset) "
        "SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[]) ON CONFLICT DO NOTHING",
        cluster_id,
        [topic for topic, _ in beginnings],
        [number for _, number in beginnings],
        list(beginnings.values()),
    )
    return [(row["topic"], row["partition"]) for row in forgotten]


async def restart(
    driver: Any,
    cluster_id: str,
    partition: Partition,
    beginning: int,
    born: datetime | None = None,
) -> None:
    """Read `partition` from its beginning again. Its watermark no longer means anything.

    `born`: when its topic was, if that is known; it is not restarted for an earlier birth then.
    """
    await driver.execute(
        "UPDATE mirror_partition SET next_offset = $4, watermark_epoch = NULL, "
        "watermark_position = NULL, watermark_hash = NULL, watermark_at = NULL, "
        "whole_epoch = NULL, born = $5, updated_at = now() "
        "WHERE cluster_id = $1 AND topic = $2 AND partition = $3",
        cluster_id,
        *partition,
        beginning,
        born,
    )


async def whole_anew(driver: Any, cluster_id: str, steps: Sequence[Step]) -> list[str]:
    """The topics of which a partition comes, by `steps`, to where everything was said under a
    higher epoch. Ask before `move`; the topics' partitions are locked then, so that of several
    transactions the last one sees them all.

    Raises AnotherTopicError when a watermark is of a topic younger than our places.
    """
    marked = [(step.partition, step.watermark) for step in steps if step.watermark is not None]
    if not marked:
        return []
    news = await driver.fetch(
        _NEWS,
        cluster_id,
        [partition[0] for partition, _ in marked],
        [partition[1] for partition, _ in marked],
        [mark.epoch if mark.whole else None for _, mark in marked],
        [mark.born for _, mark in marked],
    )
    replaced = {(row["topic"], row["partition"]): row["born"] for row in news if row["replaced"]}
    if replaced:
        raise AnotherTopicError(replaced)
    topics = sorted({row["topic"] for row in news})
    if topics:
        await driver.execute(
            "SELECT FROM mirror_partition WHERE topic = ANY($1::text[]) "
            "ORDER BY topic, partition FOR NO KEY UPDATE",
            topics,
        )
    return topics


async def whole_epoch(driver: Any, cluster_id: str, topic: str, partitions: int) -> int:
    """The epoch under which everything in all `partitions` of `topic` was said; 1 at least."""
    row = await driver.fetchrow(
        "SELECT count(*) AS number, min(coalesce(whole_epoch, 1)) AS epoch "
        "FROM mirror_partition WHERE cluster_id = $1 AND topic = $2",
        cluster_id,
        topic,
    )
    return int(row["epoch"]) if row["number"] >= partitions else 1


async def move(driver: Any, cluster_id: str, steps: Sequence[Step]) -> None:
    """Move every partition of `steps`, inside a transaction. Raises OffsetMovedError."""
    marks = [step.watermark for step in steps]
    status = await driver.execute(
        _MOVE,
        cluster_id,
        [step.partition[0] for step in steps],
        [step.partition[1] for step in steps],
        [step.expected for step in steps],
        [step.following for step in steps],
        [mark and mark.epoch for mark in marks],
        [mark and mark.position for mark in marks],
        [mark and mark.head_hash for mark in marks],
        [mark and mark.time for mark in marks],
        [mark.epoch if mark and mark.whole else None for mark in marks],
        [mark and mark.born for mark in marks],
    )
    if status != f"UPDATE {len(steps)}":
        raise OffsetMovedError(
            "another consumer moved these partitions, or the database was put back: "
            + ", ".join(f"{topic}/{number}" for (topic, number) in (s.partition for s in steps))
        )
