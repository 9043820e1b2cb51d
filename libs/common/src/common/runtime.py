"""A running service: its settings, its database, its clock and what wakes its parts, opened once.

Everything that is passed in elsewhere (clock, ids, keys, policy) is made here and only here.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from common.clock import Clock, SystemClock
from common.crypto.envelope import Envelope
from common.db.engine import create_engine
from common.ids import Ids, Uuid7Ids
from common.journal.wake import RECORDED, Wake
from common.service import Service
from common.settings import CommonSettings
from common.uow import UnitsOfWork


@dataclass
class Runtime:
    """What the API and the worker of one process share. `draining` turns readiness off; what is
    pushed to `opened` is closed with it.
    """

    service: Service
    settings: CommonSettings
    engine: AsyncEngine
    units: UnitsOfWork
    envelope: Envelope
    clock: Clock
    ids: Ids
    wake: Wake
    opened: AsyncExitStack
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    draining: bool = False


@asynccontextmanager
async def open_runtime(
    service: Service,
    settings: CommonSettings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> AsyncIterator[Runtime]:
    """`service` under `settings`, its connections closed at the end.

    Nothing connects yet: a database that is down is met at the first use, and by /readyz.
    Raises ValueError when a key is not one.
    """
    url = settings.database_url.get_secret_value()
    engine = _engine(service, settings, url, settings.database_pool_size)
    clock, ids = clock or SystemClock(), ids or Uuid7Ids()
    wake, envelope = Wake(url), envelope_of(service, settings)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(engine.dispose)
        yield Runtime(
            service=service,
            settings=settings,
            engine=engine,
            units=_units(service, settings, engine, clock, ids, envelope, wake),
            envelope=envelope,
            clock=clock,
            ids=ids,
            wake=wake,
            opened=opened,
        )


@asynccontextmanager
async def for_worker(runtime: Runtime, pool_size: int) -> AsyncIterator[Runtime]:
    """`runtime` as its process's worker sees it: with a pool, and where one is set a role, of its
    own. A burst of requests then never keeps sealing and publishing waiting for a connection.
    """
    service, settings = runtime.service, runtime.settings
    url = (settings.worker_database_url or settings.database_url).get_secret_value()
    engine = _engine(service, settings, url, pool_size)
    units = _units(
        service, settings, engine, runtime.clock, runtime.ids, runtime.envelope, runtime.wake
    )
    try:
        yield replace(runtime, engine=engine, units=units)
    finally:
        await engine.dispose()


def _engine(service: Service, settings: CommonSettings, url: str, pool_size: int) -> AsyncEngine:
    return create_engine(
        url,
        pool_size=pool_size,
        application_name=service.name,
        pool_timeout=settings.database_pool_timeout_seconds,
        lock_timeout=settings.lock_timeout_seconds,
        statement_timeout=settings.statement_timeout_seconds,
        idle_in_transaction_timeout=settings.idle_in_transaction_timeout_seconds,
    )


def _units(
    service: Service,
    settings: CommonSettings,
    engine: AsyncEngine,
    clock: Clock,
    ids: Ids,
    envelope: Envelope,
    wake: Wake,
) -> UnitsOfWork:
    return UnitsOfWork(
        engine,
        clock=clock,
        ids=ids,
        envelope=envelope,
        policy=service.policy(settings),
        on_recorded=lambda: wake.mark(RECORDED),
    )


def envelope_of(service: Service, settings: CommonSettings) -> Envelope:
    """The keeper of the journal's private parts. In development the key may be left out."""
    text = settings.journal_key.get_secret_value()
    if text:
        return Envelope.from_text(text)
    return Envelope(hashlib.sha256(f"development key of {service.name}".encode()).digest())
