"""A service's process: start, serve and work, and an orderly stop.

One that only works listens too: for its health and its metrics.

On SIGTERM or SIGINT readiness goes off first, then requests under way are finished and the worker's
parts let go of what they hold, all within `drain_seconds`.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette

from common import points
from common.http.app import create_app
from common.http.health import health_app
from common.runtime import Runtime, for_worker, open_runtime
from common.service import Service
from common.settings import CommonSettings
from common.telemetry.logs import configure_logs
from common.worker import Part, parts_of, run_parts

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Uvicorn, with the signals left to us: the worker has to hear them too."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(service: Service, settings: CommonSettings, *, api: bool, worker: bool) -> None:
    """Run the process until it is told to stop."""
    configure_logs(service.name, settings.log_level, settings.log_format)
    points.arm(points.strikes(kill_at=settings.kill_at, pause_at=settings.pause_at))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(service, settings, api=api, worker=worker))


async def _run(service: Service, settings: CommonSettings, *, api: bool, worker: bool) -> None:
    stop = asyncio.Event()
    async with AsyncExitStack() as opened:
        runtime = await opened.enter_async_context(open_runtime(service, settings))
        parts: dict[str, Part] = {"wake": runtime.wake}
        if worker:
            size = settings.worker_pool_size if api else settings.database_pool_size
            parts = parts_of(await opened.enter_async_context(for_worker(runtime, size)))
        server = _server(create_app(runtime) if api else health_app(runtime), settings)
        _on_signals(runtime, stop)
        tasks = [
            asyncio.create_task(run_parts(parts, stop), name="worker"),
            asyncio.create_task(_serve(server, stop), name="http"),
        ]
        await stop.wait()
        log.info("stopping", within_seconds=settings.drain_seconds)
        server.should_exit = True
        await _finish(tasks, settings.drain_seconds)


async def _finish(tasks: list[asyncio.Task[None]], within_seconds: float) -> None:
    """Wait for `tasks`, cancel what has not ended in time, and raise what went wrong."""
    _, late = await asyncio.wait(tasks, timeout=within_seconds)
    for task in late:
        log.warning("cut_off", task=task.get_name())
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def _server(app: Starlette, settings: CommonSettings) -> Server:
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here asks for the caller's address or scheme
            timeout_graceful_shutdown=int(settings.drain_seconds),
            timeout_keep_alive=30,
            backlog=512,
        )
    )


async def _serve(server: Server, stop: asyncio.Event) -> None:
    """Serve; when the server ends by itself (its port is taken) everything ends."""
    try:
        await server.serve()
    finally:
        stop.set()


def _on_signals(runtime: Runtime, stop: asyncio.Event) -> None:
    def told(number: signal.Signals) -> None:
        log.info("signal", name=number.name)
        runtime.draining = True
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
