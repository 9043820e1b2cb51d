"""The ledger: double entry that the database itself keeps, whoever writes.

Refusals have states of their own: FD001 append-only, FD002 does not sum to zero or has no entries,
FD003 no such account, FD004 a balance set by hand.
"""

from alembic import op

from disbursement.migrations import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'FD001';
END $$;

CREATE TABLE ledger_transaction (
    id           uuid        PRIMARY KEY,
    grant_id     uuid        NOT NULL,
    agreement_id uuid,
    payment_id   uuid,
    kind         text        NOT NULL,
    occurred_at  timestamptz NOT NULL
);
CREATE INDEX ledger_transaction_of_grant ON ledger_transaction (grant_id, id);
CREATE INDEX ledger_transaction_of_payment
    ON ledger_transaction (payment_id) WHERE payment_id IS NOT NULL;

CREATE TABLE ledger_entry (
    id             bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid          NOT NULL REFERENCES ledger_transaction (id),
    owner          uuid          NOT NULL,
    purse          text          NOT NULL,
    amount         numeric(19,4) NOT NULL CHECK (amount <> 0),
    currency       text          NOT NULL
);
CREATE INDEX ledger_entry_of_transaction ON ledger_entry (transaction_id);
CREATE INDEX ledger_entry_of_account ON ledger_entry (owner, purse);

CREATE TABLE ledger_balance (
    owner    uuid          NOT NULL,
    purse    text          NOT NULL CHECK (purse IN
        ('received', 'available', 'committed', 'earmarked', 'reserved', 'in_transit', 'paid')),
    grant_id uuid          NOT NULL,
    currency text          NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    balance  numeric(19,4) NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, purse),
    CONSTRAINT ledger_balance_not_overdrawn CHECK (balance >= 0 OR purse = 'received')
) WITH (fillfactor = 50);
CREATE INDEX ledger_balance_of_grant ON ledger_balance (grant_id);

COMMENT ON COLUMN ledger_balance.owner
    IS 'a grant (received, available) or an agreement (the others)';

-- The entries of one statement sum to zero, movement by movement, and keep the balances: one update
-- per account, in account order, so that two statements on the same accounts queue and never
-- deadlock.
CREATE FUNCTION ledger_keep_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unequal uuid;
    account record;
BEGIN
    SELECT transaction_id INTO unequal FROM posted
        GROUP BY transaction_id, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', unequal
            USING ERRCODE = 'FD002';
    END IF;
    FOR account IN SELECT owner, purse, currency, sum(amount) AS moved FROM posted
        GROUP BY owner, purse, currency ORDER BY owner, purse
    LOOP
        UPDATE ledger_balance SET balance = balance + account.moved
            WHERE (owner, purse, currency) = (account.owner, account.purse, account.currency);
        IF NOT FOUND THEN
            RAISE EXCEPTION '% has no purse % that is open in %', account.owner, account.purse,
                account.currency
                USING ERRCODE = 'FD003';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_keeps_balances AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep_balances();

-- Looked at when the transaction commits: by then its entries must be there.
CREATE FUNCTION ledger_check_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_entry WHERE transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id USING ERRCODE = 'FD002';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_transaction_has_entries AFTER INSERT ON ledger_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transaction();

CREATE TRIGGER ledger_transaction_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE
    ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entry_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A balance changes by entries only: depth 1 is somebody's own statement, depth 2 the trigger
-- above.
CREATE FUNCTION ledger_guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'balances follow from entries: % is refused', TG_OP USING ERRCODE = 'FD004';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_balance_follows_entries BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_guard_balance();
CREATE FUNCTION ledger_refuse_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account opens empty' USING ERRCODE = 'FD004';
END $$;
CREATE TRIGGER ledger_balance_opens_empty BEFORE INSERT ON ledger_balance
    FOR EACH ROW WHEN (NEW.balance <> 0) EXECUTE FUNCTION ledger_refuse_start();
"""


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    run_script(op, SQL)
