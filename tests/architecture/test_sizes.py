"""Small enough to read: a ratchet that only turns one way."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Module

LONGEST_FILE = 400
LONGEST_FUNCTION = 70


def test_no_file_is_longer_than_400_lines(every_module: list[Module]) -> None:
    long = {
        module.path: lines
        for module in every_module
        if (lines := module.text.count("\n")) > LONGEST_FILE
    }
    assert not long, "make it a package of the same name"


def test_no_function_is_longer_than_70_lines(every_module: list[Module]) -> None:
    long = [
        f"{module.path}:{node.lineno} {node.name}"
        for module in every_module
        if "/migrations/versions/" not in module.path  # one list of statements, written once
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long
