"""Rows to start from, made by the database itself in seconds.

Triggers are off while filling, so what they would have kept is written as they would have it: each
agreement's money lies in its purse, each sealed row has its position. Ids are made of a word and a
number, so that requests can be prepared without asking.
"""

import hashlib
import json
from uuid import UUID

from bench.scene import execute
from registry.partners.events import EXAMPLE

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
SELECT md5('agreement ' || n)::uuid, purse, md5('grant ' || (n % {grants}) + 1)::uuid, 'USD',
       balance
FROM generate_series({first}, {last}) n, (VALUES ('committed', 24000), ('earmarked', 0),
    ('reserved', 0), ('in_transit', 0), ('paid', 0)) AS purse (purse, balance);
"""

PARTNERS = """
INSERT INTO partner (id, sequence, kind, legal_name, normal_name, acronym, other_names, words,
    country, countries, affiliation, led_by, identifiers, registered_at, status, verified,
    holds_until, local, local_evidence, eligibility, eligibility_reasons)
SELECT md5('partner ' || n)::uuid, '0001-0000000005', 'national_ngo',
       'Shapla Health and Water Society ' || n, 'shapla health and water society ' || n,
       'SHWS' || n,
       '[{{"text": "শাপলা স্বাস্থ্য সমিতি", "kind": "alias", "language": "bn"}}]',
       ARRAY['shapla', 'health', 'and', 'water', 'society', n::text],
       'BGD', ARRAY['BGD'], 'none', ARRAY['women'],
       jsonb_build_array(jsonb_build_object('scheme', 'iati', 'value', 'BD-NAB-' || n)),
       now(), 'active', true, '2039-06-30', 'yes',
       ARRAY['headquarters_in_recipient_country', 'works_at_home', 'independent'], 'eligible',
       '{{}}'
FROM generate_series(1, {partners}) n
"""


# one payment for each of the first `tranches` of the agreements `first` to `last`
PAYMENTS = """
CREATE TEMPORARY TABLE made AS
SELECT n * 24 + tranche AS number, md5('agreement ' || n)::uuid AS agreement,
       md5('grant ' || (n % {grants}) + 1)::uuid AS grant_id,
       md5('partner ' || (n % 50) + 1)::uuid AS partner, tranche
FROM generate_series({first}, {last}) n, generate_series(1, {tranches}) tranche;
ALTER TABLE made ADD id uuid GENERATED ALWAYS AS
    (('01970000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid) STORED;
INSERT INTO payment (id, sequence, agreement_id, tranche, grant_id, partner_id, country, amount,
    currency, status, revision, payload_hash, approvals_required, approvals_given, submitted_at)
SELECT id, '0001-0000000001', agreement, tranche, grant_id, partner, 'BGD', 1000, 'USD',
       '{status}', 1, repeat('a', 64), 1, 0, now()
FROM made;
INSERT INTO payment_revision (payment_id, revision, author, made_at, payload_hash)
SELECT id, 1, 'amina', now(), repeat('a', 64) FROM made;
INSERT INTO payment_submission (payment_id, revision, submitter, submitted_at, approvals_required,
    approver_roles)
SELECT id, 1, 'amina', now(), 1, ARRAY['payment_approver'] FROM made;
"""

# what the payments just made left behind: two movements and an answer under a key each
TRACES = """
CREATE TEMPORARY TABLE moved AS
SELECT made.*, step, ('01980000-0000-7000-8000-' || lpad(to_hex(number * 2 + step), 12, '0'))::uuid
    AS transaction
FROM made, generate_series(0, 1) step;
INSERT INTO ledger_transaction (id, grant_id, agreement_id, payment_id, kind, occurred_at)
SELECT transaction, grant_id, agreement, id,
       CASE step WHEN 0 THEN 'submitted' ELSE 'approved' END, now()
FROM moved;
INSERT INTO ledger_entry (transaction_id, owner, purse, amount, currency)
SELECT transaction, agreement, purse, amount, 'USD'
FROM moved, (VALUES (0, 'committed', -1000), (0, 'earmarked', 1000), (1, 'earmarked', -1000),
    (1, 'reserved', 1000)) AS side (of_step, purse, amount)
WHERE step = of_step;
INSERT INTO idempotency (subject, operation, key, fingerprint, authority, status, body, etag,
    location, answered_at)
SELECT 'amina', 'submit_payment', id::text, sha256(id::text::bytea), '* *', 201,
       convert_to(repeat('x', 700), 'UTF8'), '"0001-0000000001"', '/v1/payments/' || id, now()
FROM made;
"""

# version v of stream s, all streams in turn: row n is of stream n modulo `streams`
JOURNAL = """
INSERT INTO journal (id, stream_type, stream, epoch, version, type, occurred_at, actor,
    correlation_id, traceparent, data)
SELECT ('01990000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{aggregate}', stream, 1,
       (n - 1) / {streams} + 1, '{type}', now(), 'amina', md5(n::text),
       '00-' || md5(n::text) || '-0000000000000001-01',
       replace('{data}', '{id}', stream::text)::jsonb
FROM (
    SELECT n, md5('{aggregate} ' || (n - 1) % {streams} + 1)::uuid AS stream
    FROM generate_series(1, {rows}) n
) AS numbered ORDER BY n
"""

_UNSEALED = "INSERT INTO journal_unsealed SELECT entry FROM journal ORDER BY entry"

_SEALED = """
INSERT INTO journal_seal (position, entry, hash)
SELECT entry, entry, sha256(entry::text::bytea) FROM journal ORDER BY entry;
UPDATE journal_head SET position = {rows}, hash = sha256('{rows}'), sealed_at = now()
"""

# a million rows go in faster without these, and then all at once
_INDEXES = """
ALTER TABLE journal DROP CONSTRAINT journal_id_key,
    DROP CONSTRAINT journal_stream_epoch_version_key
"""
_INDEXES_AGAIN = """
ALTER TABLE journal ADD UNIQUE (id), ADD UNIQUE (stream, epoch, version)
"""

_PAYMENT = {
    "id": EXAMPLE["id"],
    "agreement_id": "0197a1b2-0000-7000-8000-0000000000b1",
    "grant_id": "0197a1b2-0000-7000-8000-000000000001",
    "partner_id": "0197a1b2-0000-7000-8000-0000000000a1",
    "country": "BGD",
    "tranche": 1,
    "amount": "1000.00",
    "currency": "USD",
    "status": "submitted",
    "holds": [],
    "revision": 1,
    "approvals_required": 1,
    "approvals_given": 0,
    "settled_on": None,
    "returned_on": None,
    "failure_code": None,
    "confirmed_on": None,
}


def made_of(word: str, number: int) -> UUID:
    """The id that the statements above give."""
    return UUID(hashlib.md5(f"{word} {number}".encode()).hexdigest())


async def partners(url: str, count: int) -> None:
    """`count` active partners of the registry."""
    await execute(url, _QUIET, PARTNERS.format(partners=count), "ANALYZE")


async def payments_under_way(
    url: str, *, first: int, last: int, grants: int, tranches: int
) -> None:
    """Submitted payments of the first `tranches` of the agreements `first` to `last`."""
    await execute(
        url,
        _QUIET,
        PAYMENTS.format(
            grants=grants, first=first, last=last, tranches=tranches, status="submitted"
        ),
        "VACUUM ANALYZE",
    )


async def partner_journal(url: str, *, rows: int, partners: int) -> None:
    """`rows` unsealed changes of `partners` partners in turn."""
    await execute(
        url,
        _QUIET,
        JOURNAL.format(
            aggregate="partner",
            type="int.iom.registry.partner.revised.v1",
            data=_data(partner=EXAMPLE, change={"fields": ["acronym"]}),
            id=EXAMPLE["id"],
            rows=rows,
            streams=partners,
        ),
        _UNSEALED,
        "ANALYZE",
    )


async def history(url: str, rows: int, *, grants: int) -> int:
    """A disbursement that has seen `rows` sealed changes, with the payments, movements and answers
    that belong to so many. How many agreements it has, the tranches of which are all paid.

    Lines begin with one: on tables that were empty a moment ago the database plans badly.
    """
    used = used_after(rows)
    await execute(
        url,
        _QUIET,
        _INDEXES,
        JOURNAL.format(
            aggregate="payment",
            type="int.iom.disbursement.payment.submitted.v1",
            data=_data(payment=_PAYMENT, change={}),
            id=EXAMPLE["id"],
            rows=rows,
            streams=rows // 8,
        ),
        _INDEXES_AGAIN,
        _SEALED.format(rows=rows),
        PARTNERS_SEEN,
        GRANTS.format(grants=grants),
        AGREEMENTS.format(grants=grants, first=1, last=used),
        PAYMENTS.format(grants=grants, first=1, last=used, tranches=TRANCHES, status="settled"),
        TRACES,
        "VACUUM ANALYZE",
    )
    return used


def used_after(rows: int) -> int:
    """How many agreements a history of `rows` has."""
    return rows // 8 // TRANCHES


async def agreements(url: str, *, first: int, last: int, grants: int) -> None:
    """Active agreements `first` to `last`, nothing of which is paid yet."""
    await execute(
        url,
        _QUIET,
        AGREEMENTS.format(grants=grants, first=first, last=last),
        "VACUUM ANALYZE",
    )


def _data(**parts: object) -> str:
    return json.dumps(parts).replace("'", "''")
