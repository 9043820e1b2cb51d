"""`GET /v1/mirrors`, over the real app."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic_settings import SettingsConfigDict

from common.aggregate import PARTITIONS
from common.clock import SetClock
from common.service import Service
from common.settings import CommonSettings
from mirror_kit import THINGS, WATCH, A, B, C, Log, Said, broken, erased, event, seq, watermark
from support.api import NOON, Api, open_api, problem


class FollowerSettings(CommonSettings):
    model_config = SettingsConfigDict(env_prefix="TESTER_")


TESTER = Service(
    name="tester",
    title="Tester",
    description="Follows things.",
    settings=FollowerSettings,
    aggregates=(),
    scopes={},
    routes=(),
    mirrors=(THINGS,),
    reactions=(WATCH,),
)


@pytest.fixture
async def api(log: Log, scratch_database: str) -> AsyncIterator[Api]:
    async with open_api(TESTER, scratch_database, clock=SetClock(NOON)) as opened:
        yield opened


async def shown(api: Api, **query: Any) -> dict[str, Any]:
    answer = await api.get("/v1/mirrors", params=query)
    assert answer.status_code == 200, answer.text
    (mirror,) = answer.json()["mirrors"]
    return dict(mirror)


def noon(position: int) -> Said:
    return watermark(position, publisher=NOON - timedelta(seconds=2), broker=NOON)


async def test_a_mirror_never_heard_of_says_so(api: Api) -> None:
    mirror = await shown(api)
    assert (mirror["age_seconds"], mirror["problem"]) == (None, "never_heard")
    assert (mirror["rows"], mirror["watermark_position"]) == (0, None)


async def test_it_shows_age_rows_and_what_waits(api: Api, log: Log) -> None:
    for number in range(PARTITIONS):
        await Log(log.engine, partition=number).feed(noon(90 - number))
    await Log(log.engine, said=[noon(90)]).feed(
        event(A, 1), event(B, 1), erased(B, 2), broken(C, 1)
    )
    mirror = await shown(api)
    assert mirror == {
        "name": "things",
        "topic": "owner.thing.v1",
        "rows": 2,
        "age_seconds": "2.000000",
        "problem": None,
        "watermark_epoch": 1,
        "watermark_position": 85,
        "unreadable": 1,
        "parked": 1,
        "due": 3,
        "refused": 0,
        "digest": None,
    }


async def test_the_digest_is_over_the_ids_and_sequences_of_what_is_not_gone(
    api: Api, log: Log
) -> None:
    await log.feed(event(B, 7), event(A, 2), event(C, 1), erased(C, 2))
    text = f"{A} {seq(2)}\n{B} {seq(7)}\n"
    assert (await shown(api, digest=True))["digest"] == hashlib.sha256(text.encode()).hexdigest()


async def test_the_digest_of_nothing_is_that_of_an_empty_text(api: Api) -> None:
    assert (await shown(api, digest=True))["digest"] == hashlib.sha256(b"").hexdigest()


async def test_it_needs_its_own_scope(api: Api) -> None:
    answer = await api.get("/v1/mirrors", headers=api.token("tester.events.read"))
    problem(answer, 403, "missing_scope")


async def test_the_digest_is_not_for_a_token_bound_to_a_partner(api: Api) -> None:
    headers = api.token(partner=UUID(int=7))
    assert (await api.get("/v1/mirrors", headers=headers)).status_code == 200
    assert (await api.get("/v1/mirrors?digest=true", headers=headers)).status_code == 403
