"""`python -m common.contracts [--check] [--release]`: write, check or release the contracts.

Writes `services/*/contracts`. `--check` writes nothing: it says which files are out of date, what
would break a user of the released contracts, and which consumer's need is not met; exits with 1 if
anything.
`--release` makes the present contracts the ones that later changes are held against.
"""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.contracts.breaks import breaks
from common.contracts.events import asyncapi, event_schemas
from common.contracts.needs import unmet_needs
from common.http.app import API_VERSION, describe
from common.service import Service

Files = dict[str, Mapping[str, Any]]


def main(arguments: list[str]) -> int:
    """Do what `arguments` say for every service below the working directory; the exit code."""
    if set(arguments) - {"--check", "--release"}:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    root = Path.cwd()
    services = load_services(root)
    wanted = {service.name: contracts_of(service) for service in services}
    if "--check" in arguments:
        problems = list(check(root, wanted))
    else:
        problems = []
        for name, files in wanted.items():
            write(root / "services" / name / "contracts", files)
            if "--release" in arguments:
                write(_released(root, name), files)
    problems += needs(root, services)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def load_services(root: Path) -> list[Service]:
    """The declaration of every service in `root/services`."""
    names = sorted(path.parent.name for path in root.glob("services/*/pyproject.toml"))
    return [importlib.import_module(f"{name}.service").SERVICE for name in names]


def contracts_of(service: Service) -> Files:
    """Every contract file of `service`, by its path below `contracts`."""
    files: Files = {
        "openapi.json": describe(service).openapi(),
        "asyncapi.json": asyncapi(service, schemas_at="events", version=API_VERSION),
    }
    for event_type, schema in event_schemas(service).items():
        files[f"events/{event_type}.json"] = schema
    return files


def check(root: Path, wanted: Mapping[str, Files]) -> Iterator[str]:
    """A sentence for each file that is out of date and each break with a released contract."""
    for name, files in wanted.items():
        folder = root / "services" / name / "contracts"
        present = read(folder)
        for path in sorted(files.keys() | present.keys()):
            if (folder / path).is_file() and path not in files:
                yield f"services/{name}/contracts/{path} is no longer made: run make contracts"
            elif not (folder / path).is_file() or (folder / path).read_text() != text(files[path]):
                yield f"services/{name}/contracts/{path} is out of date: run make contracts"
        for path, old in read(_released(root, name)).items():
            if path == "asyncapi.json":
                continue
            if path not in files:
                yield f"{name}: {path} was released and is gone"
                continue
            yield from (f"{name}: {path}: {each}" for each in breaks(old, files[path]))


def needs(root: Path, services: list[Service]) -> list[str]:
    """A sentence for each unmet need of a consumer, by the present and the released schemas."""
    released: Files = {}
    for service in services:
        for path, schema in read(_released(root, service.name)).items():
            released[Path(path).stem] = schema
    return unmet_needs(services, services, released)


def read(folder: Path) -> Files:
    """The contract files in `folder`, less those released below it."""
    return {
        str(path.relative_to(folder)): json.loads(path.read_text())
        for path in sorted(folder.rglob("*.json"))
        if "released" not in path.relative_to(folder).parts
    }


def write(folder: Path, files: Files) -> None:
    """Make `folder` hold exactly `files`."""
    for path in set(read(folder)) - set(files):
        (folder / path).unlink()
    for path, document in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(document))


def text(document: Mapping[str, Any]) -> str:
    """A document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _released(root: Path, name: str) -> Path:
    return root / "services" / name / "contracts" / "released"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
