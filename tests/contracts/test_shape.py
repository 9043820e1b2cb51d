"""What counts as a break of a contract, rule by rule."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from common.contracts.breaks import breaks

STATUS = {"enum": ["packed", "sent"], "type": "string"}
EVENT: dict[str, Any] = {
    "title": "event",
    "type": "object",
    "required": ["parcel"],
    "properties": {"parcel": {"$ref": "#/$defs/Parcel"}},
    "$defs": {
        "Parcel": {
            "type": "object",
            "required": ["id", "status", "names", "note"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "status": STATUS,
                "names": {"type": "array", "items": {"type": "string"}},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
        }
    },
}


def changed(**properties: Any) -> dict[str, Any]:
    """EVENT with other properties of a parcel; None takes one away."""
    new = copy.deepcopy(EVENT)
    parcel = new["$defs"]["Parcel"]
    for name, schema in properties.items():
        if schema is None:
            del parcel["properties"][name]
            parcel["required"].remove(name)
        else:
            parcel["properties"][name] = schema
    return new


def test_nothing_changed_is_no_break() -> None:
    assert breaks(EVENT, copy.deepcopy(EVENT)) == []


@pytest.mark.parametrize(
    "new",
    [
        changed(worth={"type": "string"}),
        changed(status={"enum": ["packed", "sent", "lost"], "type": "string"}),
        changed(note={"type": "string"}),
        changed(names={"type": "array", "items": {"type": "string", "maxLength": 9}}),
    ],
    ids=["a new member", "a new value", "never null any more", "a bound of what we send"],
)
def test_additive_changes_of_an_event_are_fine(new: dict[str, Any]) -> None:
    assert breaks(EVENT, new) == []


@pytest.mark.parametrize(
    "new, says",
    [
        (changed(status=None), "event.parcel.status is missing"),
        (changed(id={"type": "integer"}), "event.parcel.id may be integer"),
        (changed(id={"type": "string"}), "where string (uuid) is expected"),
        (changed(names={"type": "array", "items": {"type": "integer"}}), "event.parcel.names[]"),
        (
            changed(id={"anyOf": [EVENT["$defs"]["Parcel"]["properties"]["id"], {"type": "null"}]}),
            "may be null",
        ),
    ],
)
def test_taking_something_from_an_event_is_a_break(new: dict[str, Any], says: str) -> None:
    (found,) = breaks(EVENT, new)
    assert says in found


def test_a_member_that_may_now_be_missing_is_a_break() -> None:
    new = copy.deepcopy(EVENT)
    new["$defs"]["Parcel"]["required"].remove("id")
    assert breaks(EVENT, new) == ["event.parcel.id may be missing, where it is required"]


# --- OpenAPI ------------------------------------------------------------------------------------

JSON = "application/json"
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/parcels": {
            "post": {
                "operationId": "pack",
                "security": [{"oauth2": ["parcels.write"]}],
                "parameters": [
                    {
                        "in": "query",
                        "name": "dry",
                        "schema": {"enum": ["yes", "no"], "type": "string"},
                    }
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/In"}}
                    },
                },
                "responses": {
                    "201": {
                        "headers": {"ETag": {}},
                        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Out"}}},
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "In": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 40},
                    "kind": {"enum": ["box", "bag"], "type": "string"},
                },
            },
            "Out": {"type": "object", "properties": {"id": {"type": "string"}}},
        }
    },
}


def api() -> dict[str, Any]:
    return copy.deepcopy(API)


def operation(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/parcels"]["post"]
    return found


def fields(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]["In"]["properties"]
    return found


def test_additive_changes_of_an_api_are_fine() -> None:
    new = api()
    new["paths"]["/more"] = {"get": operation(new)}
    fields(new)["note"] = {"type": "string"}
    fields(new)["kind"]["enum"].append("crate")
    fields(new)["name"]["maxLength"] = 80
    operation(new)["parameters"].append({"in": "query", "name": "more", "schema": {}})
    new["components"]["schemas"]["Out"]["properties"]["more"] = {"type": "string"}
    assert breaks(API, new) == []


def _gone(new: dict[str, Any]) -> None:
    del new["paths"]["/parcels"]["post"]


def _renamed(new: dict[str, Any]) -> None:
    operation(new)["operationId"] = "pack_it"


def _scope(new: dict[str, Any]) -> None:
    operation(new)["security"] = [{"oauth2": ["parcels.admin"]}]


def _required_field(new: dict[str, Any]) -> None:
    new["components"]["schemas"]["In"]["required"].append("kind")


def _removed_field(new: dict[str, Any]) -> None:
    del fields(new)["kind"]


def _narrowed_values(new: dict[str, Any]) -> None:
    fields(new)["kind"]["enum"].remove("bag")


def _narrowed_length(new: dict[str, Any]) -> None:
    fields(new)["name"]["maxLength"] = 20


def _retyped(new: dict[str, Any]) -> None:
    fields(new)["name"] = {"type": "integer"}


def _required_parameter(new: dict[str, Any]) -> None:
    operation(new)["parameters"][0]["required"] = True


def _removed_parameter(new: dict[str, Any]) -> None:
    operation(new)["parameters"].clear()


def _narrowed_parameter(new: dict[str, Any]) -> None:
    operation(new)["parameters"][0]["schema"]["enum"].remove("no")


def _removed_answer(new: dict[str, Any]) -> None:
    operation(new)["responses"] = {"200": operation(new)["responses"]["201"]}


def _removed_member(new: dict[str, Any]) -> None:
    new["components"]["schemas"]["Out"]["properties"] = {"number": {"type": "string"}}


def _removed_header(new: dict[str, Any]) -> None:
    operation(new)["responses"]["201"]["headers"].clear()


@pytest.mark.parametrize(
    "change, says",
    [
        (_gone, "POST /parcels is gone"),
        (_renamed, "is named pack_it, was pack"),
        (_scope, "needs other scopes: ['parcels.admin']"),
        (_required_field, "body.kind may be missing, where it is required"),
        (_removed_field, "body.kind may be there, and is not taken"),
        (_narrowed_values, "body.kind may be 'bag', which is not expected"),
        (_narrowed_length, "body.name may go beyond maxLength 20"),
        (_retyped, "body.name may be string, where integer is expected"),
        (_required_parameter, "query:dry is now required"),
        (_removed_parameter, "query:dry is no longer taken"),
        (_narrowed_parameter, "query:dry may be 'no', which is not expected"),
        (_removed_answer, "no longer answers 201"),
        (_removed_member, "body.id is missing"),
        (_removed_header, "no longer has the header ETag"),
    ],
)
def test_taking_something_from_an_api_is_a_break(change: Any, says: str) -> None:
    new = api()
    change(new)
    (found,) = breaks(API, new)
    assert says in found
