"""The one way to a database: an asyncpg engine whose waits are all bounded.

It sets what every session of ours relies on (UTC, READ COMMITTED, limits on locks, statements and
idle transactions, JSON without floats). It holds no tables, opens no transaction and knows no
service.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# JSON from the database never becomes a float: amounts are strings already, and any other number
# stays exact.
loads_exact = json.JSONDecoder(parse_float=Decimal).decode

# And none goes in: a Decimal is refused here (write a string), and so are NaN and infinity.
dumps_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

# How much longer than the server's own limit we wait for an answer, before we take the server or
# the network for dead.
_GRACE_SECONDS = 5.0
_CONNECT_SECONDS = 10.0


def create_engine(
    url: str,
    *,
    pool_size: int = 10,
    application_name: str,
    pool_timeout: float = 5.0,
    lock_timeout: float = 4.0,
    statement_timeout: float = 15.0,
    idle_in_transaction_timeout: float = 20.0,
    isolation_level: Literal["AUTOCOMMIT", "READ COMMITTED"] = "AUTOCOMMIT",
) -> AsyncEngine:
    """An engine for `url` (`postgresql+asyncpg://…`); dispose of it when done. Times are in
    seconds.

    The pool never grows beyond `pool_size`; who waits longer than `pool_timeout` gets
    `sqlalchemy.exc.TimeoutError`, which the HTTP edge answers with 503. Connections are not tested
    before use: that would cost every request a round trip. One that died while idle is seen as
    closed and replaced; one that dies under a statement makes the unit of work unavailable (503).

    In autocommit nothing begins by itself: whoever wants a transaction sends BEGIN and COMMIT, and
    the database makes it READ COMMITTED. Migrations let SQLAlchemy do that.
    """
    return create_async_engine(
        url,
        isolation_level=isolation_level,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        pool_recycle=1800,
        pool_use_lifo=True,  # the few that are used know their statements already
        pool_pre_ping=False,
        hide_parameters=True,  # an error in a log must not carry what the statement carried
        json_serializer=dumps_compact,
        json_deserializer=loads_exact,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": statement_timeout + _GRACE_SECONDS,
            "prepared_statement_cache_size": 500,
            "server_settings": {
                "application_name": application_name,
                "timezone": "UTC",
                "default_transaction_isolation": "read committed",
                "lock_timeout": _milliseconds(lock_timeout),
                "statement_timeout": _milliseconds(statement_timeout),
                "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_timeout),
                "jit": "off",  # our statements are short: compiling them costs more than it gains
            },
        },
    )


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
