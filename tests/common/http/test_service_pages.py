"""What every service shows besides its own: health, metrics, documentation, schemas, headers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jsonschema
import pytest

from common.http.health import health_app
from support import parcels
from support.api import Api, open_api, problem
from support.parcels import packed

MIGRATION = """
revision = "{revision}"
down_revision = {down!r}
"""


@pytest.fixture
async def migrated(
    post_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """The post service as a package with two migrations, which its database has had."""
    versions = tmp_path / "post" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "post" / "__init__.py").touch()
    (versions.parent / "env.py").touch()
    (versions / "0001.py").write_text(MIGRATION.format(revision="0001", down=None))
    (versions / "0002.py").write_text(MIGRATION.format(revision="0002", down="0001"))
    monkeypatch.syspath_prepend(tmp_path)
    async with open_api(parcels.SERVICE, post_url) as api:
        async with api.runtime.engine.connect() as db:
            await db.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
            await db.exec_driver_sql("INSERT INTO alembic_version VALUES ('0002')")
            await db.commit()
        yield api


async def test_a_process_that_runs_is_alive(api: Api) -> None:
    answer = await api.client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_worker_tells_its_health_and_its_numbers_and_nothing_else(migrated: Api) -> None:
    transport = httpx.ASGITransport(health_app(migrated.runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        answers = {
            path: (await client.get(path)).status_code
            for path in ("/livez", "/readyz", "/metrics", "/docs", "/v1/parcels", "/v1/events")
        }
    assert answers == {
        "/livez": 200,
        "/readyz": 200,
        "/metrics": 200,
        "/docs": 404,
        "/v1/parcels": 404,
        "/v1/events": 404,
    }


async def test_a_service_is_ready_when_its_database_is_in_date(migrated: Api) -> None:
    answer = await migrated.client.get("/readyz")
    assert answer.status_code == 200, answer.text


async def test_a_service_is_not_ready_while_it_drains(migrated: Api) -> None:
    migrated.runtime.draining = True
    answer = await migrated.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["draining"] == "this process is stopping"


async def schema_is_at(api: Api, revision: str) -> httpx.Response:
    """What readiness says when the database is at `revision`."""
    async with api.runtime.engine.connect() as db:
        await db.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        await db.commit()
    return await api.client.get("/readyz")


async def test_an_old_replica_stays_ready_while_a_newer_one_has_migrated(migrated: Api) -> None:
    answer = await schema_is_at(migrated, "0003")
    assert answer.status_code == 200, answer.text


async def test_a_service_is_not_ready_without_any_schema(migrated: Api) -> None:
    async with migrated.runtime.engine.connect() as db:
        await db.exec_driver_sql("DELETE FROM alembic_version")
        await db.commit()
    assert (await migrated.client.get("/readyz")).status_code == 503


async def test_a_service_is_not_ready_on_an_older_schema(migrated: Api) -> None:
    answer = await schema_is_at(migrated, "0001")
    assert answer.status_code == 503
    assert "run migrate" in answer.json()["checks"]["schema"]


async def test_a_service_is_not_ready_without_its_database(migrated: Api, post_url: str) -> None:
    nowhere = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    async with open_api(parcels.SERVICE, nowhere) as api:
        answer = await api.client.get("/readyz")
        assert answer.status_code == 503
        assert (await api.client.get("/livez")).status_code == 200
        problem(await api.get("/v1/parcels"), 503, "database_unavailable")


async def test_requests_are_measured_by_route_and_not_by_path(api: Api) -> None:
    made = await packed(api)
    await api.get(made.headers["Location"])
    await api.get("/v1/nothing/of/the/kind")
    text = (await api.client.get("/metrics")).text
    assert 'method="GET",route="/v1/parcels/{parcel_id}",status="200"' in text
    assert 'route="unmatched",status="404"' in text
    assert made.json()["id"] not in text


async def test_the_documentation_loads_nothing_from_elsewhere(api: Api) -> None:
    page = await api.client.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(loaded) == 3
    for path in loaded:
        assert (await api.client.get(path)).status_code == 200
        assert path.startswith("/docs/")


async def test_the_documentation_shows_this_service(api: Api) -> None:
    start = (await api.client.get("/docs/start.js")).text
    assert '"/openapi.json"' in start
    document = (await api.client.get("/openapi.json")).json()
    assert document["info"]["title"] == "Post"
    assert document["openapi"].startswith("3.1")


async def test_an_events_schema_is_found_where_the_event_says(api: Api) -> None:
    name = "int.iom.post.parcel.packed.v1"
    schema = (await api.client.get(f"/schemas/{name}.json")).json()
    jsonschema.Draft202012Validator.check_schema(schema)
    data = {
        "parcel": {"name": "a", "country": "BGD", "status": "packed", "worth": "1.00"},
        "change": {},
    }
    jsonschema.validate(data, schema)
    jsonschema.validate({**data, "more": 1}, schema)  # an additive change harms nobody
    with pytest.raises(jsonschema.ValidationError, match="worth"):
        jsonschema.validate({"parcel": {"name": "a"}, "change": {}}, schema)


async def test_an_event_that_is_not_ours_has_no_schema(api: Api) -> None:
    problem(await api.client.get("/schemas/int.iom.post.parcel.lost.v1.json"), 404, "not_found")


async def test_the_asyncapi_document_points_at_the_schemas(api: Api) -> None:
    document = (await api.client.get("/asyncapi.json")).json()
    message = document["components"]["messages"]["int.iom.post.parcel.sent.v1"]
    address = message["payload"]["schema"]["$ref"]
    assert (await api.client.get(address)).status_code == 200


async def test_every_answer_says_how_it_may_be_used(api: Api) -> None:
    for path in ("/v1/parcels", "/v1/nothing", "/livez"):
        headers = (await api.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "private, no-cache"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert len(headers["Trace-Id"]) == 32


# --- the OpenAPI --------------------------------------------------------------------------------


async def test_every_operation_names_its_scope_example_and_refusals(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) == 12
    for path, method, operation in operations:
        assert operation["operationId"]
        assert operation["tags"]
        assert operation["summary"]
        (scopes,) = (each["oauth2"] for each in operation["security"] if "oauth2" in each)
        assert len(scopes) == 1, path
        assert {"400", "401", "403", "422", "503"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            if status >= "400":
                assert set(response["content"]) == {"application/problem+json"}, (path, method)
    assert "HTTPValidationError" not in json.dumps(document)


async def test_a_commands_headers_and_refusals_are_described(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    send = document["paths"]["/v1/parcels/{parcel_id}/send"]["post"]
    required = {each["name"]: each["required"] for each in send["parameters"]}
    assert required == {"parcel_id": True, "Idempotency-Key": True, "If-Match": True}
    assert {"200", "404", "409", "412", "428"} <= send["responses"].keys()
    conflict = send["responses"]["409"]["content"]["application/problem+json"]["examples"]
    assert set(conflict) == {"already_sent", "idempotency_key_in_use"}
    pack = document["paths"]["/v1/parcels"]["post"]
    assert {"201"} == {status for status in pack["responses"] if status < "300"}
    assert {"Location", "ETag", "Idempotency-Replayed"} <= pack["responses"]["201"][
        "headers"
    ].keys()


async def test_only_what_has_a_version_promises_its_tag(api: Api) -> None:
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    with_tag = {
        operation["operationId"]
        for methods in paths.values()
        for operation in methods.values()
        if any("ETag" in each.get("headers", {}) for each in operation["responses"].values())
    }
    taken_to_have_one = {"stumble"}  # makes no answer that could be read
    assert with_tag == {"pack_parcel", "send_parcel", "read_parcel"} | taken_to_have_one
    conditional = {
        operation["operationId"]
        for methods in paths.values()
        for operation in methods.values()
        if "304" in operation["responses"]
        or any(each["name"] == "If-None-Match" for each in operation.get("parameters", []))
    }
    assert conditional == {"read_parcel"}


async def test_what_answers_by_itself_names_its_headers(api: Api) -> None:
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    answer = paths["/v1/events"]["get"]["responses"]["200"]
    assert set(answer["headers"]) == {"Journal-Position"}
