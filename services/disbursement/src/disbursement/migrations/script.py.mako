"""${message}

Works while the previous release is still up: expand first, contract in a later revision.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    ${upgrades if upgrades else "pass"}
