"""Parked records tried again, by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import Field
from typer.testing import CliRunner

from common.cli import command_line
from common.db.driver import borrowed
from common.mirrors.mirror import Mirror
from common.mirrors.redrive import Redriven, dismiss_on, redrive_on
from common.models import ReadingModel
from journal_kit import SERVICE
from mirror_kit import (
    THINGS,
    WATCH,
    A,
    B,
    Log,
    Said,
    broken,
    due,
    event,
    everything,
    parked,
    seq,
    standing,
)


class OldThing(ReadingModel):
    """A reading model that asks for more than the owner promises: the mistake to be mended."""

    name: str
    eligible: bool
    amount: str = Field(min_length=100)


STRICT: Mirror = replace(THINGS, model=OldThing)


async def park_by_mistake(log: Log, *said: Said) -> None:
    """Feed `said` to a program that cannot read it."""
    await Log(log.engine, mirrors=(STRICT,)).feed(*said)


async def again(log: Log) -> Redriven:
    return await redrive_on(log.engine, (THINGS,), (WATCH,))


async def test_a_record_that_can_be_read_now_heals_its_row(log: Log) -> None:
    await park_by_mistake(log, event(A, 3, name="healed"))
    assert await standing(log.engine) == (seq(3), False, False)
    assert await again(log) == Redriven(tried=1, healed=1, left=0)
    rows = (await everything(log.engine))["rows"]
    assert [(each["name"], each["readable"]) for each in rows] == [("healed", True)]
    assert await parked(log.engine) == [(0, "redriven")]


async def test_a_healed_row_is_due(log: Log) -> None:
    await park_by_mistake(log, event(A, 3))
    await due(log.engine, take=True)
    await again(log)
    assert await due(log.engine) == [A]


async def test_a_record_that_still_cannot_be_read_stays_and_keeps_its_row_closed(log: Log) -> None:
    await log.feed(broken(A, 3))
    assert await again(log) == Redriven(tried=1, healed=0, left=1)
    assert await standing(log.engine) == (seq(3), False, False)
    assert await parked(log.engine) == [(0, None)]


async def test_a_redriven_record_does_not_overwrite_a_newer_row(log: Log) -> None:
    await park_by_mistake(log, event(A, 3, name="old"))
    async with borrowed(log.engine) as driver:  # as if the newer one had come by another way
        await driver.execute(
            "UPDATE thing_seen SET sequence = $1, readable = true, name = 'new'", seq(9)
        )
    await again(log)
    assert [each["name"] for each in (await everything(log.engine))["rows"]] == ["new"]


async def test_a_later_record_that_cannot_be_read_keeps_the_row_closed(log: Log) -> None:
    await park_by_mistake(log, event(A, 3), broken(A, 4))
    assert await again(log) == Redriven(tried=2, healed=0, left=2)
    assert await standing(log.engine) == (seq(4), False, False)


async def test_the_last_record_of_a_key_settles_those_before_it(log: Log) -> None:
    await park_by_mistake(log, event(A, 3), event(A, 4))
    await again(log)
    assert await standing(log.engine) == (seq(4), True, False)
    assert all(resolution for _, resolution in await parked(log.engine))


async def test_more_records_than_a_page_are_all_tried(log: Log) -> None:
    said = [event(B, number + 1) for number in range(230)]
    await park_by_mistake(log, *said)
    assert (await again(log)).tried == 230
    assert await standing(log.engine, B) == (seq(230), True, False)


async def test_headers_come_back_as_they_were(log: Log) -> None:
    good = event(A, 3)
    odd = replace(good, headers=(*good.headers, ("x-odd", b"\xff\x00"), ("x-odd", b"")))
    await park_by_mistake(log, odd)
    assert (await again(log)).healed == 1


async def test_a_record_without_an_id_can_be_dismissed(log: Log) -> None:
    await log.feed(Said(b"nonsense", b"x"))
    async with borrowed(log.engine) as driver:
        assert await dismiss_on(driver, *log.place, 0) is True
    assert await parked(log.engine) == [(0, "dismissed")]
    await log.replay()
    assert await parked(log.engine) == [(0, "dismissed")]


@pytest.mark.parametrize("version", [None, 3])
async def test_a_record_that_keeps_a_row_closed_cannot_be_dismissed(
    log: Log, version: int | None
) -> None:
    await log.feed(broken(A, version))
    async with borrowed(log.engine) as driver:
        assert await dismiss_on(driver, *log.place, 0) is False


# --- by the command line ------------------------------------------------------------------------


@pytest.fixture
def cared_for(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `redrive` with these words; its exit code and what it printed."""
    for name, value in {
        "TEST_PROFILE": "development",
        "TEST_DATABASE_URL": scratch_database,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    app = command_line(replace(SERVICE, mirrors=(THINGS,), reactions=(WATCH,)))

    async def run(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["redrive", *words])
        return result.exit_code, result.output

    return run


async def test_the_command_names_what_is_left_and_dismisses_what_closes_no_row(
    log: Log, cared_for: Callable[..., Any]
) -> None:
    await log.feed(Said(b"nonsense", b"x"), broken(A, 3))
    topic, number = log.place
    code, said = await cared_for()
    assert code == 0
    assert "0 healed, 2 still unreadable" in said
    assert f"{topic} {number} 0 closes no row: " in said
    assert f"{topic} {number} 1 keeps {A} closed: " in said
    code, said = await cared_for("--dismiss", topic, str(number), "0")
    assert (code, said.splitlines()[0]) == (0, "dismissed")
    assert await parked(log.engine) == [(0, "dismissed"), (1, None)]


async def test_the_command_does_not_dismiss_what_keeps_a_row_closed(
    log: Log, cared_for: Callable[..., Any]
) -> None:
    await log.feed(broken(A, 3))
    code, said = await cared_for("--dismiss", log.place[0], str(log.place[1]), "0")
    assert code == 2
    assert "no open record without an id" in said
    assert await parked(log.engine) == [(0, None)]
