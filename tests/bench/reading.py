"""How fast a partner and a page of partners are read, beside a select of the same bytes."""

import json
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import httpx

from bench import bare, fill
from bench.figures import Figure, ratio
from bench.scene import Process, Scene, Target, dsn_of, execute, request

READ = "registry.partners.read"


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
        bare_one, one = await scene.compare(
            Target(floor.port, [request("GET", path) for path in ones], 200, again=True),
            Target(api.port, [request("GET", f"/v1{path}", token) for path in ones], 200, again=True),
        )
        bare_page, page = await scene.compare(
            Target(floor.port, [request("GET", "/partners")], 200, again=True),
            Target(api.port, [request("GET", "/v1/partners?limit=50", token)], 200, again=True),
        )
    return [
        ratio("read of a partner ÷ bare select", one.rate, bare_one.rate, 0.5,
              of_rounds=one.over(bare_one)),
        ratio("list page of 50 ÷ bare select", page.rate, bare_page.rate, 0.5,
              of_rounds=page.over(bare_page)),
    ]  # fmt: skip


async def _copy(url: str, api: Process, token: str) -> list[str]:
    """Put what the API answers into the floor's table, byte for byte; the ids."""
    headers = {"Authorization": f"Bearer {token}"}
    rows: list[tuple[Any, ...]] = []
    async with httpx.AsyncClient(base_url=api.url, headers=headers, trust_env=False) as http:
        cursor: dict[str, str] = {}
        while len(rows) < 1_000:
            answer = (await http.get("/v1/partners", params={"limit": "200", **cursor})).json()
            rows += [
                (item["id"], item["legal_name"].lower(), _compact(item)) for item in answer["items"]
            ]
            cursor = {"cursor": answer["next"]}
    driver = await asyncpg.connect(dsn_of(url))
    try:
        await driver.copy_records_to_table("bare_partner", records=rows)
    finally:
        await driver.close()
    return [row[0] for row in rows]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
