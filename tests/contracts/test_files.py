"""The contract files: made anew they are the same, and changes since the release are additive."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from common.contracts import __main__ as contracts
from support import parcels

ROOT = Path(__file__).parents[2]


def test_the_committed_contracts_are_what_the_code_does() -> None:
    services = contracts.load_services(ROOT)
    wanted = {service.name: contracts.contracts_of(service) for service in services}
    assert len(services) == 3
    assert list(contracts.check(ROOT, wanted)) == []


def test_every_mirror_gets_what_it_needs() -> None:
    assert contracts.needs(ROOT, contracts.load_services(ROOT)) == []


def test_making_the_contracts_twice_gives_the_same_bytes() -> None:
    once, again = (contracts.contracts_of(parcels.SERVICE) for _ in range(2))
    assert {k: contracts.text(v) for k, v in once.items()} == {
        k: contracts.text(v) for k, v in again.items()
    }


def test_every_event_schema_is_json_schema_2020_12() -> None:
    for service in contracts.load_services(ROOT):
        for path, schema in contracts.contracts_of(service).items():
            if path.startswith("events/"):
                jsonschema.Draft202012Validator.check_schema(schema)


def test_every_message_of_the_asyncapi_has_its_schema_file() -> None:
    for service in contracts.load_services(ROOT):
        files = contracts.contracts_of(service)
        for name, message in files["asyncapi.json"]["components"]["messages"].items():
            if name != "watermark":
                assert message["payload"]["schema"]["$ref"] in files


def test_a_file_that_was_edited_by_hand_is_found(tmp_path: Path) -> None:
    wanted = {"post": contracts.contracts_of(parcels.SERVICE)}
    folder = tmp_path / "services" / "post" / "contracts"
    contracts.write(folder, wanted["post"])
    assert list(contracts.check(tmp_path, wanted)) == []
    (folder / "openapi.json").write_text("{}")
    (folder / "events" / "left-over.json").write_text("{}")
    assert list(contracts.check(tmp_path, wanted)) == [
        "services/post/contracts/events/left-over.json is no longer made: run make contracts",
        "services/post/contracts/openapi.json is out of date: run make contracts",
    ]


def test_a_break_with_the_released_contract_is_found(tmp_path: Path) -> None:
    wanted = {"post": contracts.contracts_of(parcels.SERVICE)}
    folder = tmp_path / "services" / "post" / "contracts"
    contracts.write(folder, wanted["post"])
    contracts.write(folder / "released", wanted["post"])
    released = folder / "released" / "openapi.json"
    older = json.loads(released.read_text())
    older["paths"]["/v1/letters"] = older["paths"]["/v1/parcels"]
    released.write_text(json.dumps(older))
    assert set(contracts.check(tmp_path, wanted)) == {
        "post: openapi.json: POST /v1/letters is gone",
        "post: openapi.json: GET /v1/letters is gone",
    }


def test_an_event_that_is_no_longer_published_is_found(tmp_path: Path) -> None:
    wanted = {"post": contracts.contracts_of(parcels.SERVICE)}
    folder = tmp_path / "services" / "post" / "contracts"
    contracts.write(folder, wanted["post"])
    contracts.write(
        folder / "released", {**wanted["post"], "events/int.iom.post.parcel.lost.v1.json": {}}
    )
    assert list(contracts.check(tmp_path, wanted)) == [
        "post: events/int.iom.post.parcel.lost.v1.json was released and is gone"
    ]


@pytest.mark.parametrize("arguments", [["--chekc"], ["check"]])
def test_a_misspelt_argument_does_nothing(arguments: list[str]) -> None:
    assert contracts.main(arguments) == 2
