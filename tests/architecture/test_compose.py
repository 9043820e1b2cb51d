"""The containers: compose.yaml sets what the settings know, and leaves nothing required out.

No container engine is needed: the file is read as YAML, and each service's settings are made from
exactly the environment that it gives.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import AliasChoices
from sqlalchemy import make_url

if TYPE_CHECKING:
    from pathlib import Path

    from common.service import Service
    from common.settings import CommonSettings

SERVICES = ("registry", "disbursement", "coordination")
PARTS = {"migrate": ["migrate"], "serve": ["serve"], "work": ["work"]}
ROLES = {"migrate": "owner", "serve": "api", "work": "worker"}
OF_SERVICES = [(service, part) for service in SERVICES for part in PARTS]


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    """The file, its variables at their defaults."""
    text = (root / "deploy/compose.yaml").read_text(encoding="utf-8")
    resolved = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    assert "${" not in resolved, "give every variable a default: ${NAME:-default}"
    loaded: dict[str, Any] = yaml.safe_load(resolved)
    return loaded


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    return (root / "deploy/Dockerfile").read_text(encoding="utf-8")


def declared(service: str) -> Service:
    made: Service = importlib.import_module(f"{service}.service").SERVICE
    return made


def variables(settings: type[CommonSettings]) -> set[str]:
    """Every environment variable that the settings read."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    names: set[str] = set()
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            names.update(str(choice) for choice in alias.choices)
        else:
            names.add(f"{prefix}{alias or name}".upper())
    return names


def environment(compose: dict[str, Any], service: str, part: str) -> dict[str, str]:
    given = compose["services"][f"{service}-{part}"]["environment"]
    return {name: str(value) for name, value in given.items()}


def test_every_service_is_migrated_serves_and_works(compose: dict[str, Any]) -> None:
    expected = {f"{service}-{part}" for service, part in OF_SERVICES}
    assert set(compose["services"]) == {"postgres", "kafka"} | expected
    for service, part in OF_SERVICES:
        container = compose["services"][f"{service}-{part}"]
        assert container["command"] == PARTS[part]
        assert container["build"]["args"] == {"SERVICE": service}


@pytest.mark.parametrize("service, part", OF_SERVICES)
def test_compose_sets_nothing_that_the_settings_do_not_know(
    compose: dict[str, Any], service: str, part: str
) -> None:
    known = variables(declared(service).settings)
    assert set(environment(compose, service, part)) - known == set()


@pytest.mark.parametrize("service, part", OF_SERVICES)
def test_compose_sets_everything_that_a_service_needs(
    compose: dict[str, Any], service: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = declared(service).settings
    for name in variables(settings):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(compose, service, part).items():
        monkeypatch.setenv(name, value)
    made = settings()
    assert made.development
    assert made.issuer or made.dev_issuer_key_file is not None
    assert made.host == "0.0.0.0"


@pytest.mark.parametrize("service, part", OF_SERVICES)
def test_each_process_reaches_its_services_database_alone_and_as_its_own_role(
    compose: dict[str, Any], root: Path, service: str, part: str
) -> None:
    url = make_url(environment(compose, service, part)[f"{service.upper()}_DATABASE_URL"])
    assert (url.drivername, url.host, url.database) == ("postgresql+asyncpg", "postgres", service)
    assert url.username == f"{service}_{ROLES[part]}"
    script = (root / "deploy/databases.sql").read_text(encoding="utf-8")
    assert f"CREATE ROLE {url.username} LOGIN PASSWORD '{url.password}';" in script
    assert f"CREATE DATABASE {service} OWNER {service}_owner;" in script
    assert f"REVOKE ALL ON DATABASE {service} FROM PUBLIC;" in script


def test_every_dependency_is_there_and_a_one_shot_container_is_waited_for(
    compose: dict[str, Any],
) -> None:
    waited_for = set()
    for name, container in compose["services"].items():
        for other, how in container.get("depends_on", {}).items():
            assert other in compose["services"], name
            if how["condition"] == "service_completed_successfully":
                waited_for.add(other)
            else:
                assert "healthcheck" in compose["services"][other], other
    assert waited_for == {f"{service}-migrate" for service in SERVICES}


def test_services_are_reached_on_ports_of_their_own_at_their_public_urls(
    compose: dict[str, Any],
) -> None:
    for service in SERVICES:
        (port,) = compose["services"][f"{service}-serve"]["ports"]
        address, published, inside = port.split(":")
        given = environment(compose, service, "serve")
        assert given[f"{service.upper()}_PUBLIC_URL"] == f"http://localhost:{published}"
        assert given[f"{service.upper()}_PORT"] == inside
        assert address == "127.0.0.1"
    published = [compose["services"][f"{service}-serve"]["ports"][0] for service in SERVICES]
    assert len(set(published)) == len(SERVICES)


def test_a_stop_gives_a_process_time_to_drain(compose: dict[str, Any]) -> None:
    for service in SERVICES:
        for part in ("serve", "work"):
            grace = compose["services"][f"{service}-{part}"]["stop_grace_period"]
            drain = declared(service).settings.model_fields["drain_seconds"].default
            assert int(grace.removesuffix("s")) > drain


def test_named_volumes_are_declared(compose: dict[str, Any]) -> None:
    used = {
        volume.split(":")[0]
        for container in compose["services"].values()
        for volume in container.get("volumes", [])
        if not volume.startswith((".", "/"))
    }
    assert used == set(compose["volumes"])


def test_an_image_is_built_in_two_stages_and_does_not_run_as_root(dockerfile: str) -> None:
    assert len(re.findall(r"^FROM ", dockerfile, re.MULTILINE)) == 2
    final = dockerfile.rpartition("FROM ")[2]
    assert re.findall(r"^USER (.+)$", final, re.MULTILINE) == ["10001"]
    assert "requirements.lock" not in final


def test_every_installation_in_an_image_is_held_to_the_lock(dockerfile: str) -> None:
    joined = dockerfile.replace("\\\n", " ")
    installations = re.findall(r"pip install[^&\n]*", joined)
    assert len(installations) == 3
    for each in installations:
        assert "--require-hashes" in each or "--constraints requirements.lock" in each
