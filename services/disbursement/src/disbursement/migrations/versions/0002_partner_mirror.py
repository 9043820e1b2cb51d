"""Our copy of the registry's partners."""

from alembic import op

from disbursement.migrations import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE partner_mirror (
    id             uuid        PRIMARY KEY,
    sequence       varchar(15) COLLATE "C" NOT NULL,
    readable       boolean     NOT NULL DEFAULT true,
    gone           boolean     NOT NULL DEFAULT false,
    seen_at        timestamptz NOT NULL DEFAULT now(),
    legal_name     text,
    kind           text,
    country        text,
    local          text,
    status         text,
    eligibility    text,
    eligible_until date
) WITH (fillfactor = 70);
"""


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    run_script(op, SQL)
