"""Payments, their revisions, submissions, approvals, holds, instructions and evidence.

Four eyes are kept here, not in code: FD006 an author or submitter who would approve, FD007 an
approval of another payload, FD008 a payment that goes on without its approvals, FD009 an unknown
payment closed, or money freed, without a second person, FD010 a payment that goes on while
something holds it, FD013 a payment closed while evidence that waits says otherwise.
"""

from alembic import op

from disbursement.migrations import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PAYMENT = """
CREATE TABLE payment (
    id                 uuid          PRIMARY KEY,
    sequence           varchar(15)   COLLATE "C" NOT NULL,
    agreement_id       uuid          NOT NULL,
    tranche            smallint      NOT NULL,
    grant_id           uuid          NOT NULL REFERENCES funding_grant (id),
    partner_id         uuid          NOT NULL,
    country            text          NOT NULL,
    amount             numeric(19,4) NOT NULL CHECK (amount > 0),
    currency           text          NOT NULL,
    status             text          NOT NULL
        CHECK (status IN ('draft', 'submitted', 'approved', 'released', 'sent', 'settled',
                          'failed', 'unknown', 'returned', 'held', 'withdrawn')),
    held_from          text          CHECK (held_from IN ('submitted', 'approved', 'released')),
    revision           integer       NOT NULL CHECK (revision >= 1),
    payload_hash       text          NOT NULL CHECK (payload_hash ~ '^[0-9a-f]{64}$'),
    account_id         uuid,
    account_version    integer       CHECK (account_version >= 1),
    approvals_required smallint      NOT NULL CHECK (approvals_required >= 1),
    approvals_given    smallint      NOT NULL CHECK (approvals_given >= 0),
    submitted_at       timestamptz   NOT NULL,
    released_at        timestamptz,
    sent_at            timestamptz,
    settled_on         date,
    returned_on        date,
    failure_code       text,
    confirmed_on       date,
    CHECK ((status = 'held') = (held_from IS NOT NULL)),
    CHECK ((account_id IS NULL) = (account_version IS NULL)),
    CHECK (returned_on >= settled_on),
    FOREIGN KEY (agreement_id, tranche) REFERENCES agreement_tranche (agreement_id, number)
) WITH (fillfactor = 70);

-- A tranche is paid once: another payment only after the first one failed, came back or was given
-- up.
CREATE UNIQUE INDEX payment_one_per_tranche ON payment (agreement_id, tranche)
    WHERE status NOT IN ('failed', 'returned', 'withdrawn');
CREATE INDEX payment_of_agreement ON payment (agreement_id, id);
CREATE INDEX payment_of_grant ON payment (grant_id, id);
CREATE INDEX payment_of_country ON payment (country, id);
CREATE INDEX payment_of_partner ON payment (partner_id, id);
CREATE INDEX payment_of_status ON payment (status, id);

CREATE TRIGGER payment_keeps_parties
    BEFORE UPDATE OF agreement_id, tranche, grant_id, partner_id, country, amount,
        currency ON payment
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payment_keeps_rows BEFORE DELETE OR TRUNCATE ON payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

APPROVALS = """
CREATE TABLE payment_revision (
    payment_id      uuid        NOT NULL REFERENCES payment (id),
    revision        integer     NOT NULL CHECK (revision >= 1),
    author          text        NOT NULL,
    made_at         timestamptz NOT NULL,
    payload_hash    text        NOT NULL,
    account_id      uuid,
    account_version integer,
    PRIMARY KEY (payment_id, revision)
);

CREATE TABLE payment_submission (
    payment_id         uuid        NOT NULL,
    revision           integer     NOT NULL,
    submitter          text        NOT NULL,
    submitted_at       timestamptz NOT NULL,
    approvals_required smallint    NOT NULL CHECK (approvals_required >= 1),
    approver_roles     text[]      NOT NULL,
    PRIMARY KEY (payment_id, revision),
    FOREIGN KEY (payment_id, revision) REFERENCES payment_revision (payment_id, revision)
);
COMMENT ON TABLE payment_submission
    IS 'the approval policy as it stood when the revision was submitted';

CREATE TABLE payment_approval (
    payment_id   uuid        NOT NULL,
    revision     integer     NOT NULL,
    person       text        NOT NULL,
    action       text        NOT NULL CHECK (action IN ('approved', 'rejected')),
    payload_hash text        NOT NULL,
    acted_at     timestamptz NOT NULL,
    CONSTRAINT payment_approval_once PRIMARY KEY (payment_id, revision, person),
    FOREIGN KEY (payment_id, revision) REFERENCES payment_submission (payment_id, revision)
);

CREATE FUNCTION payment_four_eyes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM payment_revision r
               WHERE r.payment_id = NEW.payment_id AND r.author = NEW.person)
    OR EXISTS (SELECT 1 FROM payment_submission s
               WHERE s.payment_id = NEW.payment_id AND s.submitter = NEW.person) THEN
        RAISE EXCEPTION 'whoever wrote or submitted a payment does not decide on it'
            USING ERRCODE = 'FD006';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM payment_revision r
                   WHERE r.payment_id = NEW.payment_id AND r.revision = NEW.revision
                     AND r.payload_hash = NEW.payload_hash) THEN
        RAISE EXCEPTION 'this is not the payload of that revision' USING ERRCODE = 'FD007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_approval_takes_four_eyes BEFORE INSERT ON payment_approval
    FOR EACH ROW EXECUTE FUNCTION payment_four_eyes();

CREATE TRIGGER payment_revision_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_revision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payment_submission_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payment_submission
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payment_approval_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_approval
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

AFTER_APPROVAL = """
CREATE TABLE payment_hold (
    id          uuid        PRIMARY KEY,
    payment_id  uuid        NOT NULL REFERENCES payment (id),
    cause       text        NOT NULL CHECK (cause IN ('person', 'partner_ineligible')),
    took_effect boolean     NOT NULL,
    placed_at   timestamptz NOT NULL,
    placed_by   text        NOT NULL,
    lifted_at   timestamptz,
    lifted_by   text,
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
    CONSTRAINT payment_hold_ineligible_by_the_service CHECK (cause <> 'partner_ineligible' OR
        placed_by = 'system:disbursement' AND coalesce(lifted_by, placed_by) = placed_by)
);
CREATE UNIQUE INDEX payment_hold_open ON payment_hold (payment_id, cause) WHERE lifted_at IS NULL;
CREATE INDEX payment_hold_of_payment ON payment_hold (payment_id, id);
CREATE TRIGGER payment_hold_keeps_rows BEFORE DELETE OR TRUNCATE ON payment_hold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payment_hold_lifts_once BEFORE UPDATE ON payment_hold
    FOR EACH ROW WHEN (OLD.lifted_at IS NOT NULL OR
        (OLD.payment_id, OLD.cause, OLD.took_effect, OLD.placed_at, OLD.placed_by) IS DISTINCT FROM
        (NEW.payment_id, NEW.cause, NEW.took_effect, NEW.placed_at, NEW.placed_by))
    EXECUTE FUNCTION refuse_change();
COMMENT ON COLUMN payment_hold.took_effect
    IS 'false: the payment had left already when the cause came up';

CREATE TABLE payment_instruction (
    payment_id     uuid        PRIMARY KEY REFERENCES payment (id),
    message_id     text        NOT NULL UNIQUE CHECK (length(message_id) <= 35),
    payload_hash   text        NOT NULL,
    content        bytea       NOT NULL,
    handed_over_at timestamptz NOT NULL,
    handed_over_by text        NOT NULL
);
CREATE TRIGGER payment_instruction_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payment_instruction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE payment_instruction
    IS 'committed before anything leaves: what is sent again is exactly this';

CREATE TABLE payment_evidence (
    id           uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL REFERENCES payment (id),
    outcome      text        NOT NULL
        CHECK (outcome IN ('settled', 'failed', 'unknown', 'returned')),
    kind         text        NOT NULL,
    reference    text,
    reason_code  text,
    status_code  text,
    occurred_on  date        NOT NULL,
    recorded_at  timestamptz NOT NULL,
    recorded_by  text        NOT NULL,
    standing     text        NOT NULL
        CHECK (standing IN ('waiting', 'effective', 'recorded', 'dismissed')),
    confirmed_at timestamptz,
    confirmed_by text,
    dismissed_at timestamptz,
    dismissed_by text,
    CHECK ((confirmed_at IS NULL) = (confirmed_by IS NULL)),
    CHECK (confirmed_by IS NULL OR standing = 'effective'),
    CHECK ((dismissed_at IS NULL) = (dismissed_by IS NULL)),
    CHECK ((dismissed_by IS NULL) = (standing <> 'dismissed')),
    CONSTRAINT payment_evidence_second_person CHECK (confirmed_by <> recorded_by),
    CONSTRAINT payment_evidence_dismissed_by_another CHECK (dismissed_by <> recorded_by)
);
COMMENT ON COLUMN payment_evidence.standing IS 'waiting for a second person; effective; recorded: '
    'the outcome stood already; dismissed';
CREATE INDEX payment_evidence_of_payment ON payment_evidence (payment_id, id);
CREATE TRIGGER payment_evidence_keeps_rows BEFORE DELETE OR TRUNCATE ON payment_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payment_evidence_decided_once BEFORE UPDATE ON payment_evidence
    FOR EACH ROW WHEN (OLD.standing <> 'waiting' OR
        (OLD.payment_id, OLD.outcome, OLD.kind, OLD.reference, OLD.reason_code, OLD.status_code,
         OLD.occurred_on, OLD.recorded_at, OLD.recorded_by) IS DISTINCT FROM
        (NEW.payment_id, NEW.outcome, NEW.kind, NEW.reference, NEW.reason_code, NEW.status_code,
         NEW.occurred_on, NEW.recorded_at, NEW.recorded_by))
    EXECUTE FUNCTION refuse_change();

CREATE FUNCTION payment_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM payment_submission s
                   WHERE s.payment_id = NEW.id AND s.revision = NEW.revision
                       AND s.approvals_required <=
                     (SELECT count(*) FROM payment_approval a WHERE a.payment_id = s.payment_id
                        AND a.revision = s.revision AND a.payload_hash = NEW.payload_hash
                        AND a.action = 'approved')) THEN
        RAISE EXCEPTION 'payment % lacks approvals to be %', NEW.id, NEW.status
            USING ERRCODE = 'FD008';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.status = 'unknown' OR NEW.status IN ('failed', 'returned'))
            AND NEW.status <> OLD.status AND NOT EXISTS (
            SELECT 1 FROM payment_evidence e WHERE e.payment_id = NEW.id AND e.outcome = NEW.status
                AND e.confirmed_by IS NOT NULL) THEN
            RAISE EXCEPTION 'what frees money takes evidence and a second person'
                USING ERRCODE = 'FD009';
        END IF;
        IF NEW.status IN ('settled', 'failed', 'returned') AND NEW.status <> OLD.status AND EXISTS (
            SELECT 1 FROM payment_evidence e WHERE e.payment_id = NEW.id AND e.standing = 'waiting'
                AND e.outcome NOT IN (NEW.status, 'unknown')) THEN
            RAISE EXCEPTION 'evidence that waits says otherwise than %', NEW.status
                USING ERRCODE = 'FD013';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_starts_without_approvals BEFORE INSERT ON payment
    FOR EACH ROW WHEN (NEW.status <> 'submitted') EXECUTE FUNCTION payment_guard();
CREATE TRIGGER payment_goes_on_with_approvals BEFORE UPDATE OF status, revision,
    payload_hash ON payment
    FOR EACH ROW WHEN (NEW.status NOT IN ('draft', 'submitted', 'held', 'withdrawn')
        OR OLD.status = 'unknown')
    EXECUTE FUNCTION payment_guard();

CREATE FUNCTION payment_guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM payment_hold h
               WHERE h.payment_id = NEW.id AND h.lifted_at IS NULL AND h.took_effect) THEN
        RAISE EXCEPTION 'payment % is still held', NEW.id USING ERRCODE = 'FD010';
    END IF;
    RETURN NEW;
END $$;
-- Back to a draft it may: its holds stay open, and a draft moves nothing.
CREATE TRIGGER payment_goes_on_without_holds BEFORE UPDATE OF status ON payment
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status IN ('submitted', 'approved', 'released', 'sent'))
    EXECUTE FUNCTION payment_guard_hold();
"""


def upgrade() -> None:
    """Forward only: a mistake is mended by the next revision."""
    for script in (PAYMENT, APPROVALS, AFTER_APPROVAL):
        run_script(op, script)
