"""What every service has: the journal, idempotency keys, the state of mirrors."""

from alembic import op

from common.db import foundation

revision = "0001"
down_revision = None


def upgrade() -> None:
    """An empty database becomes a service's."""
    foundation.create(op)
