"""Run by Alembic; see `common.db.migrate`."""

from common.db.alembic_env import run
from coordination.metadata import metadata

run(metadata)
