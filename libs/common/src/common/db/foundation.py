"""The tables that every service has, whatever it is for: journal, idempotency, mirrors.

Each part keeps its tables in an SQL file beside its code; the first migration of a service runs
them in this order. They are frozen once released: a later change is a migration of its own.
"""

from importlib.resources import files
from typing import Any

FOUNDATION = (
    "journal/journal.sql",
    "http/idempotency.sql",
    "mirrors/mirrors.sql",
)
"""Paths below the package `common`."""


def statements() -> tuple[str, ...]:
    """The text of each file, in order. Each holds several statements."""
    package = files("common")
    return tuple(package.joinpath(path).read_text(encoding="utf-8") for path in FOUNDATION)


def create(op: Any) -> None:
    """Create the foundation inside a migration; `op` is `alembic.op`."""
    op.execute("SELECT 1")  # SQLAlchemy begins lazily: what follows must be inside its transaction
    connection = op.get_bind().connection.dbapi_connection
    for text in statements():
        # several statements at once need the simple protocol, which only the driver itself speaks
        connection.run_async(lambda driver, text=text: driver.execute(text))
