"""What every service has: journal, idempotency, mirrors."""

from alembic import op

from common.db import foundation

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    foundation.create(op)
