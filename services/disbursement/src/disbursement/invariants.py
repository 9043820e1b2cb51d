"""What must always hold of the money here, asked of the whole database; see `python -m disbursement
audit`.
"""

from common.service import Invariant
from common.uow import UnitOfWork

MOST = 100
"""Breaches told of one invariant."""

ZERO = """
SELECT format('ledger transaction %s sums to %s %s', transaction_id, sum(amount), currency)
FROM ledger_entry GROUP BY transaction_id, currency HAVING sum(amount) <> 0 LIMIT $1
"""

BALANCES = """
SELECT format('balance %s of %s is %s, its entries sum to %s', b.purse, b.owner, b.balance, e.total)
FROM ledger_balance b
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM ledger_entry e
                    WHERE (e.owner, e.purse) = (b.owner, b.purse)) e
WHERE b.balance <> e.total LIMIT $1
"""

OVERDRAWN = """
SELECT format('balance %s of %s is %s', purse, owner, balance) FROM ledger_balance
WHERE balance < 0 AND purse <> 'received' LIMIT $1
"""

# Where a payment's money must lie, by its status: in one purse, whole, and nowhere else.
STATUSES = """
WITH lies AS (
    SELECT t.payment_id, e.purse, sum(e.amount) AS amount
    FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id
    WHERE t.payment_id IS NOT NULL AND e.purse <> 'committed'
    GROUP BY t.payment_id, e.purse HAVING sum(e.amount) <> 0
), must AS (
    SELECT id, status, amount, CASE coalesce(held_from, status)
        WHEN 'submitted' THEN 'earmarked'
        WHEN 'approved' THEN 'reserved'
        WHEN 'released' THEN CASE status WHEN 'held' THEN 'reserved' ELSE 'in_transit' END
        WHEN 'sent' THEN 'in_transit'
        WHEN 'unknown' THEN 'in_transit'
        WHEN 'settled' THEN 'paid' END AS purse
    FROM payment
)
SELECT format('payment %s is %s, so %s of it must be %s, but %s', must.id, must.status, must.amount,
              coalesce(must.purse, 'free'),
                  coalesce(string_agg(lies.amount || ' is ' || lies.purse, ', '), 'none is'))
FROM must LEFT JOIN lies ON lies.payment_id = must.id
GROUP BY must.id, must.status, must.amount, must.purse
HAVING CASE WHEN must.purse IS NULL THEN count(lies.purse) > 0
       ELSE count(lies.purse) <> 1 OR min(lies.purse) <> must.purse
           OR min(lies.amount) <> must.amount END
LIMIT $1
"""

TRANCHES = """
SELECT format('agreement %s is %s, its tranches sum to %s', a.id, a.amount,
    coalesce(sum(t.amount), 0))
FROM agreement a LEFT JOIN agreement_tranche t ON t.agreement_id = a.id
GROUP BY a.id HAVING a.amount IS DISTINCT FROM sum(t.amount) LIMIT $1
"""

# An agreement that is over has given back what it did not pay: what it still has counts.
WITHIN_GRANT = """
SELECT format('grant %s is %s, its signed agreements take %s', g.id, g.amount, sum(taken.amount))
FROM funding_grant g
JOIN agreement a ON a.grant_id = g.id
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.status IN ('signed', 'active', 'suspended') THEN a.amount
        ELSE (SELECT coalesce(sum(b.balance), 0) FROM ledger_balance b WHERE b.owner = a.id) END
        AS amount) taken
GROUP BY g.id HAVING sum(taken.amount) > g.amount LIMIT $1
"""

NOTHING_COMMITTED = """
SELECT format('agreement %s is %s, yet %s of it is %s', a.id, a.status, b.balance, b.purse)
FROM agreement a JOIN ledger_balance b ON b.owner = a.id
WHERE a.status IN ('terminated', 'closed') AND b.purse <> 'paid' AND b.balance <> 0 LIMIT $1
"""

RECEIPTS = """
SELECT format('grant %s: its receipts sum to %s, but %s came in', g.id, r.total, -b.balance)
FROM funding_grant g
JOIN ledger_balance b ON b.owner = g.id AND b.purse = 'received'
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM grant_receipt
                    WHERE grant_id = g.id) r
WHERE r.total <> -b.balance LIMIT $1
"""

APPROVED_BY_ENOUGH = """
SELECT format('payment %s is %s with %s of %s approvals', p.id, p.status, count(a.person),
    s.approvals_required)
FROM payment p
JOIN payment_submission s ON s.payment_id = p.id AND s.revision = p.revision
LEFT JOIN payment_approval a ON a.payment_id = p.id AND a.revision = p.revision
    AND a.action = 'approved' AND a.payload_hash = p.payload_hash
WHERE coalesce(p.held_from, p.status) NOT IN ('draft', 'submitted', 'withdrawn')
GROUP BY p.id, s.approvals_required HAVING count(a.person) < s.approvals_required LIMIT $1
"""

# A draft keeps the holds that it was held by: they will not let it be submitted.
HELD_BY_SOMETHING = """
SELECT format('payment %s is %s with %s open holds in effect', p.id, p.status, count(h.id))
FROM payment p
    LEFT JOIN payment_hold h ON h.payment_id = p.id AND h.lifted_at IS NULL AND h.took_effect
GROUP BY p.id HAVING CASE
    WHEN p.status = 'held' THEN count(h.id) = 0
    WHEN p.status IN ('draft', 'withdrawn') THEN false
    ELSE count(h.id) > 0 END
LIMIT $1
"""


def _no_row(name: str, query: str) -> Invariant:
    async def check(uow: UnitOfWork) -> list[str]:
        return [row[0] for row in await uow.driver.fetch(query, MOST)]

    return Invariant(name, check)


INVARIANTS = (
    _no_row("every ledger transaction sums to zero", ZERO),
    _no_row("every balance is the sum of its entries", BALANCES),
    _no_row("nothing is overdrawn", OVERDRAWN),
    _no_row("every payment's money lies where its status says", STATUSES),
    _no_row("every agreement is the sum of its tranches", TRANCHES),
    _no_row("no grant is promised twice", WITHIN_GRANT),
    _no_row("a terminated agreement has nothing committed", NOTHING_COMMITTED),
    _no_row("what came in is the sum of its receipts", RECEIPTS),
    _no_row("nothing goes on without its approvals", APPROVED_BY_ENOUGH),
    _no_row("a payment is held exactly while something holds it", HELD_BY_SOMETHING),
)
