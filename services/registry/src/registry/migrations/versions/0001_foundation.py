"""Journal, idempotency and mirrors: what every service has."""

from alembic import op

from common.db import foundation

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    foundation.create(op)
