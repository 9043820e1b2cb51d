"""Partners, their identifiers, and the words of their names."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATUSES = "draft submitted under_review active rejected suspended expired locked"
KINDS = (
    "international_ngo national_ngo local_ngo community_based_organization "
    "internationally_affiliated_ngo rcrc_national_society rcrc_international university_research "
    "philanthropic_foundation non_profit_media professional_association"
)


def one_of(words: str) -> str:
    return "(" + ", ".join(f"'{word}'" for word in words.split()) + ")"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(
        f"""
        CREATE TABLE partner (
            id                  uuid PRIMARY KEY,
            sequence            varchar(15) COLLATE "C" NOT NULL,
            kind                text NOT NULL CHECK (kind IN {one_of(KINDS)}),
            legal_name          text NOT NULL,
            normal_name         text COLLATE "C" NOT NULL CHECK (normal_name <> ''),
            acronym             text,
            other_names         jsonb NOT NULL,
            words               text[] NOT NULL,
            country             text NOT NULL CHECK (country ~ '^[A-Z]{{3}}$'),
            countries           text[] NOT NULL,
            seen_from           text[] NOT NULL
                                GENERATED ALWAYS AS (array_append(countries, country)) STORED,
            headquarters_id     uuid REFERENCES partner (id) CHECK (headquarters_id <> id),
            affiliation         text
                                CHECK (affiliation IN ('none', 'network', 'international_ngo')),
            led_by              text[] NOT NULL,
            identifiers         jsonb NOT NULL,
            registered_at       timestamptz NOT NULL,
            status              text NOT NULL CHECK (status IN {one_of(STATUSES)}),
            stood               text CHECK (stood IN {one_of(STATUSES)}),
            verified            boolean NOT NULL,
            holds_until         date,
            submitted_by        text,
            local_override      text CHECK (local_override IN ('yes', 'no', 'undetermined')),
            local               text NOT NULL CHECK (local IN ('yes', 'no', 'undetermined')),
            local_evidence      text[] NOT NULL,
            eligibility         text NOT NULL
                                CHECK (eligibility IN ('eligible', 'provisional', 'ineligible')),
            eligibility_reasons text[] NOT NULL,
            CONSTRAINT partner_name_once
                UNIQUE NULLS NOT DISTINCT (normal_name, country, headquarters_id),
            CONSTRAINT partner_locked_remembers CHECK ((status = 'locked') = (stood IS NOT NULL)),
            CONSTRAINT partner_eligible_is_earned
                CHECK (eligibility <> 'eligible' OR (status = 'active' AND verified)),
            CONSTRAINT partner_ineligible_says_why
                CHECK ((eligibility = 'ineligible') = (cardinality(eligibility_reasons) > 0))
        )
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX partner_office_once ON partner (headquarters_id, country)
            WHERE headquarters_id IS NOT NULL
        """
    )
    # Lists are ordered by name within each facet, so that a page is one short index scan.
    op.execute("CREATE INDEX partner_by_name ON partner (normal_name, id)")
    for facet in ("kind", "country", "status", "eligibility", "local"):
        op.execute(f"CREATE INDEX partner_by_{facet} ON partner ({facet}, normal_name, id)")
    # names go with kinds ("University of …"): walking a whole country by name finds one kind late
    op.execute(
        "CREATE INDEX partner_by_country_and_kind ON partner (country, kind, normal_name, id)"
    )
    op.execute("CREATE INDEX partner_words ON partner USING gin (words)")
    op.execute("CREATE INDEX partner_works_in ON partner USING gin (countries)")
    op.execute("CREATE INDEX partner_seen_from ON partner USING gin (seen_from)")
    op.execute("CREATE INDEX partner_lapsing ON partner (holds_until, id) WHERE status = 'active'")
    # `country`: '*' where the scheme numbers the whole world. Two countries may give one number.
    op.execute(
        """
        CREATE TABLE partner_identifier (
            scheme     text NOT NULL,
            country    text NOT NULL CHECK (country ~ '^([A-Z]{3}|[*])$'),
            value      text NOT NULL,
            partner_id uuid NOT NULL REFERENCES partner (id),
            PRIMARY KEY (scheme, country, value)
        )
        """
    )
    op.execute("CREATE INDEX partner_identifier_of ON partner_identifier (partner_id)")
    # Every word that has ever occurred in a name. Words are never removed: one that no name bears
    # any more finds nobody, and costs nothing.
    op.execute("CREATE TABLE partner_word (word text PRIMARY KEY)")
    op.execute("CREATE INDEX partner_word_alike ON partner_word USING gin (word gin_trgm_ops)")
    # The operator % uses the index and knows one bound, a setting: this function lowers it. The
    # setting exists once the extension's library is loaded, which the first call of it does.
    op.execute("SELECT similarity('', '')")
    op.execute(
        """
        CREATE FUNCTION short_words_like(typed text, most bigint)
        RETURNS TABLE (word text, likeness real)
        LANGUAGE sql STABLE PARALLEL SAFE SET pg_trgm.similarity_threshold = 0.2 AS $$
            SELECT known.word, similarity(known.word, typed) AS likeness
            FROM partner_word known
            WHERE known.word % typed
            ORDER BY likeness DESC, known.word LIMIT most
        $$
        """
    )
