-- What a service keeps about the topics it follows. Run once per service, by its first migration.
-- The mirrors themselves are tables of the services; see common.mirrors.mirror.

-- How far each partition was read, in the same transaction as what was read. One cluster per topic:
-- adopting another one removes these rows and reads from the beginning.
CREATE TABLE mirror_partition (
    cluster_id         text        NOT NULL,
    topic              text        NOT NULL,
    partition          integer     NOT NULL CHECK (partition >= 0),
    next_offset        bigint      NOT NULL CHECK (next_offset >= 0),
    watermark_epoch    integer,
    watermark_position bigint,
    watermark_hash     text,
    watermark_at       timestamptz,
    whole_epoch        integer,
    born               timestamptz,
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, topic, partition)
) WITH (fillfactor = 50);

COMMENT ON COLUMN mirror_partition.watermark_at IS
    'the earlier of the publisher''s and the broker''s time of the last watermark processed';

COMMENT ON COLUMN mirror_partition.whole_epoch IS
    'everything that the owner has was said under this epoch: rows of lower ones are no more';
COMMENT ON COLUMN mirror_partition.born IS
    'when the topic was, by its watermarks: the offsets of one born earlier mean nothing in a later one';

-- A row here is a duty: its consequences are not yet drawn. One row per reaction and mirror row.
CREATE TABLE reaction_due (
    reaction     text        NOT NULL,
    id           uuid        NOT NULL,
    generation   bigint      NOT NULL DEFAULT 1,
    due_since    timestamptz NOT NULL DEFAULT now(),
    not_before   timestamptz NOT NULL DEFAULT now(),
    waiting      boolean     NOT NULL DEFAULT false,
    attempts     integer     NOT NULL DEFAULT 0,
    error        text,
    causation_id text,
    traceparent  text,
    PRIMARY KEY (reaction, id)
) WITH (fillfactor = 70);
CREATE INDEX reaction_due_next ON reaction_due (waiting, not_before);

COMMENT ON COLUMN reaction_due.generation IS 'rises each time it becomes due again';
COMMENT ON COLUMN reaction_due.waiting IS 'it would loosen something: asked again once the mirror is fresh';

-- Records that could not be read, as they came. An open one (resolved_at is null) keeps its mirror row
-- unreadable, which counts as ineligible.
CREATE TABLE parked (
    cluster_id    text        NOT NULL,
    topic         text        NOT NULL,
    partition     integer     NOT NULL,
    "offset"      bigint      NOT NULL,
    key           bytea,
    id            uuid,
    sequence      varchar(15) COLLATE "C",
    headers       jsonb       NOT NULL,
    value         bytea,
    timestamp_ms  bigint      NOT NULL,
    error         text        NOT NULL,
    parked_at     timestamptz NOT NULL DEFAULT now(),
    attempts      integer     NOT NULL DEFAULT 1,
    resolved_at   timestamptz,
    resolution    text CHECK (resolution IN ('superseded', 'redriven', 'dismissed')),
    PRIMARY KEY (cluster_id, topic, partition, "offset"),
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE INDEX parked_open ON parked (topic, id) WHERE resolved_at IS NULL;

COMMENT ON COLUMN parked.id IS 'the key as a UUID; null when it is none, and then no mirror row is closed';
COMMENT ON COLUMN parked.headers IS 'pairs of name and value in base64, in their order';
