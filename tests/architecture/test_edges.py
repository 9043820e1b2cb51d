"""What the import rules in pyproject.toml cannot say: which kinds of file may know which outside
thing.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Module


def _who(modules: list[Module], imported: str, allowed: str) -> list[str]:
    """The modules that import `imported` (a pattern for a dotted name) at a path where `allowed`
    does not match.
    """
    return [
        f"{module.path} imports {name}"
        for module in modules
        if not re.search(allowed, module.path)
        for name in sorted(module.imports)
        if re.match(imported, name)
    ]


@pytest.mark.parametrize(
    "imported,allowed",
    [
        pytest.param(
            r"(fastapi|starlette)\b",
            r"common/http/|/api\.py$|/api/|common/(serving|contracts|journal/feed)",
            id="the web framework stays at the edge",
        ),
        pytest.param(
            r"aiokafka\b",
            r"common/kafka/|common/mirrors/",
            id="the broker's client stays in common",
        ),
        pytest.param(
            r"(registry|disbursement|coordination)\.settings\b",
            r"/(service|__main__|policy)\.py$",
            id="settings are read by the composition root alone",
        ),
        pytest.param(
            r"(unittest\.mock|pytest_mock|responses)\b", r"^$", id="nothing of ours is mocked"
        ),
    ],
)
def test_an_outside_thing_is_known_in_its_place_only(
    modules: list[Module], imported: str, allowed: str
) -> None:
    assert _who(modules, imported, allowed) == []


def test_rules_neither_wait_nor_read_the_clock(modules: list[Module]) -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if re.search(r"/rules(\.py$|/)", module.path)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    assert not found
    clocks = _who(
        [m for m in modules if re.search(r"/rules(\.py$|/)", m.path)],
        r"(time|random|os|asyncio)$",
        r"^$",
    )
    assert clocks == []


def test_a_command_never_commits(modules: list[Module]) -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if re.search(r"services/.*/(commands|reactions)(\.py$|/)", module.path)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback")
    ]
    assert not found, "the edge opens and commits the unit of work"
