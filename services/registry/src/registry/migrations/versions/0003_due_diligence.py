"""Due diligence: documents, reasons in their place, declarations, profile, verifications."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE partner_document (
            id         uuid PRIMARY KEY,
            partner_id uuid NOT NULL REFERENCES partner (id),
            kind       text NOT NULL
                       CHECK (kind IN ('governing', 'registration', 'recommendation')),
            number     text,
            issued_on  date NOT NULL,
            expires_on date,
            added_by   text NOT NULL,
            added_at   timestamptz NOT NULL,
            removed_at timestamptz,
            CHECK (expires_on > issued_on)
        )
        """
    )
    op.execute("CREATE INDEX partner_document_of ON partner_document (partner_id)")
    op.execute(
        """
        CREATE TABLE partner_excuse (
            partner_id uuid NOT NULL REFERENCES partner (id),
            kind       text NOT NULL
                       CHECK (kind IN ('governing', 'registration', 'recommendation')),
            stated_by  text NOT NULL,
            stated_at  timestamptz NOT NULL,
            PRIMARY KEY (partner_id, kind)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE partner_declaration (
            partner_id  uuid NOT NULL REFERENCES partner (id),
            version     text NOT NULL,
            accepted_by text NOT NULL,
            accepted_at timestamptz NOT NULL,
            PRIMARY KEY (partner_id, version)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE partner_profile (
            partner_id uuid PRIMARY KEY REFERENCES partner (id),
            sections   jsonb NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE partner_verification (
            id                    uuid PRIMARY KEY,
            partner_id            uuid NOT NULL REFERENCES partner (id),
            certificate_seen      boolean NOT NULL,
            mandate_consistent    boolean NOT NULL,
            safeguards_in_place   boolean NOT NULL,
            other_risk            boolean NOT NULL,
            unacceptable_flag     boolean NOT NULL,
            verified              boolean NOT NULL GENERATED ALWAYS AS (
                certificate_seen AND mandate_consistent AND safeguards_in_place
                AND NOT other_risk AND NOT unacceptable_flag
            ) STORED,
            verified_by           text NOT NULL,
            verified_at           timestamptz NOT NULL,
            valid_until           date NOT NULL,
            documents             uuid[] NOT NULL,
            excused               text[] NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX partner_verification_of ON partner_verification (partner_id, id)")
    op.execute(
        """
        CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'FJ001';
        END $$
        """
    )
    for table in ("partner_verification", "partner_declaration"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()
            """
        )
