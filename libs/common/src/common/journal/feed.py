"""The journal over HTTP: the same events as on Kafka, for those who cannot reach it.

A follower asks for what comes after its position and gets, with the events, the position to ask
from next. While there is nothing it can wait, and holds no database connection meanwhile. What lies
outside its countries is left out, and the position moves past it.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from common.actor import Actor
from common.aggregate import Aggregate, Erased
from common.errors import InvalidError, Place, UnavailableError
from common.http import Call, Reply, Routes
from common.journal.position import PATTERN, Position, PositionAheadError
from common.journal.reader import Reader, SealedRow
from common.journal.trail import add_trail
from common.journal.visible import is_visible, must_not_be_bound, sees_everything
from common.journal.wake import SEALED
from common.kafka.cloudevents import CloudEvents
from common.models import PublicModel
from common.uow import UnitOfWork

if TYPE_CHECKING:
    from common.service import Service

BATCH = "application/cloudevents-batch+json"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_WAIT_SECONDS = 30
MAX_BYTES = 4 * 1024 * 1024
WINDOW = 2000
"""Positions that one look goes through at most."""
LOOKS = 5
"""Looks that one request takes at most: a rare type is searched for in several requests."""
POLL_SECONDS = 1.0
MAX_WAITING = 500
"""Followers that one process lets wait at the same time."""

# What the owner holds, erased ones left out, as of the sealed journal's end, in one snapshot: the
# rows of its own table, and the latest sealed version of the few whose newest is not sealed yet.
# Every mirror of the aggregate hashes the same over its own rows.
DIGEST = """
WITH waiting AS (
    SELECT DISTINCT stream FROM unsealed WHERE stream_type = $1
), held AS (
    SELECT id, sequence FROM "{table}" AS mine
    WHERE NOT EXISTS (SELECT FROM waiting WHERE stream = mine.id)
      AND NOT EXISTS (SELECT FROM stream_key WHERE stream = mine.id AND wrapped IS NULL)
    UNION ALL
    SELECT stream, lpad(epoch::text, 4, '0') || '-' || lpad(version::text, 10, '0')
    FROM waiting CROSS JOIN LATERAL (
        SELECT epoch, version, type FROM journal JOIN journal_seal USING (entry)
        WHERE journal.stream = waiting.stream
        ORDER BY epoch DESC, version DESC LIMIT 1
    ) AS latest
    WHERE type <> $2
)
SELECT (SELECT epoch FROM journal_epoch) AS epoch,
       (SELECT position FROM journal_head) AS position, count(*) AS count,
       encode(sha256(coalesce(
           string_agg(convert_to(id || ' ' || sequence || E'\\n', 'UTF8'), '' ORDER BY id),
           '')), 'hex') AS digest
FROM held
"""

_After = Annotated[
    str,
    Query(
        pattern=PATTERN,
        description="the `Journal-Position` of the answer before, or of a list; none: all",
    ),
]
_Types = Annotated[
    list[str] | None, Query(max_length=50, description="only these event types; repeat for several")
]
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many events at most")]
_Wait = Annotated[
    int,
    Query(
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="how many seconds to wait for an event when there is none yet",
    ),
]


class TooManyFollowersError(UnavailableError):
    code = "too_many_followers"
    title = "Too many followers are waiting here"
    retry_after_seconds = 5


class Digest(PublicModel):
    """What the owner of an aggregate holds, in a line: equal mirrors have an equal digest."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "topic": "registry.partner.v1",
                    "count": 1840,
                    "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                    "position": "1-90211",
                }
            ]
        }
    )

    topic: str
    count: int = Field(description="without those that were erased")
    digest: str = Field(
        description='SHA-256 over "id sequence\\n" of each, in the order of the ids'
    )
    position: str = Field(description="where the journal stood")


@dataclass(frozen=True)
class Found:
    """What one request found: `rows` to send, and the `position` to continue from."""

    rows: list[SealedRow]
    position: Position


def feed_routes(service: "Service") -> Routes:
    """The event feed of `service`, its digests, and the trail of each stream.

    Scopes `<service>.events.read` and `<service>.journal.read`.
    """
    routes = Routes(
        tag="events",
        prefix="/v1",
        description="What changed, in order, and the trail of each thing.",
    )
    aggregates = {aggregate.name: aggregate for aggregate in service.aggregates}
    types_known = frozenset(
        name for aggregate in service.aggregates for name in aggregate.event_types()
    )
    scope = f"{service.name}.events.read"

    @routes.plain(
        "GET",
        "/events",
        scope=scope,
        media_type=BATCH,
        headers={"Journal-Position": "what to give as `after` in the next request"},
        refuses=(PositionAheadError, TooManyFollowersError),
    )
    async def follow_events(
        call: Call,
        after: _After = "0",
        types: _Types = None,
        limit: _Limit = DEFAULT_LIMIT,
        wait: _Wait = 0,
    ) -> Response:
        """Follow the events of this service.

        A batch of CloudEvents in the order of the journal. Ask again with `after` set to the
        `Journal-Position` of the answer, also when it holds no events. An event may come twice, and
        then carries the same `sequence`: keep the highest of each `subject`.

        Only events of the countries in your token are in it.
        """
        must_not_be_bound(call.actor)
        _must_be_known(types, types_known)
        found = await _follow(call, Position.parse(after), types, limit, wait)
        events = CloudEvents(service.name, service.aggregates, call.site.runtime.settings.base_url)
        body = ",".join(_event(events, row) for row in found.rows)
        return Response(
            f"[{body}]", media_type=BATCH, headers={"Journal-Position": str(found.position)}
        )

    @routes.query("/events/digest", scope=scope)
    async def read_digest(
        uow: UnitOfWork,
        aggregate: Annotated[str, Query(max_length=100, description="its name: `partner`")],
    ) -> Reply[Digest]:
        """Compare a copy with its owner.

        The digest covers the newest published version of everything of this kind.
        """
        must_not_be_bound(uow.actor)
        return Reply.ok(await _digest(uow, _aggregate(aggregates, aggregate)))

    add_trail(routes, f"{service.name}.journal.read")
    return routes


async def _follow(
    call: Call, given: Position, types: list[str] | None, limit: int, wait: int
) -> Found:
    """The events after `given`; when there are none, the first to come within `wait` seconds.

    Raises TooManyFollowersError, PositionAheadError.
    """
    runtime = call.site.runtime
    reader = Reader(runtime.engine)
    watch = runtime.wake.watch(SEALED)
    clock = asyncio.get_running_loop()
    until = clock.time() + wait
    while True:
        found = await look(reader, call.actor, given, types, limit)
        given = found.position
        left = until - clock.time()
        if found.rows or left <= 0 or runtime.draining or runtime.wake.stopped:
            return found
        if runtime.wake.waiting(SEALED) >= MAX_WAITING:
            raise TooManyFollowersError("Ask again in a moment, or without `wait`.")
        await watch.wait(min(left, POLL_SECONDS))


async def look(
    reader: Reader,
    actor: Actor,
    given: Position,
    types: list[str] | None,
    limit: int,
    *,
    window: int = WINDOW,
) -> Found:
    """The next events that `actor` may see, of these `types`, within bounds of rows, bytes and
    positions looked at. Raises PositionAheadError."""
    head = await reader.head()
    position = given.in_journal(head)
    rows: list[SealedRow] = []
    weight = 0
    for _ in range(LOOKS):
        until = min(head.position, position + window)
        if position == until or len(rows) == limit or weight >= MAX_BYTES:
            break
        fetched = await reader.fetch(
            position, limit - len(rows), types=types, until=until, max_bytes=MAX_BYTES - weight
        )
        position = fetched[-1].position if fetched else until
        weight += sum(len(row.data) for row in fetched)
        rows += await _visible(reader, actor, fetched)
    return Found(rows, Position(head.epoch, position))


async def _visible(reader: Reader, actor: Actor, rows: list[SealedRow]) -> list[SealedRow]:
    """The ones of `rows` that `actor` may see; what was erased is judged by what it was."""
    if sees_everything(actor):
        return rows
    erased = [row for row in rows if f".{Erased.happened}." in row.type]
    states = await reader.last_states([row.stream for row in erased]) if erased else {}
    judged_by = {row.position: states.get(row.stream, row.data) for row in erased}
    return [
        row
        for row in rows
        if is_visible(actor, row.stream_type, judged_by.get(row.position, row.data))
    ]


async def _digest(uow: UnitOfWork, aggregate: Aggregate) -> Digest:
    statement = DIGEST.format(table=aggregate.table)
    row = await uow.driver.fetchrow(statement, aggregate.name, aggregate.event_type(Erased))
    return Digest(
        topic=aggregate.topic,
        count=row["count"],
        digest=row["digest"],
        position=str(Position(row["epoch"], row["position"])),
    )


def _event(events: CloudEvents, row: SealedRow) -> str:
    """`row` as a CloudEvent in JSON; its data goes out as the journal holds it."""
    attributes = json.dumps(events.attributes(row), ensure_ascii=False)
    return f'{attributes[:-1]}, "data": {row.data}}}'


def _aggregate(aggregates: dict[str, Aggregate], name: str) -> Aggregate:
    found = aggregates.get(name)
    if found is None:
        raise InvalidError(
            f"There is no aggregate {name!r} here; there are {', '.join(sorted(aggregates))}.",
            places=[Place("query:aggregate", "is not known")],
        )
    return found


def _must_be_known(types: list[str] | None, known: frozenset[str]) -> None:
    """Raises InvalidError: a misspelt type would look like a silent service."""
    unknown = sorted(set(types or ()) - known)
    if unknown:
        raise InvalidError(
            f"This service has no events of type {unknown[0]!r:.120}.",
            places=[Place("query:types", f"{name!r:.120} is not known") for name in unknown],
        )
