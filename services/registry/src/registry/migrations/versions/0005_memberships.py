"""Our copy of coordination's memberships, to show them beside a partner."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE membership_mirror (
            id           uuid PRIMARY KEY,
            sequence     varchar(15) COLLATE "C" NOT NULL,
            readable     boolean NOT NULL DEFAULT true,
            gone         boolean NOT NULL DEFAULT false,
            seen_at      timestamptz NOT NULL DEFAULT now(),
            partner_id   uuid,
            cluster_code text,
            country      text,
            role         text,
            status       text,
            joined_on    date,
            left_on      date
        )
        """
    )
    op.execute("CREATE INDEX membership_mirror_of ON membership_mirror (partner_id, id)")
