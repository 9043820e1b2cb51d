"""A change over HTTP: what a 2xx means, what a refusal leaves behind, and what it costs."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from support import parcels
from support.api import Api, open_api, problem
from support.parcels import PACKING, count, packed
from support.statements import counted


async def test_a_created_thing_is_found_at_its_location_with_its_etag(api: Api) -> None:
    made = await packed(api)
    found = await api.get(made.headers["Location"])
    assert found.json() == made.json()
    assert found.headers["ETag"] == made.headers["ETag"] == '"0001-0000000001"'


async def test_a_change_is_recorded_with_the_trace_of_its_request(api: Api) -> None:
    story = "0af7651916cd43dd8448eb211c80319c"
    answer = await api.post(
        "/v1/parcels",
        json=PACKING,
        headers={"traceparent": f"00-{story}-b7ad6b7169203331-01"},
    )
    assert answer.headers["Trace-Id"] == story
    async with api.runtime.engine.connect() as db:
        row = (await db.execute(text("SELECT correlation_id, traceparent FROM journal"))).one()
    assert row.correlation_id == story
    assert row.traceparent.startswith(f"00-{story}-")
    assert "b7ad6b7169203331" not in row.traceparent  # a step of our own


async def test_a_refusal_writes_nothing(api: Api) -> None:
    await packed(api)
    refused = await api.post("/v1/parcels", json=PACKING)
    document = problem(refused, 409, "name_taken")
    assert document["name"] == "Blankets"  # the facts it rests on
    assert await count(api) == await count(api, "journal") == 1


async def test_an_unexpected_error_tells_nothing_of_our_insides(api: Api) -> None:
    document = problem(await api.post("/v1/stumble", json={"count": 1}), 500, "internal_error")
    assert len(document["trace_id"]) == 32
    assert "4711" not in str(document)


async def test_an_unexpected_error_is_logged_with_its_trace(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await api.post("/v1/stumble", json={"count": 1})
    printed = "".join(capsys.readouterr())
    assert "the secret is 4711" in printed
    assert "request_failed" in printed
    assert answer.json()["trace_id"] == answer.headers["Trace-Id"]


# --- versions -----------------------------------------------------------------------------------


async def test_a_change_without_if_match_is_asked_for_one(api: Api) -> None:
    made = await packed(api)
    answer = await api.delete(made.headers["Location"])
    problem(answer, 428, "precondition_required")


@pytest.mark.parametrize(
    "if_match, status, code",
    [
        ('"0001-0000000001"', 204, None),
        (' "0001-0000000001" ', 204, None),
        ('W/"0001-0000000001"', 412, "stale_version"),
        ('"another-tag"', 412, "stale_version"),
        ('"0001-0000000000"', 412, "stale_version"),
        ("0001-0000000001", 400, "malformed"),
        ('"0001-0000000001", "0001-0000000002"', 400, "malformed"),
        ("*", 400, "malformed"),
        ("", 400, "malformed"),
    ],
)
async def test_if_match_takes_one_strong_tag(
    api: Api, if_match: str, status: int, code: str | None
) -> None:
    made = await packed(api)
    answer = await api.delete(made.headers["Location"], headers={"If-Match": if_match})
    assert answer.status_code == status
    if code is not None:
        problem(answer, status, code)


async def test_a_decision_on_an_old_version_is_refused(api: Api) -> None:
    made = await packed(api)
    send = f"{made.headers['Location']}/send"
    first = {"If-Match": made.headers["ETag"], "Idempotency-Key": "one"}
    assert (await api.post(send, headers=first)).headers["ETag"] == '"0001-0000000002"'
    second = {"If-Match": made.headers["ETag"], "Idempotency-Key": "two"}
    document = problem(await api.post(send, headers=second), 412, "stale_version")
    assert document["present"] == "0001-0000000002"


# --- what it costs ------------------------------------------------------------------------------


async def test_a_change_costs_its_own_statements_and_begin_and_commit(api: Api) -> None:
    await packed(api)
    async with counted(api.runtime.engine) as statements:
        await packed(api, name="Tents")
    assert len(statements) == 4, statements  # BEGIN, parcel, journal, COMMIT


async def test_an_idempotency_key_adds_two_statements(api: Api) -> None:
    await api.post("/v1/parcels", json=PACKING, headers={"Idempotency-Key": "a"})
    async with counted(api.runtime.engine) as statements:
        answer = await api.post(
            "/v1/parcels", json={**PACKING, "name": "Tents"}, headers={"Idempotency-Key": "b"}
        )
    assert answer.status_code == 201
    assert len(statements) == 6, statements


async def test_a_read_is_one_statement_and_no_transaction(api: Api) -> None:
    made = await packed(api)
    async with counted(api.runtime.engine) as statements:
        await api.get(made.headers["Location"])
    assert len(statements) == 1, statements


# --- what the database asks for -----------------------------------------------------------------


async def test_a_command_runs_again_when_the_database_asks_for_it(api: Api, post_url: str) -> None:
    """The first two inserts of a parcel fail as a serialisation failure would."""
    async with api.runtime.engine.connect() as db:
        await db.execute(text("CREATE SEQUENCE tries"))
        await db.execute(
            text(
                "CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF nextval('tries') < 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; "
                "END IF; RETURN NEW; END $$"
            )
        )
        await db.execute(
            text(
                "CREATE TRIGGER fail_twice BEFORE INSERT ON parcel "
                "FOR EACH ROW EXECUTE FUNCTION fail_twice()"
            )
        )
        await db.commit()
    before = parcels.runs
    await packed(api)
    assert parcels.runs - before == 3
    assert await count(api) == 1


async def test_an_exhausted_pool_is_unavailable_and_says_when_to_retry(
    post_url: str,
) -> None:
    async with open_api(
        parcels.SERVICE, post_url, database_pool_size=1, database_pool_timeout_seconds=0.05
    ) as api:
        async with api.runtime.engine.connect():
            answer = await api.get("/v1/parcels/0199aaaa-0000-7000-8000-000000000000")
        problem(answer, 503, "busy")
        assert answer.headers["Retry-After"] == "1"
