"""What every service's `migrations/env.py` calls. It runs inside Alembic, on the connection that
`common.db.migrate` opened.

    from <service>.metadata import metadata
    from common.db.alembic_env import run
    run(metadata)
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, MetaData


def run(metadata: MetaData) -> None:
    """Run the pending revisions, one transaction each.

    Raises RuntimeError when started by Alembic's own command line.
    """
    connection = context.config.attributes.get("connection")
    if not isinstance(connection, Connection):
        raise RuntimeError(
            "migrations run by `python -m <service> migrate`, which opens the connection"
        )
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()
