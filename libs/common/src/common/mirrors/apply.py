"""A batch of records becomes mirror rows: one transaction, whatever the number of partitions.

In it stand the rows, what became due by them, the records that could not be read, the watermarks
passed, and the next offsets. So a batch is applied as a whole or not at all, and never skipped.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from common.aggregate import PARTITIONS
from common.db.driver import transaction
from common.db.faults import Fault, fault_of, said
from common.kafka.cloudevents import UnreadableRecordError
from common.kafka.watermarks import Watermark, is_watermark
from common.mirrors.ghosts import close_ghosts
from common.mirrors.mirror import Mirror, Reaction
from common.mirrors.parking import park
from common.mirrors.partitions import Partition, Step, move, whole_anew, whole_epoch
from common.mirrors.reading import Item, KafkaRecord, read_item, read_watermark
from common.mirrors.rows import REFUSED, Absorbed, absorb
from common.points import Point, reached

MAX_RUNS = 5
"""How often a batch is tried when the database asks for a rerun."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """The records that came of one partition, in their order, read from offset `expected` on."""

    partition: Partition
    expected: int
    records: Sequence[KafkaRecord]


@dataclass(frozen=True)
class Applied:
    """What a batch did. `following`: the next offset of each partition. `written`: rows that
    changed (the other events were repeated or out of date); `due`: reactions that became due.
    """

    following: Mapping[Partition, int]
    events: int
    written: int
    parked: int
    due: int
    watermarks: Mapping[Partition, Watermark]


# Rows and offsets go together: what a crash of the server forgets is read again from there. Whoever
# decides on a row commits behind it in the same log, so a decision never outlives what it rests on.
NO_WAIT_FOR_DISK = "synchronous_commit = off"


class Applier:
    """Applies batches to the mirrors of one service. `partitions`: how many each topic has."""

    def __init__(
        self,
        engine: AsyncEngine,
        mirrors: Sequence[Mirror],
        reactions: Sequence[Reaction],
        *,
        partitions: int = PARTITIONS,
    ) -> None:
        self._engine = engine
        self._partitions = partitions
        self._of_topic: dict[str, list[tuple[Mirror, tuple[str, ...]]]] = {}
        for mirror in mirrors:
            names = tuple(each.name for each in reactions if each.mirror is mirror)
            self._of_topic.setdefault(mirror.topic, []).append((mirror, names))

    async def apply(self, cluster_id: str, batches: Sequence[Batch]) -> Applied:
        """Apply `batches` and move on. The transaction runs again, bounded, when the database asks.

        Raises OffsetMovedError when a partition does not stand where the batch begins,
        AnotherTopicError when it is of another topic than our place, and the database's own
        errors; nothing is written then.
        """
        steps = [_step(batch) for batch in batches]
        items = self._read(batches)
        if any(any(of_topic) for of_topic in items.values()):
            reached(Point.AFTER_POLL)
        careful = False
        for attempt in range(1, MAX_RUNS + 1):
            try:
                return await self._once(cluster_id, steps, items, careful=careful)
            except REFUSED as error:
                if careful:
                    raise
                log.warning("mirror_row_refused", error=said(error))
                careful = True
            except Exception as error:
                if fault_of(error) is not Fault.RERUN or attempt == MAX_RUNS:
                    raise
                await asyncio.sleep(0.005 * attempt)
        raise AssertionError("unreachable: the last run returns or raises")

    def _read(self, batches: Sequence[Batch]) -> dict[str, list[list[Item]]]:
        """Per topic, for each of its mirrors, what the records say."""
        items: dict[str, list[list[Item]]] = {}
        for batch in batches:
            mirrors = self._of_topic[batch.partition[0]]
            lists = items.setdefault(batch.partition[0], [[] for _ in mirrors])
            records = [record for record in batch.records if not is_watermark(record.key)]
            for (mirror, _), read in zip(mirrors, lists, strict=True):
                read += [read_item(record, mirror) for record in records]
        return items

    async def _once(
        self,
        cluster_id: str,
        steps: Sequence[Step],
        items: Mapping[str, Sequence[Sequence[Item]]],
        *,
        careful: bool,
    ) -> Applied:
        absorbed: list[Absorbed] = []
        parked = ghosts = duties = 0
        async with transaction(self._engine, NO_WAIT_FOR_DISK) as driver:
            whole = await whole_anew(driver, cluster_id, steps)
            await move(driver, cluster_id, steps)
            for topic in sorted(items):
                of_topic = [
                    await absorb(driver, mirror, names, read, careful=careful)
                    for (mirror, names), read in zip(
                        self._of_topic[topic], items[topic], strict=True
                    )
                ]
                parked += await park(driver, cluster_id, of_topic)
                absorbed += of_topic
            for topic in whole:
                epoch = await whole_epoch(driver, cluster_id, topic, self._partitions)
                for mirror, names in self._of_topic[topic] if epoch > 1 else ():
                    closed = await close_ghosts(driver, mirror, names, epoch)
                    ghosts += closed
                    duties += closed * len(names)
        return Applied(
            following={step.partition: step.following for step in steps},
            events=sum(len(each.items) for each in absorbed),
            written=sum(each.written for each in absorbed) + ghosts,
            parked=parked,
            due=sum(each.due for each in absorbed) + duties,
            watermarks={step.partition: step.watermark for step in steps if step.watermark},
        )


def _step(batch: Batch) -> Step:
    """The batch's last watermark counts: everything before it in the list is in this
    transaction.
    """
    watermark = None
    for record in batch.records:
        if is_watermark(record.key):
            try:
                watermark = read_watermark(record)
            except UnreadableRecordError as error:
                log.warning("watermark_unreadable", partition=batch.partition, error=str(error))
    return Step(batch.partition, batch.expected, batch.records[-1].offset + 1, watermark)
