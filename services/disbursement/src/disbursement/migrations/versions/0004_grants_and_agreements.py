"""Grants, what was received of them, and sub-grant agreements with their tranches.

FD005: the tranches do not make up the agreement's amount. FD012: tranches change after the draft.
"""

from alembic import op

from disbursement.migrations import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE funding_grant (
    id               uuid          PRIMARY KEY,
    sequence         varchar(15)   COLLATE "C" NOT NULL,
    source           text          NOT NULL CHECK (source IN ('cerf', 'donor', 'pooled_fund')),
    cerf_window      text
        CHECK (cerf_window IN ('rapid_response', 'underfunded_emergencies')),
    cerf_round       smallint      CHECK (cerf_round IN (1, 2)),
    code_text        text,
    project_code     text,
    application_code text,
    title            text          NOT NULL,
    country          text          NOT NULL,
    emergency        text          CHECK (emergency ~ '^[A-Z0-9]+(-[A-Z0-9]+)*$'),
    amount           numeric(19,4) NOT NULL CHECK (amount > 0),
    currency         text          NOT NULL,
    funders          jsonb         NOT NULL,
    approved_on      date,
    disbursed_on     date,
    ends_on          date,
    ends_source      text,
    registered_at    timestamptz   NOT NULL,
    CHECK ((source = 'cerf') = (cerf_window IS NOT NULL)),
    CHECK (cerf_round IS NULL OR cerf_window = 'underfunded_emergencies'),
    CHECK (cerf_round IS NULL OR approved_on IS NOT NULL)
);
CREATE INDEX funding_grant_of_country ON funding_grant (country, id);
CREATE INDEX funding_grant_of_project_code ON funding_grant (project_code)
    WHERE project_code IS NOT NULL;
CREATE INDEX funding_grant_of_application_code ON funding_grant (application_code)
    WHERE application_code IS NOT NULL;

COMMENT ON COLUMN funding_grant.code_text IS 'as received; real codes are dirty, and never a key';
COMMENT ON COLUMN funding_grant.disbursed_on
    IS 'when the fund paid the agency; deadlines count from here, or from the year of approval';

CREATE TABLE grant_receipt (
    id          uuid          PRIMARY KEY,
    grant_id    uuid          NOT NULL REFERENCES funding_grant (id),
    amount      numeric(19,4) NOT NULL CHECK (amount > 0),
    currency    text          NOT NULL,
    received_on date          NOT NULL,
    reference   text,
    recorded_at timestamptz   NOT NULL
);
CREATE INDEX grant_receipt_of_grant ON grant_receipt (grant_id, id);
CREATE TRIGGER grant_receipt_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_receipt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE agreement (
    id            uuid          PRIMARY KEY,
    sequence      varchar(15)   COLLATE "C" NOT NULL,
    grant_id      uuid          NOT NULL REFERENCES funding_grant (id),
    partner_id    uuid          NOT NULL,
    country       text          NOT NULL,
    type          text          NOT NULL CHECK (type IN ('standard', 'simplified', 'contingency')),
    status        text          NOT NULL
        CHECK (status IN ('draft', 'review', 'signature', 'signed', 'active',
                                    'suspended', 'ended', 'closed', 'terminated', 'cancelled')),
    amount        numeric(19,4) NOT NULL CHECK (amount > 0),
    currency      text          NOT NULL,
    selection     text          NOT NULL CHECK (selection IN ('open_call', 'direct')),
    justification text,
    starts_on     date          NOT NULL,
    ends_on       date          NOT NULL,
    signed_on     date,
    activated_on  date,
    drafted_at    timestamptz   NOT NULL,
    CHECK (ends_on >= starts_on),
    CHECK ((selection = 'direct') = (justification IS NOT NULL))
);
CREATE INDEX agreement_of_grant ON agreement (grant_id, id);
CREATE INDEX agreement_of_partner ON agreement (partner_id, id);
CREATE INDEX agreement_of_country ON agreement (country, id);
CREATE INDEX agreement_of_status ON agreement (status, id);

CREATE TABLE agreement_tranche (
    agreement_id uuid          NOT NULL REFERENCES agreement (id),
    number       smallint      NOT NULL CHECK (number BETWEEN 1 AND 24),
    amount       numeric(19,4) NOT NULL CHECK (amount > 0),
    planned_on   date,
    PRIMARY KEY (agreement_id, number)
);

CREATE FUNCTION agreement_check(checked uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM agreement a WHERE a.id = checked AND a.amount IS DISTINCT FROM
               (SELECT sum(t.amount) FROM agreement_tranche t WHERE t.agreement_id = checked)) THEN
        RAISE EXCEPTION 'the tranches of agreement % do not make up its amount', checked
            USING ERRCODE = 'FD005';
    END IF;
END $$;
CREATE FUNCTION agreement_check_amount() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM agreement_check(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION agreement_check_tranche() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM agreement_check(OLD.agreement_id); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM agreement_check(NEW.agreement_id); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER agreement_amount_is_its_tranches AFTER INSERT
    OR UPDATE OF amount ON agreement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION agreement_check_amount();
CREATE CONSTRAINT TRIGGER agreement_tranches_are_its_amount
    AFTER INSERT OR UPDATE OR DELETE ON agreement_tranche
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION agreement_check_tranche();

-- Payments rest on what was signed: who is paid, from which grant and where cannot change under
-- them.
CREATE TRIGGER agreement_keeps_parties
    BEFORE UPDATE OF grant_id, partner_id, country, currency ON agreement
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER agreement_tranche_keeps_rows BEFORE TRUNCATE ON agreement_tranche
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is reviewed, signed and paid is what was drafted.
CREATE FUNCTION agreement_tranche_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM agreement a
               WHERE a.id IN (OLD.agreement_id, NEW.agreement_id) AND a.status <> 'draft') THEN
        RAISE EXCEPTION 'tranches change in a draft only: % is refused', TG_OP
            USING ERRCODE = 'FD012';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_tranche_of_a_draft BEFORE INSERT OR UPDATE OR DELETE ON agreement_tranche
    FOR EACH ROW EXECUTE FUNCTION agreement_tranche_guard();
"""


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    run_script(op, SQL)
