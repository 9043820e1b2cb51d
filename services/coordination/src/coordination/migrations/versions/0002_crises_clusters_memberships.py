"""Crises, clusters, memberships, and the mirror of partners."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE crisis (
        id        uuid        PRIMARY KEY,
        sequence  varchar(15) COLLATE "C" NOT NULL,
        glide     text,
        name      text        NOT NULL,
        onset_on  date        NOT NULL,
        countries text[]      NOT NULL CHECK (cardinality(countries) > 0),
        status    text        NOT NULL CHECK (status IN ('open', 'closed'))
    )
    """,
    "CREATE UNIQUE INDEX crisis_glide_once ON crisis (glide)",
    """
    CREATE TABLE cluster (
        id             uuid        PRIMARY KEY,
        sequence       varchar(15) COLLATE "C" NOT NULL,
        crisis_id      uuid        REFERENCES crisis,
        code           text        NOT NULL,
        country        text        NOT NULL,
        status         text        NOT NULL
            CHECK (status IN ('activated', 'transitioning', 'deactivated')),
        setting        text        CHECK (setting IN ('conflict', 'disaster')),
        lead_agencies  text[]      NOT NULL CHECK (cardinality(lead_agencies) > 0),
        joinability    text        NOT NULL CHECK (joinability IN ('open', 'moderated', 'invite')),
        activated_on   date        NOT NULL,
        deactivated_on date,
        CHECK ((status = 'deactivated') = (deactivated_on IS NOT NULL)),
        UNIQUE (id, code, country)
    )
    """,
    """
    CREATE UNIQUE INDEX cluster_live_once ON cluster (country, code) WHERE status <> 'deactivated'
    """,
    "CREATE INDEX cluster_crisis ON cluster (crisis_id)",
    # A seat repeats its cluster's code and country, which never change; the key keeps them true.
    """
    CREATE TABLE membership (
        id                  uuid        PRIMARY KEY,
        sequence            varchar(15) COLLATE "C" NOT NULL,
        partner_id          uuid        NOT NULL,
        cluster_id          uuid        NOT NULL,
        code                text        NOT NULL,
        country             text        NOT NULL,
        role                text        NOT NULL
            CHECK (role IN ('lead_agency', 'co_coordinator', 'member', 'observer')),
        status              text        NOT NULL
            CHECK (status IN ('requested', 'invited', 'active', 'dormant', 'suspended', 'declined',
                              'rejected', 'left')),
        suspended_for       text[]      NOT NULL
            CHECK (suspended_for <@ ARRAY['partner_ineligible', 'cluster_decision']),
        before              text        CHECK (before IN ('active', 'dormant')),
        commitments_version integer     CHECK (commitments_version > 0),
        joined_on           date,
        left_on             date,
        FOREIGN KEY (cluster_id, code, country) REFERENCES cluster (id, code, country),
        CHECK (status <> 'suspended' OR cardinality(suspended_for) > 0),
        CHECK (status = 'suspended' OR suspended_for = '{}'
               OR status = 'left' AND suspended_for = '{cluster_decision}'),
        CHECK ((status = 'suspended') = (before IS NOT NULL)),
        CHECK ((status = 'left') = (left_on IS NOT NULL)),
        CHECK (joined_on IS NOT NULL OR status NOT IN ('active', 'dormant', 'suspended', 'left')),
        CHECK (commitments_version IS NOT NULL OR role = 'observer'
               OR status NOT IN ('active', 'dormant', 'suspended'))
    )
    """,
    """
    CREATE UNIQUE INDEX membership_live_once ON membership (cluster_id, partner_id)
        WHERE status NOT IN ('declined', 'rejected', 'left')
    """,
    """
    CREATE UNIQUE INDEX membership_one_lead ON membership (cluster_id)
        WHERE role = 'lead_agency' AND status IN ('active', 'dormant', 'suspended')
    """,
    # Every list is in the order of ids, by one of these.
    "CREATE INDEX membership_partner ON membership (partner_id, id)",
    "CREATE INDEX membership_cluster ON membership (cluster_id, id)",
    "CREATE INDEX membership_country ON membership (country, id)",
    "CREATE INDEX membership_status ON membership (status, id)",
    """
    CREATE TABLE partner_mirror (
        id                  uuid        PRIMARY KEY,
        sequence            varchar(15) COLLATE "C" NOT NULL,
        readable            boolean     NOT NULL DEFAULT true,
        gone                boolean     NOT NULL DEFAULT false,
        seen_at             timestamptz NOT NULL DEFAULT now(),
        legal_name          text,
        acronym             text,
        kind                text,
        country             text,
        countries           text[],
        local               text,
        status              text,
        eligibility         text,
        eligibility_reasons text[],
        eligible_until      date
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE INDEX partner_mirror_local ON partner_mirror (country)
        WHERE local = 'yes' AND readable AND NOT gone
    """,
    "CREATE INDEX partner_mirror_until ON partner_mirror (eligible_until)",
)


def upgrade() -> None:
    """The service's own tables; the rules that a row can show are kept by the database as well."""
    for statement in STATEMENTS:
        op.execute(statement)
