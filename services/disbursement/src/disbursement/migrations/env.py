"""Alembic's environment: the connection comes from `common.db.migrate`."""

from common.db.alembic_env import run
from disbursement.metadata import metadata

run(metadata)
