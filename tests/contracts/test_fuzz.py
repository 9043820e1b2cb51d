"""Nothing that a client can send is answered with a 500, or with anything the OpenAPI does not say.

Schemathesis makes requests from each operation's description, good ones and bad ones, and sends
them with a token that may do everything to a real server on a real database.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from common.clock import SystemClock
from common.http.app import create_app, describe, scopes_of
from common.process import free_port
from common.service import Service
from support.api import open_service, token
from support.databases import Databases

EXAMPLES = 6
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

Serve = Callable[[str], tuple[str, dict[str, str]]]


class Served:
    """A service's API on a port of its own, in a thread with a loop of its own."""

    def __init__(self, service: Service, database_url: str) -> None:
        self._service = service
        self._database_url = database_url
        self.port = free_port()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        while self._server is None or not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join()

    async def _run(self) -> None:
        async with open_service(self._service, self._database_url, clock=SystemClock()) as runtime:
            app = create_app(runtime)
            config = uvicorn.Config(app, port=self.port, log_config=None, access_log=False)
            self._server = uvicorn.Server(config)
            await self._server.serve()


@pytest.fixture(scope="module")
def serve(databases: Databases) -> Iterator[Serve]:
    """`serve("registry")`: where that service's API is, and the headers of a token for it."""
    running: dict[str, Served] = {}
    lent = ExitStack()

    def started(name: str) -> tuple[str, dict[str, str]]:
        service = service_named(name)
        if name not in running:
            url = lent.enter_context(databases.migrated(name))
            running[name] = Served(service, url)
            running[name].start()
        headers = token(*scopes_of(service), audience=name, clock=SystemClock())
        return f"http://127.0.0.1:{running[name].port}", headers

    with lent:
        yield started
        for served in running.values():
            served.stop()


def service_named(name: str) -> Service:
    service: Service = importlib.import_module(f"{name}.service").SERVICE
    return service


def fuzzed(name: str, operations: Any) -> Any:
    """A test of one operation of a service."""

    @operations.parametrize()  # type: ignore[untyped-decorator]
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def send(case: schemathesis.Case[Any], serve: Serve) -> None:
        base_url, headers = serve(name)
        if "wait" in (case.query or {}):
            case.query["wait"] = 0  # a long poll does what it says, and we have not the time
        case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS, timeout=20)

    return send


def each_operation(name: str) -> dict[str, Any]:
    """A test for every operation of a service, by a name of its own.

    Schemathesis would give all operations of one function the same test id, and of tests with the
    same id xdist runs only one.
    """
    schema = schemathesis.openapi.from_dict(describe(service_named(name)).openapi())
    every: list[Any] = list(schema.get_all_operations())
    ids = [each.ok().definition.raw["operationId"] for each in every]
    return {f"test_{name}_{id_}": fuzzed(name, schema.include(operation_id=id_)) for id_ in ids}


for _name in ("registry", "disbursement", "coordination"):
    globals().update(each_operation(_name))
