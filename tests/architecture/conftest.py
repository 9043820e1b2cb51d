"""The repository's source, read once for all tests of its shape."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "libs/common/src/common",
    *(f"services/{s}/src/{s}" for s in ("registry", "disbursement", "coordination")),
)


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the root, its text, its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def imports(self) -> set[str]:
        """Every module that it imports, anywhere in it, by dotted name."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        return names


def _read(folder: str) -> list[Module]:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """The four packages' modules."""
    return [module for package in PACKAGES for module in _read(package)]


@pytest.fixture(scope="session")
def every_module(modules: list[Module]) -> list[Module]:
    """The four packages' modules and the tests."""
    return modules + _read("tests")
