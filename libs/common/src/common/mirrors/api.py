"""`GET /v1/mirrors`: how old our copies of other services' state are, and what waits beside
them.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from common.http import Reply, Routes
from common.journal.visible import must_not_be_bound
from common.mirrors.age import Stale, mirror_age
from common.mirrors.mirror import Mirror, Reaction
from common.mirrors.rows import quoted
from common.models import PublicModel
from common.uow import UnitOfWork

if TYPE_CHECKING:
    from common.service import Service


_EXAMPLE: JsonDict = {
    "name": "partners",
    "topic": "registry.partner.v1",
    "rows": 1840,
    "age_seconds": "1.204",
    "problem": None,
    "watermark_epoch": 1,
    "watermark_position": 90211,
    "unreadable": 0,
    "parked": 0,
    "due": 2,
    "refused": 0,
    "digest": None,
}


class MirrorView(PublicModel):
    """One mirror: its age, its rows, and what keeps it from being complete."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str
    topic: str
    rows: int = Field(description="without those that the owner erased")
    age_seconds: Decimal | None = Field(
        description="age of the worst partition; null while one was never heard of"
    )
    problem: Stale | None = Field(
        description="why decisions that rest on it are refused, if they are"
    )
    watermark_epoch: int | None = Field(description="of the partition that is furthest behind")
    watermark_position: int | None = Field(
        description="the owner's journal position up to which everything is here"
    )
    unreadable: int = Field(
        description="rows whose last event could not be read: they count as closed"
    )
    parked: int = Field(description="records that cannot be read and are not superseded")
    due: int = Field(description="reactions still to be run")
    refused: int = Field(description="those of them whose last run ended in an error")
    digest: str | None = Field(
        description='SHA-256 over "id sequence\\n" of each row, in the order of the ids'
    )


class MirrorsView(PublicModel):
    """The mirrors of this service."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mirrors": [_EXAMPLE]}]})

    mirrors: tuple[MirrorView, ...]


_DIGEST = Annotated[
    bool, Query(description="also compute the digest, which reads every row of every mirror")
]


def mirror_routes(
    service: "Service", *, max_age_seconds: float = 60.0, skew_seconds: float = 5.0
) -> Routes:
    """The routes of `service`'s mirrors. `max_age_seconds`: from when on a mirror is too old."""
    routes = Routes(tag="mirrors", prefix="/v1")

    @routes.query("/mirrors", scope=f"{service.name}.mirrors.read")
    async def list_mirrors(uow: UnitOfWork, digest: _DIGEST = False) -> Reply[MirrorsView]:
        """Show our copies of other services' state.

        Decisions that move money are refused on a mirror that is too old or that cannot tell its
        age; `problem` names why. Parked records and unreadable rows wait for a newer event or for
        the `redrive` command; due reactions are run by the worker.

        Two services agree when the owner's digest of its own rows is the same as the one here.
        """
        if digest:
            must_not_be_bound(uow.actor)
        views = []
        for mirror in service.mirrors:
            age = await mirror_age(uow, mirror, skew_seconds=skew_seconds)
            figures = await _figures(uow.driver, mirror, service.reactions)
            views.append(
                MirrorView(
                    name=mirror.name,
                    topic=mirror.topic,
                    age_seconds=age.seconds,
                    problem=age.problem(max_age_seconds),
                    digest=await mirror_digest(uow.driver, mirror) if digest else None,
                    **figures,
                )
            )
        return Reply.ok(MirrorsView(mirrors=tuple(views)))

    return routes


async def mirror_digest(driver: Any, mirror: Mirror) -> str:
    """SHA-256, in hexadecimal, over `id sequence\\n` of the rows not gone, sorted by id."""
    return str(
        await driver.fetchval(
            "SELECT encode(sha256(coalesce(string_agg("  # noqa: S608 - the table's name is ours
            "convert_to(id::text || ' ' || sequence || E'\\n', 'UTF8'), ''::bytea ORDER BY id), "
            f"''::bytea)), 'hex') FROM {quoted(mirror.table.name)} WHERE NOT gone"
        )
    )


async def _figures(driver: Any, mirror: Mirror, reactions: tuple[Reaction, ...]) -> dict[str, Any]:
    row = await driver.fetchrow(
        f"""
        SELECT (SELECT count(*) FROM {quoted(mirror.table.name)} WHERE NOT gone) AS rows,
               (SELECT count(*) FROM {quoted(mirror.table.name)} WHERE NOT readable) AS unreadable,
               (SELECT count(*) FROM parked WHERE resolved_at IS NULL AND topic = $1) AS parked,
               (SELECT count(*) FROM reaction_due WHERE reaction = ANY($2::text[])) AS due,
               (SELECT count(error) FROM reaction_due WHERE reaction = ANY($2::text[])) AS refused,
               behind.watermark_epoch, behind.watermark_position
        FROM (SELECT 1) AS one LEFT JOIN (
            SELECT watermark_epoch, watermark_position FROM mirror_partition
            WHERE topic = $1 AND watermark_at IS NOT NULL
            ORDER BY watermark_epoch, watermark_position LIMIT 1
        ) AS behind ON true
        """,  # noqa: S608 - the table's name is ours
        mirror.topic,
        [reaction.name for reaction in reactions if reaction.mirror is mirror],
    )
    return dict(row)
