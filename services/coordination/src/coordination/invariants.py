"""What must always hold in this service's data; `python -m coordination audit` asks."""

from datetime import timedelta
from typing import Any

from common.service import Invariant
from common.uow import UnitOfWork

SHOWN = 100
"""Breaches that one check tells of at most."""

ONE_LEAD = """
SELECT cluster_id, count(*) AS leads FROM membership
WHERE role = 'lead_agency' AND status IN ('active', 'dormant', 'suspended')
GROUP BY cluster_id HAVING count(*) > 1 LIMIT $1
"""

GRACE = timedelta(hours=1)
"""How long after its last day a partner may still be found sitting: a chore looks for them."""

# A change that its reaction has not yet followed is no breach: it is due.
SITTING_INELIGIBLE = """
SELECT m.id, m.status,
    CASE WHEN p.eligible_until < $2 THEN 'expired' ELSE coalesce(p.eligibility, 'unknown') END
    AS eligibility
FROM membership m LEFT JOIN partner_mirror p ON p.id = m.partner_id
WHERE m.status IN ('active', 'dormant')
  AND (p.id IS NULL OR p.gone OR NOT p.readable OR p.eligibility IS NULL
       OR p.eligibility NOT IN ('eligible', 'provisional') OR p.eligible_until < $2)
  AND NOT EXISTS (SELECT FROM reaction_due d
                  WHERE d.reaction = 'seats_follow_eligibility' AND d.id = m.partner_id)
LIMIT $1
"""

HELD_THOUGH_ELIGIBLE = """
SELECT m.id FROM membership m JOIN partner_mirror p ON p.id = m.partner_id
WHERE m.status = 'suspended' AND 'partner_ineligible' = ANY (m.suspended_for)
  AND NOT p.gone AND p.readable AND p.eligibility IN ('eligible', 'provisional')
  AND (p.eligible_until IS NULL OR p.eligible_until >= $2)
  AND NOT EXISTS (SELECT FROM reaction_due d
                  WHERE d.reaction = 'seats_follow_eligibility' AND d.id = m.partner_id)
LIMIT $1
"""

SEAT_AT_NO_TABLE = """
SELECT m.id, m.status FROM membership m JOIN cluster c ON c.id = m.cluster_id
WHERE c.status = 'deactivated' AND m.status NOT IN ('declined', 'rejected', 'left') LIMIT $1
"""

CLUSTER_ELSEWHERE = """
SELECT c.id, c.country FROM cluster c JOIN crisis k ON k.id = c.crisis_id
WHERE NOT c.country = ANY (k.countries) LIMIT $1
"""


async def _one_lead(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, ONE_LEAD)
    return [f"cluster {row['cluster_id']} has {row['leads']} lead agencies" for row in rows]


async def _nobody_ineligible_sits(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, SITTING_INELIGIBLE, (uow.now - GRACE).date())
    return [
        f"membership {row['id']} is {row['status']}, its partner {row['eligibility']}"
        for row in rows
    ]


async def _nobody_eligible_is_held(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, HELD_THOUGH_ELIGIBLE, uow.now.date())
    return [f"membership {row['id']} is suspended though its partner is eligible" for row in rows]


async def _every_seat_has_a_table(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, SEAT_AT_NO_TABLE)
    return [f"membership {row['id']} is {row['status']} in a deactivated cluster" for row in rows]


async def _clusters_answer_their_crisis(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, CLUSTER_ELSEWHERE)
    return [f"cluster {row['id']} is in {row['country']}, its crisis is not" for row in rows]


async def _rows(uow: UnitOfWork, statement: str, *values: object) -> list[Any]:
    rows: list[Any] = await uow.driver.fetch(statement, SHOWN, *values)
    return rows


INVARIANTS = (
    Invariant("a cluster has one lead agency at most", _one_lead),
    Invariant("no partner that is ineligible sits in a cluster", _nobody_ineligible_sits),
    Invariant("no eligible partner's seat stays suspended", _nobody_eligible_is_held),
    Invariant("every seat is in a live cluster", _every_seat_has_a_table),
    Invariant("every cluster is in a country of its crisis", _clusters_answer_their_crisis),
)
