"""Money is never a float: not in a calculation, not in a column, not in a contract."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Module

# where amounts are handled
MONEY = re.compile(r"^services/disbursement/|/money\.py$|/amounts\.py$|/ledger/")
# settings and timeouts are seconds, not money
SECONDS = re.compile(r"/(settings|policy|service|__main__|cli)\.py$|/migrations/env\.py$")


def test_no_float_where_amounts_are_handled(modules: list[Module]) -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if MONEY.search(module.path) and not SECONDS.search(module.path)
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
    ]
    assert not found, "use Decimal"


def test_no_column_is_a_binary_fraction(modules: list[Module]) -> None:
    words = re.compile(r"\b(Float|REAL|DOUBLE_PRECISION|double precision|float8|float4)\b")
    found = [
        f"{module.path}: {match.group()}"
        for module in modules
        if module.path.startswith("services/")
        for match in words.finditer(module.text)
    ]
    assert not found, "use numeric"


def test_no_json_number_stands_for_an_amount_in_a_contract(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}: {place}"
        for path in sorted(root.glob("services/*/contracts/**/*.json"))
        for place in _fractional(json.loads(path.read_text(encoding="utf-8")), "#")
        if "amount" in place.lower() or "balance" in place.lower()
    ]
    assert not found, "amounts travel as strings"


def _fractional(node: object, place: str) -> list[str]:
    if isinstance(node, list):
        return [found for i, item in enumerate(node) for found in _fractional(item, f"{place}/{i}")]
    if not isinstance(node, dict):
        return []
    own = [place] if node.get("type") == "number" else []
    return own + [f for key, item in node.items() for f in _fractional(item, f"{place}/{key}")]
