"""The schema of this service, step by step. Frozen: a released step is never edited."""

from typing import Any


def run_script(op: Any, text: str) -> None:
    """Run several statements at once inside a migration; `op` is `alembic.op`."""
    op.execute("SELECT 1")  # SQLAlchemy begins lazily: what follows must be inside its transaction
    connection = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(text))
