-- Answers remembered under an Idempotency-Key. Run once per service, by its first migration.

CREATE TABLE idempotency (
    subject     text        NOT NULL,
    operation   text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    authority   text        NOT NULL,
    status      smallint    NOT NULL,
    body        bytea       NOT NULL,
    etag        text,
    location    text,
    answered_at timestamptz NOT NULL,
    expires_at  timestamptz,
    PRIMARY KEY (subject, operation, key)
);

COMMENT ON COLUMN idempotency.authority IS 'where and for whom the subject could act then; a replay needs no less';
COMMENT ON COLUMN idempotency.expires_at IS 'NULL for what moves or promises money: never forgotten';

CREATE INDEX idempotency_expiring ON idempotency (expires_at) WHERE expires_at IS NOT NULL;

-- One round trip: take the key, or learn that it is taken; then see what stands under it. A plain
-- SELECT of both would look with a snapshot from before the lock and could miss an answer committed
-- in between; each statement of a volatile function takes a snapshot of its own.
CREATE FUNCTION idempotency_claim(
    p_lock bigint, p_subject text, p_operation text, p_key text, p_now timestamptz,
    OUT claimed boolean, OUT standing idempotency
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    claimed := pg_try_advisory_xact_lock(p_lock);
    IF claimed THEN
        SELECT * INTO standing FROM idempotency
        WHERE subject = p_subject AND operation = p_operation AND key = p_key
            AND (expires_at IS NULL OR expires_at > p_now);
    END IF;
END $$;
