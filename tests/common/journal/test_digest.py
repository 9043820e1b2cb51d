"""Digests over HTTP: what an owner holds, in a line that its mirrors can compare."""

from __future__ import annotations

import hashlib

from common.db.driver import borrowed
from journal_kit import EDITOR, IDS, add, erase, rename, seal_everything
from support.api import Api, problem


async def test_a_digest_covers_the_newest_sealed_version_of_each_that_is_not_erased(
    api: Api,
) -> None:
    one, two, gone = await add(api, "one", "two", "gone")
    await api.units.run(lambda uow: rename(uow, one, "uno"), actor=EDITOR)
    await api.units.run(lambda uow: erase(uow, gone), actor=EDITOR)
    await seal_everything(api.runtime.engine, "unused")
    await api.units.run(lambda uow: rename(uow, two, "unsealed"), actor=EDITOR)
    lines = sorted([f"{one} 0001-0000000002\n", f"{two} 0001-0000000001\n"])
    answer = await api.get("/v1/events/digest?aggregate=thing")
    assert answer.json() == {
        "topic": "test.thing.v1",
        "count": 2,
        "digest": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "position": "1-5",
    }


async def test_a_digest_of_nothing_is_that_of_no_bytes(api: Api) -> None:
    answer = await api.get("/v1/events/digest?aggregate=thing")
    assert answer.json()["digest"] == hashlib.sha256(b"").hexdigest()
    assert answer.json()["count"] == 0


async def test_a_digest_of_an_unknown_aggregate_is_refused(api: Api) -> None:
    answer = await api.get("/v1/events/digest?aggregate=unicorn")
    assert answer.status_code == 422
    assert "thing" in answer.json()["detail"]


async def test_a_digest_leaves_out_what_was_erased_and_kept_its_row(api: Api) -> None:
    (gone,) = await add(api, "gone")
    await api.units.run(lambda uow: erase(uow, gone, keep_row=True), actor=EDITOR)
    await seal_everything(api.runtime.engine, "unused")
    assert (await api.get("/v1/events/digest?aggregate=thing")).json()["count"] == 0


async def test_an_erasure_that_is_not_sealed_yet_is_not_in_the_digest(api: Api) -> None:
    (gone,) = await add(api, "gone")
    await api.units.run(lambda uow: erase(uow, gone), actor=EDITOR)
    answer = (await api.get("/v1/events/digest?aggregate=thing")).json()
    line = f"{gone} 0001-0000000001\n"
    assert (answer["count"], answer["position"]) == (1, "1-1")
    assert answer["digest"] == hashlib.sha256(line.encode()).hexdigest()


async def test_a_digest_is_of_what_the_owner_holds_itself(api: Api) -> None:
    await add(api, "one", "two")
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("DELETE FROM thing WHERE name = 'one'")  # behind the journal's back
    assert (await api.get("/v1/events/digest?aggregate=thing")).json()["count"] == 1


async def test_a_digest_is_not_for_a_token_bound_to_a_partner(api: Api) -> None:
    headers = api.token("test.events.read", partner=str(IDS.new()))
    answer = await api.get("/v1/events/digest?aggregate=thing", headers=headers)
    problem(answer, 403, "forbidden")
