"""The trail of one thing, for auditors: every change, by whom, and the written reasons for it."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from common.crypto.envelope import UnreadableError
from common.errors import ForbiddenError, NotFoundError
from common.http import Page, PageQuery, Reply, Routes
from common.journal.reader import LAST_STATES
from common.journal.visible import is_visible, must_not_be_bound
from common.models import PublicModel
from common.sequence import Sequence
from common.uow import UnitOfWork

MAX_BYTES = 4 * 1024 * 1024
"""What the changes of one page may weigh, the first apart, which always comes."""

# A page that becomes too heavy ends early; `found` rows there would have been.
TRAIL = """
SELECT * FROM (
    SELECT page.*, count(*) OVER () AS found,
           sum(weight) OVER (ORDER BY epoch, version ROWS UNBOUNDED PRECEDING) - weight AS before
    FROM (
        SELECT position, hash, id, stream_type, epoch, version, type, occurred_at, actor, reason,
               correlation_id, causation_id, data::text AS data, private,
               octet_length(data::text) + coalesce(octet_length(private), 0) AS weight
        FROM journal LEFT JOIN journal_seal USING (entry)
        WHERE stream = $1 AND (epoch, version) > ($2, $3)
        ORDER BY epoch, version LIMIT $4
    ) page
) weighed
WHERE before < $5
ORDER BY epoch, version
"""
KEY = "SELECT wrapped FROM stream_key WHERE stream = $1"


class Secrecy(StrEnum):
    """What became of the private part: none was written, it is open here, the stream's key was
    dropped, or it does not open (another master key, edited bytes)."""

    NONE = "none"
    OPEN = "open"
    ERASED = "erased"
    UNREADABLE = "unreadable"


class TrailEntry(PublicModel):
    """One change. `private` is what subscribers never see."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0197c7a2-5f10-7c3a-9d53-0a4f6e1b2c3d",
                    "type": "int.iom.registry.partner.suspended.v1",
                    "sequence": "0001-0000000004",
                    "occurred_at": "2020-06-22T12:00:00Z",
                    "actor": "amina",
                    "reason": "under_review",
                    "correlation_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "causation_id": None,
                    "position": 417,
                    "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                    "data": {"partner": {"status": "suspended"}, "change": {}},
                    "secrecy": "open",
                    "private": {"reason": "accounts not handed in"},
                }
            ]
        }
    )

    id: UUID
    type: str
    sequence: str
    occurred_at: datetime
    actor: str
    reason: str | None = Field(description="a coarse code")
    correlation_id: str = Field(description="the request or event behind it")
    causation_id: str | None
    position: int | None = Field(description="place in the feed; null until it is sealed")
    hash: str | None = Field(description="its link in the chain")
    data: dict[str, Any] = Field(description="the public state after it, and the change")
    secrecy: Secrecy
    private: dict[str, Any] | None = Field(description="written reasons and the like")


def add_trail(routes: Routes, scope: str) -> None:
    """Add `GET /journal/{stream}` to `routes`, for tokens with `scope`."""

    @routes.query("/journal/{stream}", scope=scope)
    async def read_trail(uow: UnitOfWork, stream: UUID, page: PageQuery) -> Reply[Page[TrailEntry]]:
        """Read the trail of one thing, oldest change first.

        It holds the written reasons, which never leave otherwise. Those of something erased cannot
        be read by anyone any more.
        """
        await _must_be_visible(uow, stream)
        after = page.after or (0, 0)
        rows = await uow.driver.fetch(TRAIL, stream, *after, page.fetch, MAX_BYTES)
        wrapped = await uow.driver.fetchval(KEY, stream)
        return Reply.page(
            Page.of(
                rows,
                page,
                key=lambda row: (row["epoch"], row["version"]),
                view=lambda row: _entry(uow, stream, wrapped, row),
                more=bool(rows) and rows[0]["found"] > len(rows),
            )
        )


async def _must_be_visible(uow: UnitOfWork, stream: UUID) -> None:
    """Raises NotFoundError, ForbiddenError for another country's or for a partner-bound token."""
    must_not_be_bound(uow.actor)
    last = await uow.driver.fetchrow(LAST_STATES, [stream])
    if last is None:
        raise NotFoundError("The journal knows no such thing.")
    if not is_visible(uow.actor, last["stream_type"], last["data"]):
        raise ForbiddenError("It lies outside the countries that your access covers.")


def _entry(uow: UnitOfWork, stream: UUID, wrapped: bytes | None, row: Any) -> TrailEntry:
    secrecy, private = opened(uow, stream, wrapped, row)
    return TrailEntry(
        id=row["id"],
        type=row["type"],
        sequence=str(Sequence(row["epoch"], row["version"])),
        occurred_at=row["occurred_at"],
        actor=row["actor"],
        reason=row["reason"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        position=row["position"],
        hash=None if row["hash"] is None else row["hash"].hex(),
        data=json.loads(row["data"]),
        secrecy=secrecy,
        private=private,
    )


def opened(
    uow: UnitOfWork, stream: UUID, wrapped: bytes | None, row: Any
) -> tuple[Secrecy, dict[str, Any] | None]:
    """The private part of `row` (its `id` and `private`); `wrapped`: the stream's key."""
    if row["private"] is None:
        return Secrecy.NONE, None
    if wrapped is None:
        return Secrecy.ERASED, None
    try:
        key = uow.envelope.unwrap(wrapped, stream.bytes)
        private = json.loads(uow.envelope.open(key, row["private"], row["id"].bytes))
    except UnreadableError:
        return Secrecy.UNREADABLE, None
    return Secrecy.OPEN, private
