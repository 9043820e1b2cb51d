"""What every list of an aggregate does: it is exported whole, and tells what changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from common.journal.reader import Reader
from common.journal.seal import Sealer
from support.api import Api

NDJSON = {"Accept": "application/x-ndjson"}
CSV = {"Accept": "text/csv"}


async def sealed(api: Api) -> str:
    """Seal everything that is recorded; the position reached."""
    while await Sealer.of(api.runtime).seal_batch():
        pass
    head = await Reader(api.runtime.engine).head()
    return f"{head.epoch}-{head.position}"


async def read_list(
    api: Api, path: str, headers: Mapping[str, str] | None = None, **query: Any
) -> list[dict[str, Any]]:
    """Every item of the list at `path`, page by page."""
    given = dict(headers or {})
    answer = await api.get(path, headers=given, params={"limit": 1, **query})
    items: list[dict[str, Any]] = []
    while True:
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if "next" not in answer.links:
            return items
        answer = await api.get(answer.links["next"]["url"], headers=given)


async def exported(
    api: Api, path: str, headers: Mapping[str, str] | None = None, **query: Any
) -> list[dict[str, Any]]:
    """Every item of the list at `path`, as NDJSON; the CSV must have them too."""
    lines = await api.get(path, headers={**(headers or {}), **NDJSON}, params=query)
    assert lines.status_code == 200, lines.text
    items = [json.loads(line) for line in lines.text.splitlines()]
    table = await api.get(path, headers={**(headers or {}), **CSV}, params=query)
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["id"] for row in rows] == [item["id"] for item in items]
    for item, row in zip(items, rows, strict=True):
        plain = {name: value for name, value in item.items() if isinstance(value, str)}
        assert plain.items() <= row.items()
    return items
