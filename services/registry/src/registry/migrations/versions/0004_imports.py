"""Reports of imports."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE partner_import (
            id          uuid PRIMARY KEY,
            state       text NOT NULL CHECK (state IN ('loaded', 'refused', 'tried')),
            country     text NOT NULL,
            skip_wrong  boolean NOT NULL,
            entered     integer NOT NULL,
            unchanged   integer NOT NULL,
            skipped     integer NOT NULL,
            wrong       integer NOT NULL,
            problems    jsonb NOT NULL,
            imported_by text NOT NULL,
            imported_at timestamptz NOT NULL
        )
        """
    )
