"""Run by Alembic; see `common.db.migrate`."""

from common.db.alembic_env import run
from registry.metadata import metadata

run(metadata)
