"""A service's API in a test: the real app on a real database, spoken to over HTTP without a socket.

async with open_api(SERVICE, registry_url) as api:
    answer = await api.post("/v1/partners", json={...}, headers=token("registry.partners.write"))
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from common.actor import Actor
from common.clock import Clock, SetClock
from common.http.app import create_app, scopes_of
from common.http.auth.dev import mint_token
from common.runtime import Runtime, open_runtime
from common.service import Service
from common.settings import CommonSettings
from common.uow import UnitsOfWork

NOON = datetime(2020, 6, 22, 12, 0, tzinfo=UTC)
"""When tests happen, unless they say otherwise."""

PERSON = Actor(subject="amina", human=True)
"""A person who may act everywhere; for commands called without HTTP."""


@dataclass
class Api:
    """One running app: `client` speaks to it, `runtime` is what it stands on."""

    client: httpx.AsyncClient
    app: FastAPI
    runtime: Runtime
    service: Service

    @property
    def units(self) -> UnitsOfWork:
        return self.runtime.units

    def token(self, *scopes: str, **claims: Any) -> dict[str, str]:
        """Headers of a person with `scopes`; with all of the service's when none is named."""
        clock = claims.pop("clock", self.runtime.clock)
        audience = claims.pop("audience", self.service.name)
        return token(*(scopes or scopes_of(self.service)), audience=audience, clock=clock, **claims)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **self._known(options))

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.post(path, **self._known(options))

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.patch(path, **self._known(options))

    async def put(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.put(path, **self._known(options))

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.delete(path, **self._known(options))

    def _known(self, options: dict[str, Any]) -> dict[str, Any]:
        """A request without an Authorization header comes from a person with every scope."""
        headers = dict(options.pop("headers", None) or {})
        if "Authorization" not in headers:
            headers |= self.token()
        return {**options, "headers": headers}


@asynccontextmanager
async def open_api(
    service: Service, database_url: str, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Api]:
    """The API of `service` on `database_url`, at noon unless a clock is given."""
    async with open_service(service, database_url, clock=clock, **settings) as runtime:
        app = create_app(runtime)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Api(client, app, runtime, service)


@asynccontextmanager
async def open_service(
    service: Service, database_url: str, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Runtime]:
    """The runtime of `service`: `runtime.units` opens units of work at the set time."""
    async with open_runtime(
        service,
        settings_of(service, database_url, **settings),
        clock=clock or SetClock(NOON),
    ) as runtime:
        yield runtime


def settings_of(service: Service, database_url: str, **others: Any) -> CommonSettings:
    """Settings of the development profile. `others` by field name."""
    known: dict[str, Any] = {
        "profile": "development",
        "database_url": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "dev_issuer_key_file": key_file(),
    }
    return service.settings(**{**known, **others})


def token(
    *scopes: str,
    audience: str,
    subject: str = "amina",
    human: bool = True,
    countries: Iterable[str] = ("*",),
    partner: UUID | None = None,
    roles: Iterable[str] = (),
    ttl: timedelta = timedelta(hours=8),
    clock: Clock | None = None,
) -> dict[str, str]:
    """The Authorization header of a token with `scopes`, minted at noon."""
    minted = mint_token(
        key_file(),
        subject=subject,
        scopes=scopes,
        audience=audience,
        clock=clock or SetClock(NOON),
        human=human,
        countries=countries,
        partner=partner,
        ttl=ttl,
        roles=roles,
    )
    return {"Authorization": f"Bearer {minted}"}


@functools.cache
def key_file() -> Path:
    """The development issuer's key of this test run."""
    folder = Path(tempfile.mkdtemp(prefix="frontline-issuer-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "issuer.json"


def problem(answer: httpx.Response, status: int, code: str) -> Mapping[str, Any]:
    """The problem document of a refused request, which must have this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["code"] == code, document
    assert document["type"] == f"urn:frontline:problem:{code}"
    assert document["title"]
    assert document["detail"]
    return document
