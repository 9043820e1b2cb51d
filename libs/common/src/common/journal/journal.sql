-- The journal and what belongs to it. Run once per service, by its first migration.

CREATE TABLE journal (
    entry          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid        NOT NULL UNIQUE,
    stream_type    text        NOT NULL,
    stream         uuid        NOT NULL,
    epoch          integer     NOT NULL CHECK (epoch BETWEEN 1 AND 9999),
    version        bigint      NOT NULL CHECK (version BETWEEN 1 AND 9999999999),
    type           text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    actor          text        NOT NULL,
    reason         text        CHECK (reason ~ '^[a-z0-9][a-z0-9_.:-]{0,63}$'),
    correlation_id text        NOT NULL,
    causation_id   text,
    traceparent    text,
    data           jsonb       NOT NULL,
    private        bytea,
    hash_version   smallint    NOT NULL DEFAULT 1,
    UNIQUE (stream, epoch, version)
);

COMMENT ON COLUMN journal.entry IS 'order of insertion; commits may come in another order, so no feed cursor';
COMMENT ON COLUMN journal.reason IS 'a coarse code, kept in clear; written reasons belong into private';
COMMENT ON COLUMN journal.data IS 'what leaves: {"<aggregate>": full public state, "change": what happened}';
COMMENT ON COLUMN journal.private IS 'what auditors need and subscribers must not see; encrypted under stream_key';

-- The rows that the sealer has not come to; `journal_note` notes them.
CREATE TABLE journal_unsealed (
    entry bigint PRIMARY KEY
);

-- Each row's place in the feed and link in the chain. They lie beside the journal, so that no row of
-- it is ever written again: in it, sealing would write every row, large as it is, a second time.
CREATE TABLE journal_seal (
    position bigint PRIMARY KEY CHECK (position > 0),
    entry    bigint NOT NULL UNIQUE,
    hash     bytea  NOT NULL CHECK (octet_length(hash) = 32)
);

COMMENT ON COLUMN journal_seal.position IS 'gap-free order of the feed, given by the sealer';

-- Both views are for whoever goes along the feed or the rows that wait. LIMIT holds the planner to a
-- look for each of them: a plan made while the journal was small would read all of it for every page.
-- Who goes along streams joins the two tables instead.
CREATE VIEW sealed WITH (security_invoker = true) AS
    SELECT position, hash, seal.entry, id, stream_type, stream, epoch, version, type, occurred_at,
           actor, reason, correlation_id, causation_id, traceparent, data, private, hash_version
    FROM journal_seal AS seal
    CROSS JOIN LATERAL (SELECT * FROM journal WHERE entry = seal.entry LIMIT 1) AS found;

CREATE VIEW unsealed WITH (security_invoker = true) AS
    SELECT waiting.entry, id, stream_type, stream, epoch, version, type, occurred_at, actor, reason,
           correlation_id, causation_id, traceparent, data, private, hash_version
    FROM journal_unsealed AS waiting
    CROSS JOIN LATERAL (SELECT * FROM journal WHERE entry = waiting.entry LIMIT 1) AS found;

-- The end of the chain. Its row lock makes sealing a thing one process does at a time.
CREATE TABLE journal_head (
    only_row  boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    position  bigint      NOT NULL,
    hash      bytea       NOT NULL,
    sealed_at timestamptz
);
INSERT INTO journal_head (position, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- Where the newest sealed row of each stream lies: lists ask it what changed since a position, which
-- the journal would answer with every step in between. The sealer keeps it.
CREATE TABLE journal_latest (
    stream      uuid   PRIMARY KEY,
    stream_type text   NOT NULL,
    position    bigint NOT NULL
);
CREATE UNIQUE INDEX journal_latest_in_order
    ON journal_latest (stream_type, position) INCLUDE (stream);

-- 1 until this database goes back in time; kept apart from the head, which changes all the time.
CREATE TABLE journal_epoch (
    only_row  boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch     integer     NOT NULL CHECK (epoch BETWEEN 1 AND 9999),
    position  bigint      NOT NULL DEFAULT 0,
    raised_at timestamptz,
    reason    text
);
INSERT INTO journal_epoch (epoch) VALUES (1);
COMMENT ON COLUMN journal_epoch.position IS 'where the sealed journal ended when the epoch was raised';

-- One data key per stream, wrapped by the service's master key; NULL once erased, and it stays so.
CREATE TABLE stream_key (
    stream  uuid PRIMARY KEY,
    wrapped bytea
);

-- Whoever follows the journal keeps its place here. A lease, not a session, makes a reader the only
-- one: a process that is frozen would hold a session for ever.
CREATE TABLE reader (
    name       text        PRIMARY KEY,
    position   bigint      NOT NULL DEFAULT 0,
    cluster_id text,
    holder     uuid,
    lease_until timestamptz,
    moved_at   timestamptz,
    agreed_at  timestamptz
);
COMMENT ON COLUMN reader.agreed_at IS
    'when the other side was last seen to have nothing that this journal has not';

CREATE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: % is refused', TG_OP USING ERRCODE = 'FJ001';
END $$;

-- What must hold of a row when it is written.
CREATE FUNCTION journal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- 256 KiB as it leaves; this text form has blanks, at most half as much again.
    IF octet_length(NEW.data::text) > 393216 THEN
        RAISE EXCEPTION 'more data than one event may carry' USING ERRCODE = 'FJ002';
    END IF;
    IF NEW.epoch <> (SELECT epoch FROM journal_epoch) THEN
        RAISE EXCEPTION 'this database has entered another epoch' USING ERRCODE = 'FE001';
    END IF;
    RETURN NEW;
END $$;

-- Afterwards, when the rows are there: ON CONFLICT DO NOTHING runs what comes before for rows that
-- never are. As its owner, and for no trigger of others: whoever may write into the journal must not
-- be able to name rows for the sealer that are sealed already, for it would never get past them.
CREATE FUNCTION journal_note() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO journal_unsealed SELECT entry FROM added;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION journal_note() FROM PUBLIC;

CREATE TRIGGER journal_guards_inserts BEFORE INSERT ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_guard();
CREATE TRIGGER journal_notes_inserts AFTER INSERT ON journal
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION journal_note();
CREATE TRIGGER journal_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse();
CREATE TRIGGER journal_seal_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_seal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse();
