"""The three OpenAPI documents: whole, valid, and with an example, a scope and every refusal."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from common.http.app import describe, scopes_of
from common.service import Service

SERVICES = ("registry", "disbursement", "coordination")
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    found: Service = importlib.import_module(f"{request.param}.service").SERVICE
    return found


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    return describe(service).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_operation_has_a_scope_that_is_explained(
    service: Service, document: dict[str, Any]
) -> None:
    for name, operation in operations(document):
        (needed,) = [each["oauth2"] for each in operation["security"] if "oauth2" in each]
        assert set(needed) <= set(scopes_of(service)), name
    flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
    assert all(flows["clientCredentials"]["scopes"].values())


def test_every_operation_has_a_tag_and_a_sentence(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert len(operation["tags"]) == 1, name
        assert operation["summary"], name


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        refusals = {s: r for s, r in operation["responses"].items() if s >= "400"}
        assert {"400", "401", "403", "422", "503"} <= refusals.keys(), name
        for status, response in refusals.items():
            assert set(response["content"]) == {"application/problem+json"}, (name, status)
            assert response["content"]["application/problem+json"]["examples"], (name, status)


def test_changes_of_a_thing_need_the_version_decided_on(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if name.startswith(("PATCH", "PUT")):
            assert {"412", "428"} <= operation["responses"].keys(), name


def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if name.startswith("POST"):
            headers = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
            assert "Idempotency-Key" in headers, name


def test_every_body_and_answer_has_an_example_that_fits(document: dict[str, Any]) -> None:
    wrong = []
    for name, operation in operations(document):
        for label, content in _contents(operation):
            schema = content.get("schema", {})
            examples = _examples(document, content, schema)
            if not examples and _is_model(document, schema):
                wrong.append(f"{name} {label}: no example")
            for example in examples:
                wrong += [f"{name} {label}: {each}" for each in _misfits(document, schema, example)]
    assert not wrong, "\n".join(wrong)


def _contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    body = operation.get("requestBody", {}).get("content", {})
    yield from (("body", content) for kind, content in body.items() if kind.endswith("json"))
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            if kind == "application/json":
                yield status, content


def _examples(
    document: dict[str, Any], content: dict[str, Any], schema: dict[str, Any]
) -> list[Any]:
    if "examples" in content:
        return [each["value"] for each in content["examples"].values()]
    if "example" in content:
        return [content["example"]]
    return list(resolved(document, schema).get("examples", ()))


def _is_model(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether the schema is an object of its own; a page's items have the example."""
    found = resolved(document, schema)
    if set(found.get("properties", ())) == {"items", "next"}:
        item = resolved(document, found["properties"]["items"]["items"])
        return "examples" not in item
    return found.get("type") == "object"


def _misfits(document: dict[str, Any], schema: dict[str, Any], example: Any) -> list[str]:
    whole = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:openapi", whole)
    pointed = {"$ref": f"urn:openapi{schema['$ref']}"} if "$ref" in schema else schema
    validator = jsonschema.Draft202012Validator(pointed, registry=registry)
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(example)]
