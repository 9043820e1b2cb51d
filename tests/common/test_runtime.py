"""A running service: what its API and its worker share, and what each has to itself."""

from __future__ import annotations

from common.runtime import for_worker
from support.api import open_service
from support.parcels import SERVICE

API, WORKER = "postgresql+asyncpg://api@nowhere/post", "postgresql+asyncpg://worker@nowhere/post"


async def test_a_worker_beside_an_api_has_a_pool_and_a_role_of_its_own() -> None:
    async with (
        open_service(SERVICE, API, worker_database_url=WORKER) as runtime,
        for_worker(runtime, 3) as worker,
    ):
        assert (runtime.engine.url.username, worker.engine.url.username) == ("api", "worker")
        assert worker.engine is not runtime.engine
        assert worker.units.engine is worker.engine
        assert worker.engine.pool.size() == 3  # type: ignore[attr-defined]
        assert worker.wake is runtime.wake
        assert worker.registry is runtime.registry


async def test_a_worker_that_is_told_no_other_database_uses_the_same() -> None:
    async with open_service(SERVICE, API) as runtime, for_worker(runtime, 3) as worker:
        assert worker.engine.url == runtime.engine.url
        assert worker.engine is not runtime.engine
