"""Rows to start from, made by the database itself in seconds.

Triggers are off while filling, so what they would have kept is written as they would have it: each
agreement's money lies in its purse, each journal row is sealed. Ids are made of a word and a
number, so that requests can be prepared without asking.
"""

import hashlib
from uuid import UUID

from bench.scene import execute

TRANCHES = 24
"""Of each agreement, of 1,000 US dollars each; the most that one may have."""

_QUIET = "SET session_replication_role = replica; SET synchronous_commit = off"

PARTNERS_SEEN = """
INSERT INTO partner_mirror (id, sequence, legal_name, kind, country, local, status, eligibility)
SELECT md5('partner ' || n)::uuid, '0001-0000000005', 'Shapla Society ' || n, 'national_ngo', 'BGD',
       'yes', 'active', 'eligible'
FROM generate_series(1, 50) n
"""

GRANTS = """
INSERT INTO funding_grant (id, sequence, source, cerf_window, title, country, amount, currency,
    funders, approved_on, disbursed_on, registered_at)
SELECT md5('grant ' || n)::uuid, '0001-0000000002', 'cerf', 'rapid_response',
       'Health and water through civil society', 'BGD', 25000000, 'USD', '[]', '2020-06-12',
       '2020-06-19', now()
FROM generate_series(1, {grants}) n;
INSERT INTO ledger_balance (owner, purse, grant_id, currency, balance)
SELECT md5('grant ' || n)::uuid, purse, md5('grant ' || n)::uuid, 'USD', balance
FROM generate_series(1, {grants}) n, (VALUES ('received', -25000000), ('available', 1000000))
    AS purse (purse, balance);
"""

# `first` to `last`: agreement n belongs to grant n modulo `grants`
AGREEMENTS = """
INSERT INTO agreement (id, sequence, grant_id, partner_id, country, type, status, amount, currency,
    selection, justification, starts_on, ends_on, signed_on, activated_on, drafted_at)
SELECT md5('agreement ' || n)::uuid, '0001-0000000005', md5('grant ' || (n % {grants}) + 1)::uuid,
       md5('partner ' || (n % 50) + 1)::uuid, 'BGD', 'standard', 'active', 24000, 'USD', 'direct',
       'time_critical_response', '2020-06-22', '2039-12-15', '2020-06-22', '2020-06-22', now()
FROM generate_series({first}, {last}) n;
INSERT INTO agreement_tranche (agreement_id, number, amount)
SELECT md5('agreement ' || n)::uuid, tranche, 1000
FROM generate_series({first}, {last}) n, generate_series(1, 24) tranche;
INSERT INTO ledger_balance (owner, purse, grant_id, currency, balance)
SELECT md5('agreement ' || n)::uuid, purse, md5('grant ' || (n % {grants}) + 1)::uuid, 'USD', balance
FROM generate_series({first}, {last}) n, (VALUES ('committed', 24000), ('earmarked', 0),
    ('reserved', 0), ('in_transit', 0), ('paid', 0)) AS purse (purse, balance);
"""

PARTNERS = """
INSERT INTO partner (id, sequence, kind, legal_name, normal_name, acronym, other_names, words,
    country, countries, affiliation, led_by, identifiers, registered_at, status, verified,
    holds_until, local, local_evidence, eligibility, eligibility_reasons)
SELECT md5('partner ' || n)::uuid, '0001-0000000005', 'national_ngo',
       'Shapla Health and Water Society ' || n, 'shapla health and water society ' || n, 'SHWS' || n,
       '[{{"text": "শাপলা স্বাস্থ্য সমিতি", "kind": "alias", "language": "bn"}}]',
       ARRAY['shapla', 'health', 'and', 'water', 'society', n::text],
       'BGD', ARRAY['BGD'], 'none', ARRAY['women'],
       jsonb_build_array(jsonb_build_object('scheme', 'iati', 'value', 'BD-NAB-' || n)),
       now(), 'active', true, '2039-06-30', 'yes',
       ARRAY['headquarters_in_recipient_country', 'works_at_home', 'independent'], 'eligible', '{{}}'
FROM generate_series(1, {partners}) n
"""


def made_of(word: str, number: int) -> UUID:
    """The id that the statements above give."""
    return UUID(hashlib.md5(f"{word} {number}".encode()).hexdigest())


async def agreements(url: str, *, grants: int, count: int) -> None:
    """`count` active agreements under `grants` grants, with eligible partners."""
    await execute(
        url,
        _QUIET,
        PARTNERS_SEEN,
        GRANTS.format(grants=grants),
        AGREEMENTS.format(grants=grants, first=1, last=count),
        "ANALYZE",
    )


async def partners(url: str, count: int) -> None:
    """`count` active partners of the registry."""
    await execute(url, _QUIET, PARTNERS.format(partners=count), "ANALYZE")
