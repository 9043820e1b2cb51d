"""What must always hold in this service's data; `python -m registry audit` asks."""

from typing import Any

from common.service import Invariant
from common.uow import UnitOfWork

SHOWN = 100
"""Breaches that one check tells of at most."""

EARNED = """
SELECT p.id FROM partner p
WHERE p.eligibility = 'eligible' AND NOT coalesce((
    SELECT v.verified FROM partner_verification v WHERE v.partner_id = p.id
    ORDER BY v.verified_at DESC, v.id DESC LIMIT 1
), false)
LIMIT $1
"""

PUBLISHED = """
SELECT p.id, p.sequence FROM partner p
WHERE NOT EXISTS (
    SELECT FROM journal j
    WHERE j.stream = p.id
      AND j.epoch = split_part(p.sequence, '-', 1)::integer
      AND j.version = split_part(p.sequence, '-', 2)::bigint
      AND j.data #>> '{partner,status}' = p.status
      AND j.data #>> '{partner,eligibility}' = p.eligibility
)
LIMIT $1
"""

CLAIMED = """
SELECT p.id, n ->> 'scheme' AS scheme FROM partner p, jsonb_array_elements(p.identifiers) n
WHERE NOT EXISTS (
    SELECT FROM partner_identifier i
    WHERE i.scheme = n ->> 'scheme' AND i.value = n ->> 'value' AND i.partner_id = p.id
      AND i.country IN ('*', p.country)
)
LIMIT $1
"""


async def _eligibility_is_earned(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, EARNED)
    return [f"partner {row['id']} is eligible and its latest verification is bad" for row in rows]


async def _state_is_published(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, PUBLISHED)
    return [
        f"partner {row['id']} is not what the journal says of {row['sequence']}" for row in rows
    ]


async def _identifiers_are_claimed(uow: UnitOfWork) -> list[str]:
    rows = await _rows(uow, CLAIMED)
    return [f"partner {row['id']} shows a {row['scheme']} that is not its own" for row in rows]


async def _rows(uow: UnitOfWork, statement: str) -> list[Any]:
    rows: list[Any] = await uow.driver.fetch(statement, SHOWN)
    return rows


INVARIANTS = (
    Invariant("whoever is eligible was verified", _eligibility_is_earned),
    Invariant("what is published is what is kept", _state_is_published),
    Invariant("every identifier has one partner", _identifiers_are_claimed),
)
