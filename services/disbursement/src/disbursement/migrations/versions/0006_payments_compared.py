"""Who compared the payments with the bank after the database was put back, by epoch."""

from alembic import op

from disbursement.migrations import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE payments_compared (
    epoch       integer     PRIMARY KEY,
    compared_at timestamptz NOT NULL,
    compared_by text        NOT NULL
);
"""


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    run_script(op, SQL)
