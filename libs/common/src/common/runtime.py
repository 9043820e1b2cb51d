"""A running service: its settings, its database, its clock and what wakes its parts, opened once.

Everything that is passed in elsewhere (clock, ids, keys, policy) is made here and only here.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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
    """What the API and the worker of one process share. `draining` turns readiness off."""

    service: Service
    settings: CommonSettings
    engine: AsyncEngine
    units: UnitsOfWork
    envelope: Envelope
    clock: Clock
    ids: Ids
    wake: Wake
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
    clock = clock or SystemClock()
    ids = ids or Uuid7Ids()
    url = settings.database_url.get_secret_value()
    engine = create_engine(
        url,
        pool_size=settings.database_pool_size,
        application_name=service.name,
        pool_timeout=settings.database_pool_timeout_seconds,
        lock_timeout=settings.lock_timeout_seconds,
        statement_timeout=settings.statement_timeout_seconds,
        idle_in_transaction_timeout=settings.idle_in_transaction_timeout_seconds,
    )
    wake = Wake(plain_dsn(url))
    envelope = envelope_of(service, settings)
    try:
        yield Runtime(
            service=service,
            settings=settings,
            engine=engine,
            units=UnitsOfWork(
                engine,
                clock=clock,
                ids=ids,
                envelope=envelope,
                policy=service.policy(settings),
                on_recorded=lambda: wake.mark(RECORDED),
            ),
            envelope=envelope,
            clock=clock,
            ids=ids,
            wake=wake,
        )
    finally:
        await engine.dispose()


def plain_dsn(url: str) -> str:
    """`postgresql+asyncpg://…` as asyncpg itself reads it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def envelope_of(service: Service, settings: CommonSettings) -> Envelope:
    """The keeper of the journal's private parts. In development the key may be left out."""
    text = settings.journal_key.get_secret_value()
    if text:
        return Envelope.from_text(text)
    return Envelope(hashlib.sha256(f"development key of {service.name}".encode()).digest())
