"""How fast a partner and a page of partners are read, beside a select of the same bytes."""

import json
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import httpx

from bench import bare, fill
from bench.figures import Figure, ratio
from bench.scene import Load, Process, Scene, Target, dsn_of, execute, request

READ = "registry.partners.read"
FILL = (
    "INSERT INTO bare_partner SELECT * FROM json_populate_recordset(NULL::bare_partner, $1::json)"
)


async def read(scene: Scene) -> list[Figure]:
    """One partner by its id, and the first page of 50."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(scene.database("read", "registry"))
        await fill.partners(url, 2_000)
        await execute(url, bare.TABLES)
        api = await stack.enter_async_context(scene.service("registry", "serve", url))
        floor = await stack.enter_async_context(scene.bare(dsn_of(url)))
        token = scene.token("registry", scopes=[READ])
        known = await _copy(url, api, token)
        ones = [f"/partners/{each}" for each in known]
        bare_one, ready_one, one = await scene.compare(
            Target(floor.port, [request("GET", path) for path in ones], 200, again=True),
            Target(floor.port, [request("GET", f"{path}/ready") for path in ones], 200, again=True),
            Target(
                api.port, [request("GET", f"/v1{path}", token) for path in ones], 200, again=True
            ),
        )
        bare_page, ready_page, page = await scene.compare(
            Target(floor.port, [request("GET", "/partners")], 200, again=True),
            Target(floor.port, [request("GET", "/ready")], 200, again=True),
            Target(api.port, [request("GET", "/v1/partners?limit=50", token)], 200, again=True),
        )
    return [
        ratio("read of a partner ÷ bare select", one.rate, bare_one.rate, 0.5,
              of_rounds=one.over(bare_one)),
        _beside_ready(one, ready_one),
        ratio("list page of 50 ÷ bare select", page.rate, bare_page.rate, 0.5,
              of_rounds=page.over(bare_page)),
        _beside_ready(page, ready_page),
    ]  # fmt: skip


def _beside_ready(load: Load, floor: Load) -> Figure:
    return Figure(
        "  ÷ JSON that lies ready in the table",
        f"{load.rate:,.0f}/s",
        f"{floor.rate:,.0f}/s",
        f"{load.over(floor):.2f}",
    )


async def _copy(url: str, api: Process, token: str) -> list[str]:
    """Put what the API answers into the floor's table, byte for byte; the ids."""
    headers = {"Authorization": f"Bearer {token}"}
    items: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http:
        cursor: dict[str, str] = {}
        while len(items) < 1_000:
            answer = (await http.get("/v1/partners", params={"limit": "200", **cursor})).json()
            items += answer["items"]
            cursor = {"cursor": answer["next"]}
    rows = [{**item, "body": _compact(item)} for item in items]
    driver = await asyncpg.connect(dsn_of(url))
    try:
        await driver.execute(FILL, _compact(rows))
    finally:
        await driver.close()
    return [item["id"] for item in items]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
