"""What lies in Kafka, read by a client that shares no code with the publisher."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING

from kafka_kit import header, read_events

if TYPE_CHECKING:
    from faults.scene import Scene


async def in_kafka(scene: Scene, topic: str) -> dict[str, list[str]]:
    """The sequences of every key, in the order in which its records lie in the topic."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in await read_events(scene.stack.bootstrap_servers, topic):
        found[record.key.decode()].append(header(record, "ce_sequence"))
    return found


async def in_journal(scene: Scene, topic: str) -> dict[str, list[str]]:
    """The same as the journal of the topic's owner has it, in the order of the commits."""
    service, aggregate, _ = topic.split(".")
    found: dict[str, list[str]] = defaultdict(list)
    for row in await scene.sql(
        service,
        "SELECT stream, epoch, version FROM sealed WHERE stream_type = $1 ORDER BY position",
        aggregate,
    ):
        found[str(row["stream"])].append(f"{row['epoch']:04d}-{row['version']:010d}")
    return found


async def order_is_kept(scene: Scene, topic: str, keys: Collection[str]) -> None:
    """Every version of `keys` lies in Kafka, in the order of the commits, and the newest last.

    A batch that was sent twice repeats versions that were there already; it ends with the newest.
    """
    sent, recorded = await in_kafka(scene, topic), await in_journal(scene, topic)
    for key in keys:
        assert list(dict.fromkeys(sent[key])) == recorded[key]
        assert sent[key][-1] == recorded[key][-1]


async def newest_is_last(scene: Scene, topic: str) -> None:
    """Of every key the last record in Kafka is the newest version, and no key is missing.

    A key that the journal does not have is of an epoch before a restore: Kafka keeps it.
    """
    sent, recorded = await in_kafka(scene, topic), await in_journal(scene, topic)
    (row,) = await scene.sql(topic.split(".")[0], "SELECT epoch FROM journal_epoch")
    last = {
        key: versions[-1]
        for key, versions in sent.items()
        if key in recorded or versions[-1] >= f"{row['epoch']:04d}"
    }
    assert last == {key: versions[-1] for key, versions in recorded.items()}
