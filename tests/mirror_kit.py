"""What the tests of mirrors and reactions stand on: one foreign aggregate, its mirror and its
records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord
from sqlalchemy import ARRAY, Boolean, Column, Date, MetaData, Numeric, String, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.driver import borrowed, transaction
from common.mirrors import partitions
from common.mirrors.apply import Applied, Applier, Batch
from common.mirrors.mirror import Mirror, Outcome, Reaction, mirror_table
from common.models import ReadingModel
from common.uow import UnitOfWork

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLUSTER = "cluster-a"
A, B, C = (UUID(int=number) for number in (0xA, 0xB, 0xC))

TABLES = """
CREATE TABLE did (
    number bigint GENERATED ALWAYS AS IDENTITY, id uuid, sequence text,
    actor text, causation_id text, traceparent text
);
CREATE TABLE thing_seen (
    id uuid PRIMARY KEY,
    sequence varchar(15) COLLATE "C" NOT NULL,
    readable boolean NOT NULL DEFAULT true,
    gone boolean NOT NULL DEFAULT false,
    seen_at timestamptz NOT NULL DEFAULT now(),
    name text, eligible boolean, amount numeric(12, 2), since date, tags text[], extra jsonb,
    code varchar(3)
)
"""


class ThingSeen(ReadingModel):
    """The fields of a thing that we decide on."""

    name: str
    eligible: bool
    amount: Decimal | None = None
    since: date | None = None
    tags: tuple[str, ...] = ()
    extra: dict[str, str] | None = None
    code: str | None = None


def thing_mirror(topic: str = "owner.thing.v1") -> Mirror:
    """The mirror of things, in table `thing_seen`. Made anew per topic; one per test."""
    table: Table = mirror_table(
        "thing_seen",
        MetaData(),
        Column("name", Text),
        Column("eligible", Boolean),
        Column("amount", Numeric(12, 2)),
        Column("since", Date),
        Column("tags", ARRAY(Text)),
        Column("extra", JSONB),
        Column("code", String(3)),
    )
    return Mirror("things", topic, "thing", table, ThingSeen, relevant=("eligible", "tags"))


THINGS = thing_mirror()


async def nothing(uow: UnitOfWork, id_: UUID, fresh: bool) -> Outcome:
    """A reaction with no consequences."""
    return Outcome.DONE


WATCH = Reaction("watch", THINGS, nothing)


# --- records ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What stands in a record, before it has a place in a partition."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = int(NOON.timestamp() * 1000)


def seq(version: int, epoch: int = 1) -> str:
    return f"{epoch:04d}-{version:010d}"


def headers(
    id_: UUID, sequence: str | None, happened: str, topic: str = "owner.thing.v1"
) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents headers of an event of `topic`."""
    kind = topic.rpartition(".")[0]
    found = {
        "ce_specversion": "1.0",
        "ce_id": f"event-{id_.int}-{sequence}",
        "ce_source": "/owner",
        "ce_type": f"int.iom.{kind}.{happened}.v1",
        "ce_subject": str(id_),
        "ce_time": "2026-03-01T12:00:00Z",
        "ce_sequence": sequence,
        "content-type": "application/json",
    }
    return tuple((name, value.encode()) for name, value in found.items() if value is not None)


def event(
    id_: UUID,
    version: int,
    *,
    epoch: int = 1,
    happened: str = "changed",
    topic: str = "owner.thing.v1",
    **state: Any,
) -> Said:
    """A good event: the thing's full state as of a version."""
    data = {"thing": {"name": f"v{version}", "eligible": True, "unknown": 1} | state, "change": {}}
    return Said(
        str(id_).encode(),
        json.dumps(data).encode(),
        headers(id_, seq(version, epoch), happened, topic),
    )


def erased(id_: UUID, version: int, *, epoch: int = 1) -> Said:
    """The event that says that the thing was erased."""
    return Said(
        str(id_).encode(), b'{"thing":{},"change":{}}', headers(id_, seq(version, epoch), "erased")
    )


def tombstone(id_: UUID, version: int | None = None, *, epoch: int = 1) -> Said:
    """A record without a value, with or without headers."""
    head = () if version is None else headers(id_, seq(version, epoch), "erased")
    return Said(str(id_).encode(), None, head)


def broken(id_: UUID, version: int | None, *, epoch: int = 1, value: bytes = b"{") -> Said:
    """A record that cannot be read; `version` None: nor can its sequence."""
    sequence = None if version is None else seq(version, epoch)
    return Said(str(id_).encode(), value, headers(id_, sequence, "changed"))


def watermark(
    position: int,
    *,
    epoch: int = 1,
    publisher: datetime = NOON,
    broker: datetime = NOON,
    value: bytes | None = None,
    **more: Any,
) -> Said:
    """A watermark with the publisher's time in it, the broker's time on it, and `more` (`whole`,
    `born`).
    """
    data = {
        "epoch": epoch,
        "position": position,
        "head_hash": "ab" * 32,
        "time": publisher.isoformat(),
        **more,
    }
    return Said(
        b"~watermark",
        json.dumps(data).encode() if value is None else value,
        (("ce_type", b"int.iom.owner.watermark.v1"),),
        int(broker.timestamp() * 1000),
    )


def record(said: Said, offset: int, partition: int = 0, topic: str = "owner.thing.v1") -> Any:
    """`said` as aiokafka hands it over."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=said.timestamp,
        timestamp_type=1,
        key=said.key,
        value=said.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=said.headers,
    )


# --- a partition's log, read at will ------------------------------------------------------------


@dataclass
class Log:
    """One partition as it is read: records get their offsets in the order in which they are
    said.
    """

    engine: AsyncEngine
    mirrors: Sequence[Mirror] = (THINGS,)
    reactions: Sequence[Reaction] = (WATCH,)
    partition: int = 0
    cluster: str = CLUSTER
    reckoned: int = 1
    """How many partitions the topic is taken to have."""
    said: list[Said] = field(default_factory=list)
    at: int = 0

    @property
    def place(self) -> tuple[str, int]:
        return (self.mirrors[0].topic, self.partition)

    async def begin(self) -> None:
        """Take the partition up at its beginning, or where it was left."""
        async with transaction(self.engine) as driver:
            await partitions.begin(driver, self.cluster, {self.place: 0})
            self.at = (await partitions.places(driver, self.cluster, [self.place]))[self.place]

    async def feed(self, *said: Said) -> Applied:
        """Say something more and apply it as one batch."""
        await self.begin()
        self.said += said
        return await self.apply()

    async def apply(self, upto: int | None = None) -> Applied:
        """Apply what is there from the present place on, as one batch."""
        records = [
            record(each, offset, self.partition, self.place[0])
            for offset, each in enumerate(self.said[:upto])
            if offset >= self.at
        ]
        applier = Applier(self.engine, self.mirrors, self.reactions, partitions=self.reckoned)
        applied = await applier.apply(self.cluster, [Batch(self.place, self.at, records)])
        self.at = applied.following[self.place]
        return applied

    async def feed_from_memory(self, *said: Said) -> Applied:
        """As `feed`, but from the place that this process remembers, without a look."""
        self.said += said
        return await self.apply()

    async def replay(self) -> Applied:
        """Apply everything again, from the beginning."""
        async with transaction(self.engine) as driver:
            await partitions.restart(driver, self.cluster, self.place, 0)
        self.at = 0
        return await self.apply()


async def row(engine: AsyncEngine, id_: UUID) -> dict[str, Any] | None:
    """The mirror's row without the moment it was seen."""
    async with borrowed(engine) as driver:
        found = await driver.fetchrow("SELECT * FROM thing_seen WHERE id = $1", id_)
    return None if found is None else {k: v for k, v in dict(found).items() if k != "seen_at"}


async def standing(engine: AsyncEngine, id_: UUID = A) -> tuple[str, bool, bool] | None:
    """(sequence, readable, gone) of a row."""
    found = await row(engine, id_)
    return None if found is None else (found["sequence"], found["readable"], found["gone"])


async def due(engine: AsyncEngine, take: bool = False) -> list[UUID]:
    """The ids that are due for any reaction. `take`: and no longer after this look."""
    async with borrowed(engine) as driver:
        rows = await driver.fetch("SELECT id FROM reaction_due ORDER BY reaction, id")
        if take:
            await driver.execute("DELETE FROM reaction_due")
    return [found["id"] for found in rows]


async def parked(engine: AsyncEngine) -> list[tuple[int, str | None]]:
    """(offset, resolution) of every parked record; None: still open."""
    async with borrowed(engine) as driver:
        rows = await driver.fetch('SELECT "offset", resolution FROM parked ORDER BY 1')
    return [(found["offset"], found["resolution"]) for found in rows]


async def everything(engine: AsyncEngine) -> dict[str, Any]:
    """All that a batch leaves behind, without times and counters: for comparing ways of feeding."""
    async with borrowed(engine) as driver:
        rows = await driver.fetch("SELECT * FROM thing_seen ORDER BY id")
        duties = await driver.fetch("SELECT reaction, id FROM reaction_due ORDER BY 1, 2")
        kept = await driver.fetch(
            'SELECT "offset", id, sequence, error, resolution FROM parked ORDER BY 1'
        )
    return {
        "rows": [{k: v for k, v in dict(each).items() if k != "seen_at"} for each in rows],
        "due": [tuple(each) for each in duties],
        "parked": [tuple(each) for each in kept],
    }


def ids(number: int) -> Iterable[UUID]:
    return (UUID(int=each + 1) for each in range(number))
