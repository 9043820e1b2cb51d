"""Idempotency keys: carried out once, answered alike, however and wherever it is sent again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from common.actor import Actor
from common.clock import SetClock
from common.http.idempotency import (
    Key,
    KeyInUseError,
    attempt,
    fingerprint,
    forget_expired,
)
from common.http.replies import Answer
from common.uow import UnitOfWork
from support import parcels
from support.api import NOON, Api, open_api, problem
from support.parcels import PACKING, count, packed


async def pack(api: Api, key: str, **options: Any) -> httpx.Response:
    headers = {**options.pop("headers", {}), "Idempotency-Key": key}
    return await api.post("/v1/parcels", json={**PACKING, **options}, headers=headers)


async def test_a_retry_gets_the_same_bytes_and_says_that_it_is_a_replay(api: Api) -> None:
    first, second = await pack(api, "k"), await pack(api, "k")
    assert second.status_code == first.status_code == 201
    assert second.content == first.content
    for header in ("ETag", "Location", "Content-Type"):
        assert second.headers[header] == first.headers[header]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await count(api) == 1


async def test_a_retry_that_is_only_spelt_differently_is_the_same_request(api: Api) -> None:
    await pack(api, "k")
    spelt = {"worth": "120.00", "name": "  Blankets ", "currency": "USD", "country": "BGD"}
    answer = await api.post("/v1/parcels", json=spelt, headers={"Idempotency-Key": "k"})
    assert answer.headers["Idempotency-Replayed"] == "true"


async def test_another_process_replays_what_this_one_did_before_it_died(post_url: str) -> None:
    async with open_api(parcels.SERVICE, post_url) as one:
        first = await pack(one, "k")
    async with open_api(parcels.SERVICE, post_url) as another:
        second = await pack(another, "k")
    assert second.content == first.content
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_nothing_is_remembered_of_a_change_that_was_not_committed(
    api: Api, post_url: str
) -> None:
    """The process dies after the change and its answer are written, before the commit."""
    await api.post("/v1/stumble", json={"count": 1}, headers={"Idempotency-Key": "k"})
    assert await count(api, "idempotency") == 0


async def test_other_input_under_a_used_key_is_refused(api: Api) -> None:
    await pack(api, "k")
    answer = await pack(api, "k", name="Tents")
    document = problem(answer, 422, "idempotency_key_reused")
    assert document["errors"][0]["pointer"] == "header:Idempotency-Key"
    assert await count(api) == 1


async def test_a_key_belongs_to_its_subject(api: Api) -> None:
    await pack(api, "k")
    answer = await pack(api, "k", name="Tents", headers=api.token(subject="bilal"))
    assert answer.status_code == 201


async def test_a_key_belongs_to_its_operation(api: Api) -> None:
    made = await pack(api, "k")
    answer = await api.post(
        f"{made.headers['Location']}/send",
        headers={"Idempotency-Key": "k", "If-Match": made.headers["ETag"]},
    )
    assert answer.status_code == 200


async def test_what_moves_money_needs_a_key(api: Api) -> None:
    made = await packed(api)
    answer = await api.post(
        f"{made.headers['Location']}/send", headers={"If-Match": made.headers["ETag"]}
    )
    problem(answer, 400, "idempotency_key_missing")


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "tab\t", "é"])
async def test_a_key_is_visible_ascii_of_bounded_length(api: Api, key: str) -> None:
    answer = await api.client.post(
        "/v1/parcels",
        json=PACKING,
        headers={
            b"Authorization": api.token()["Authorization"].encode(),
            b"Idempotency-Key": key.encode("latin-1"),
        },
    )
    problem(answer, 400, "idempotency_key_malformed")


async def test_of_fifty_at_once_one_is_carried_out(post_url: str) -> None:
    async with (
        open_api(parcels.SERVICE, post_url) as one,
        open_api(parcels.SERVICE, post_url) as two,
    ):
        answers = await asyncio.gather(*(pack((one, two)[n % 2], "k") for n in range(50)))
        assert await count(one) == await count(one, "journal") == 1
    fresh = [each for each in answers if each.status_code == 201]
    assert sum("Idempotency-Replayed" not in each.headers for each in fresh) == 1
    assert len({each.content for each in fresh}) == 1
    for each in answers:
        if each.status_code != 201:
            problem(each, 409, "idempotency_key_in_use")
            assert each.headers["Retry-After"] == "1"


async def test_a_key_that_is_being_used_does_not_wait_for_it(api: Api, post_url: str) -> None:
    """A second INSERT would block until the first commits, and so drain the pool."""
    held = attempt("k", Key.OPTIONAL, Actor("amina", human=True), "pack_parcel", {})
    assert held is not None

    async def hold(uow: UnitOfWork) -> httpx.Response:
        assert await held.claim(uow) is None
        return await pack(api, "k")

    answer = await api.units.run(hold, actor=Actor("amina", human=True))
    problem(answer, 409, "idempotency_key_in_use")


async def test_a_replay_comes_before_if_match_is_looked_at(api: Api) -> None:
    made = await packed(api)
    send = f"{made.headers['Location']}/send"
    headers = {"Idempotency-Key": "k", "If-Match": made.headers["ETag"]}
    first = await api.post(send, headers=headers)
    assert first.status_code == 200
    for again in (headers, {"Idempotency-Key": "k"}):  # the version has moved on by ourselves
        second = await api.post(send, headers=again)
        assert (second.status_code, second.content) == (200, first.content)


# --- refusals -----------------------------------------------------------------------------------


async def test_a_refusal_is_remembered_even_when_its_cause_is_gone(api: Api) -> None:
    await packed(api)
    first = await pack(api, "k")
    problem(first, 409, "name_taken")
    async with api.runtime.engine.connect() as db:
        await db.execute(text("DELETE FROM parcel"))
        await db.commit()
    second = await pack(api, "k")
    assert second.content == first.content
    assert second.headers["Content-Type"] == "application/problem+json"
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_refusal_that_rests_on_another_service_is_not_remembered(api: Api) -> None:
    for _ in range(2):
        answer = await pack(api, "k", name="For the suspended")
        problem(answer, 409, "partner_not_eligible")
        assert "Idempotency-Replayed" not in answer.headers
    assert await count(api, "idempotency") == 0


async def test_missing_rights_are_not_remembered(api: Api) -> None:
    answer = await pack(api, "k", headers=api.token(countries=["CHE"]))
    problem(answer, 403, "forbidden")
    assert (await pack(api, "k")).status_code == 201


async def test_a_stale_or_missing_version_is_not_remembered(api: Api) -> None:
    made = await packed(api)
    send = f"{made.headers['Location']}/send"
    key = {"Idempotency-Key": "k"}
    problem(await api.post(send, headers=key), 428, "precondition_required")
    stale = {**key, "If-Match": '"0001-0000000009"'}
    problem(await api.post(send, headers=stale), 412, "stale_version")
    right = {**key, "If-Match": made.headers["ETag"]}
    assert (await api.post(send, headers=right)).status_code == 200


async def test_what_is_not_there_is_not_remembered(api: Api) -> None:
    send = "/v1/parcels/0199aaaa-0000-7000-8000-000000000000/send"
    headers = {"Idempotency-Key": "k", "If-Match": '"0001-0000000001"'}
    problem(await api.post(send, headers=headers), 404, "not_found")
    assert await count(api, "idempotency") == 0


async def test_an_error_of_ours_is_not_remembered(api: Api) -> None:
    answer = await api.post("/v1/stumble", json={"count": 1}, headers={"Idempotency-Key": "k"})
    problem(answer, 500, "internal_error")
    assert await count(api, "idempotency") == 0


async def test_what_stands_by_now_answers_for_a_refusal_that_comes_late(api: Api) -> None:
    """Between the refusal's rollback and its being stored, a retry succeeded: its answer counts."""
    actor = Actor("amina", human=True)
    tried = attempt("k", Key.OPTIONAL, actor, "pack_parcel", {"n": 1})
    assert tried is not None

    async def succeed(uow: UnitOfWork) -> None:
        await tried.store(uow, Answer(201, b"{}"))

    async def refuse(uow: UnitOfWork) -> Answer:
        return await tried.store_refusal(uow, Answer(409, b'{"code":"late"}'))

    await api.units.run(succeed, actor=actor)
    assert (await api.units.run(refuse, actor=actor)).body == b"{}"


# --- rights, on every retry ---------------------------------------------------------------------


async def test_a_replay_needs_the_scope_again(api: Api) -> None:
    await pack(api, "k")
    answer = await pack(api, "k", headers=api.token(parcels.READ))
    problem(answer, 403, "missing_scope")


@pytest.mark.parametrize(
    "then, now, replayed",
    [
        (["BGD"], ["BGD"], True),
        (["BGD"], ["BGD", "CHE"], True),
        (["BGD"], ["*"], True),
        (["BGD", "CHE"], ["BGD"], False),
        (["*"], ["BGD"], False),
        (["BGD"], [], False),
    ],
)
async def test_a_replay_needs_no_less_reach_than_the_first(
    api: Api, then: list[str], now: list[str], replayed: bool
) -> None:
    await pack(api, "k", headers=api.token(countries=then))
    answer = await pack(api, "k", headers=api.token(countries=now))
    if replayed:
        assert answer.headers["Idempotency-Replayed"] == "true"
    else:
        problem(answer, 403, "authority_narrowed")


# --- how long -----------------------------------------------------------------------------------


async def test_an_ordinary_key_is_free_again_after_some_days(post_url: str) -> None:
    clock = SetClock(NOON)
    async with open_api(parcels.SERVICE, post_url, clock=clock) as api:
        await pack(api, "k")
        clock.advance(timedelta(days=4))
        answer = await pack(api, "k", name="Tents")
        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer.headers


async def test_a_money_key_is_never_forgotten(post_url: str) -> None:
    clock = SetClock(NOON)
    async with open_api(parcels.SERVICE, post_url, clock=clock) as api:
        made = await packed(api)
        send = f"{made.headers['Location']}/send"
        headers = {"Idempotency-Key": "k", "If-Match": made.headers["ETag"]}
        first = await api.post(send, headers=headers)
        clock.advance(timedelta(days=3000))
        assert await api.units.run(forget_expired, actor=Actor.system("post")) == 0
        second = await api.post(send, headers=headers)
        assert second.content == first.content


async def test_expired_answers_are_swept_in_bounded_steps(post_url: str) -> None:
    clock = SetClock(NOON)
    async with open_api(parcels.SERVICE, post_url, clock=clock) as api:
        for n in range(3):
            await pack(api, f"k{n}", name=f"Parcel {n}")
        clock.advance(timedelta(days=4))
        system = Actor.system("post")
        assert await api.units.run(lambda uow: forget_expired(uow, 2), actor=system) == 2
        assert await api.units.run(lambda uow: forget_expired(uow, 2), actor=system) == 1


# --- the race that a single look-up loses -------------------------------------------------------


async def test_an_answer_committed_just_before_the_lock_is_seen(api: Api, post_url: str) -> None:
    """The claim looks after it has the lock, not with a snapshot from before.

    The second claim is held up between its start and its lock by a function in its way.
    """
    actor = Actor("amina", human=True)
    tried = attempt("k", Key.OPTIONAL, actor, "pack_parcel", {"n": 1})
    assert tried is not None
    other = await asyncpg.connect(post_url.replace("postgresql+asyncpg", "postgresql"))
    try:
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE idempotency IN ACCESS EXCLUSIVE MODE")
        await other.execute(
            "INSERT INTO idempotency VALUES ('amina', 'pack_parcel', 'k', $1, '* *', 201, '{}', "
            "NULL, NULL, now(), NULL)",
            tried.fingerprint,
        )

        async def claim(uow: UnitOfWork) -> Answer | None:
            return await tried.claim(uow)

        claiming = asyncio.create_task(api.units.run(claim, actor=actor))
        await _until_somebody_waits(other)
        await other.execute("COMMIT")
        answer = await claiming
        assert answer is not None
        assert answer.body == b"{}"
    finally:
        await other.close()


async def test_two_that_both_saw_nothing_end_with_one_change(api: Api) -> None:
    """Were the lock lost, the unique row decides: the second runs again and finds the answer."""
    actor = Actor("amina", human=True)
    tried = attempt("k", Key.OPTIONAL, actor, "pack_parcel", {"n": 1})
    assert tried is not None
    seen: list[Answer | None] = []

    async def without_the_lock(uow: UnitOfWork) -> Answer:
        standing = None if not seen else await tried.claim(uow)
        seen.append(standing)
        if standing is not None:
            return standing
        await tried.store(uow, Answer(201, b"second"))
        return Answer(201, b"second")

    async def first(uow: UnitOfWork) -> None:
        await tried.store(uow, Answer(201, b"first"))

    await api.units.run(first, actor=actor)
    assert (await api.units.run(without_the_lock, actor=actor)).body == b"first"
    assert len(seen) == 2


async def _until_somebody_waits(driver: Any) -> None:
    for _ in range(500):
        if await driver.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the table")


# --- fingerprints -------------------------------------------------------------------------------


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_a_fingerprint_does_not_depend_on_the_order_of_members(given_: dict[str, Any]) -> None:
    backwards = dict(reversed(list(given_.items())))
    assert fingerprint({"body": given_}) == fingerprint({"body": backwards})


def test_a_secret_counts_in_a_fingerprint() -> None:
    from pydantic import BaseModel, SecretStr

    class Account(BaseModel):
        number: SecretStr

    one, two = (Account(number=SecretStr(number)) for number in ("1", "2"))
    assert fingerprint({"body": one}) != fingerprint({"body": two})


def test_a_taken_key_is_a_passing_trouble() -> None:
    assert KeyInUseError.transient
