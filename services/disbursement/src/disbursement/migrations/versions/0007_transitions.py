"""Which state may follow which, kept by the database whoever writes.

FD011: a move that is not in the table. The rules hold the same table; a test compares the two.
"""

from alembic import op

from disbursement.migrations import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE transition (
    aggregate text NOT NULL,
    before    text NOT NULL,
    after     text NOT NULL,
    PRIMARY KEY (aggregate, before, after)
);

INSERT INTO transition (aggregate, before, after) VALUES
    ('agreement', 'draft', 'review'),
    ('agreement', 'draft', 'cancelled'),
    ('agreement', 'review', 'signature'),
    ('agreement', 'review', 'draft'),
    ('agreement', 'review', 'cancelled'),
    ('agreement', 'signature', 'signed'),
    ('agreement', 'signature', 'draft'),
    ('agreement', 'signature', 'cancelled'),
    ('agreement', 'signed', 'active'),
    ('agreement', 'signed', 'terminated'),
    ('agreement', 'active', 'suspended'),
    ('agreement', 'active', 'ended'),
    ('agreement', 'active', 'terminated'),
    ('agreement', 'suspended', 'active'),
    ('agreement', 'suspended', 'ended'),
    ('agreement', 'suspended', 'terminated'),
    ('agreement', 'ended', 'closed'),
    ('payment', 'draft', 'submitted'),
    ('payment', 'draft', 'withdrawn'),
    ('payment', 'submitted', 'approved'),
    ('payment', 'submitted', 'draft'),
    ('payment', 'submitted', 'held'),
    ('payment', 'approved', 'released'),
    ('payment', 'approved', 'draft'),
    ('payment', 'approved', 'held'),
    ('payment', 'released', 'sent'),
    ('payment', 'released', 'held'),
    ('payment', 'sent', 'settled'),
    ('payment', 'sent', 'failed'),
    ('payment', 'sent', 'unknown'),
    ('payment', 'unknown', 'settled'),
    ('payment', 'unknown', 'failed'),
    ('payment', 'settled', 'returned'),
    ('payment', 'held', 'submitted'),
    ('payment', 'held', 'approved'),
    ('payment', 'held', 'draft');

CREATE TRIGGER transition_keeps_rows BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON transition
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION must_be_a_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM transition t
                   WHERE (t.aggregate, t.before, t.after) = (TG_TABLE_NAME, OLD.status, NEW.status))
    THEN
        RAISE EXCEPTION '% % cannot become %', OLD.status, TG_TABLE_NAME, NEW.status
            USING ERRCODE = 'FD011';
    END IF;
    RETURN NEW;
END $$;
-- Fired by name, so after the guards that say more exactly what is amiss.
CREATE TRIGGER payment_makes_a_known_move BEFORE UPDATE OF status ON payment
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION must_be_a_transition();
CREATE TRIGGER agreement_makes_a_known_move BEFORE UPDATE OF status ON agreement
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION must_be_a_transition();
"""


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    run_script(op, SQL)
