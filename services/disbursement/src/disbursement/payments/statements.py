"""The statements that payments send on the driver's own connection, for speed, all of them here.

Submitting is the hottest command: three round trips between BEGIN and COMMIT, besides the two that
an idempotency key costs. The reaction to a partner's suspension moves hundreds of payments, so it
sends sets, not rows. Everything else uses the tables.
"""

WHAT_TO_PAY = """
WITH partner AS MATERIALIZED (
    SELECT id, readable, gone, eligibility, eligible_until FROM partner_mirror
    WHERE id = (SELECT partner_id FROM agreement WHERE id = $1) FOR SHARE
)
SELECT p.*, a.grant_id, a.partner_id, a.country, a.status, a.currency, t.amount AS tranche_amount
FROM agreement a JOIN agreement_tranche t ON t.agreement_id = a.id LEFT JOIN partner p ON true
WHERE a.id = $1 AND t.number = $2 FOR SHARE OF a, t
"""
"""A tranche with its agreement and that one's partner, locked in the order of `Lock`: a row is
joined before it is locked, and to be joined the partner must have been locked. An agreement's
partner never changes, so it may be looked up before. All three are locked: of a row that is only
joined, a statement that waited would show the old version.
"""

NEW_PAYMENT = """
new_payment AS (
    INSERT INTO payment (id, sequence, agreement_id, tranche, grant_id, partner_id, country, amount,
        currency, status, revision, payload_hash, account_id, account_version, approvals_required,
        approvals_given, submitted_at)
    VALUES ($4, $14, $3, $15, $2, $16, $17, $12, $13, 'submitted', 1, $18, $19, $20, $21, 0, $6)
), first_revision AS (
    INSERT INTO payment_revision (payment_id, revision, author, made_at, payload_hash, account_id,
        account_version)
    VALUES ($4, 1, $22, $6, $18, $19, $20)
), submission AS (
    INSERT INTO payment_submission (payment_id, revision, submitter, submitted_at,
        approvals_required, approver_roles)
    VALUES ($4, 1, $22, $6, $21, $23)
)
"""
"""Sent with the movement that earmarks its money, see `ledger.commands.post_with`: $1 to $13 are
that one's, so grant, agreement, amount and moment are the same in both.
"""

LOCK_TO_HOLD = """
SELECT p.* FROM payment p
WHERE p.partner_id = $1
    AND p.status IN ('submitted', 'approved', 'released', 'held', 'sent', 'unknown')
  AND NOT EXISTS (SELECT 1 FROM payment_hold h
                  WHERE h.payment_id = p.id AND h.cause = $2 AND h.lifted_at IS NULL)
ORDER BY p.id LIMIT $3 FOR UPDATE OF p
"""

LOCK_TO_LIFT = """
SELECT p.* FROM payment p
WHERE p.partner_id = $1
  AND EXISTS (SELECT 1 FROM payment_hold h
              WHERE h.payment_id = p.id AND h.cause = $2 AND h.lifted_at IS NULL)
ORDER BY p.id LIMIT $3 FOR UPDATE OF p
"""

OPEN_HOLDS = """
SELECT payment_id, cause FROM payment_hold WHERE payment_id = ANY($1::uuid[]) AND lifted_at IS NULL
"""

PLACE_HOLDS = """
INSERT INTO payment_hold (id, payment_id, cause, took_effect, placed_at, placed_by)
SELECT id, payment_id, $4, took_effect, $5, $6
FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS held (id, payment_id, took_effect)
"""

LIFT_HOLDS = """
UPDATE payment_hold SET lifted_at = $3, lifted_by = $4
WHERE payment_id = ANY($1::uuid[]) AND cause = $2 AND lifted_at IS NULL
"""

SAVE_STATUSES = """
UPDATE payment p SET status = changed.status, held_from = changed.held_from,
    sequence = changed.sequence, released_at = changed.released_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS changed (id, status, held_from, sequence, released_at)
WHERE p.id = changed.id
"""
