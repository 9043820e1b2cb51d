"""Whether the process lives, whether it can serve, and what it has counted.

Readiness asks for what this process cannot serve without: the database and its schema. Never Kafka:
while the broker is away the API goes on, and events wait in the journal.

A schema newer than this code is no reason to turn away: migrations come before the code that needs
them and leave the replicas of before working, which serve until they are replaced.
"""

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.db.migrate import current_revision, head_revision, revisions

if TYPE_CHECKING:
    from common.runtime import Runtime

READY_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Schema:
    """What this code knows of its schema: the revision it expects, and those that come before."""

    head: str | None
    known: frozenset[str]

    @classmethod
    def of(cls, package: str) -> "Schema":
        """The schema that `package` carries."""
        return cls(head_revision(package), revisions(package))

    def trouble_with(self, present: str | None) -> str | None:
        """Why `present` will not do. One that we do not know was made by newer code."""
        if present == self.head or (present is not None and present not in self.known):
            return None
        return f"is at {present}, this code expects {self.head}: run migrate"


def health_app(runtime: "Runtime") -> Starlette:
    """All that a process answers that only works."""
    app = Starlette()
    add_health(app, runtime)
    return app


def add_health(app: Starlette, runtime: "Runtime") -> None:
    """Add `/livez`, `/readyz` and `/metrics`; none needs a token or appears in the OpenAPI."""
    schema = functools.cache(lambda: Schema.of(runtime.service.name))  # reads files: once

    async def livez(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        checks = {"draining": "ok" if not runtime.draining else "this process is stopping"}
        checks["database"], checks["schema"] = await _database(runtime, schema())
        ready = all(found == "ok" for found in checks.values())
        return JSONResponse(
            {"status": "ready" if ready else "not ready", "checks": checks},
            status_code=200 if ready else 503,
        )

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(runtime.registry), media_type=CONTENT_TYPE_LATEST)

    for path, answer in (("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        app.router.add_route(path, answer, methods=["GET"], include_in_schema=False)


async def _database(runtime: "Runtime", schema: Schema) -> tuple[str, str]:
    """What is the matter with the database and with its schema; "ok" when nothing is."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            present = await current_revision(runtime.engine)
    except Exception as error:
        return f"does not answer ({type(error).__name__})", "not known"
    return "ok", schema.trouble_with(present) or "ok"
