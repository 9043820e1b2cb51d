"""What the passing of a day brings due here: a partner whose `eligible_until` is over.

The registry need not say anything on that day, so we look. Nothing is suspended here: the reaction
that follows a partner's eligibility becomes due, and does what it always does.
"""

from common.chores import Chore
from common.mirrors.resync import make_due
from common.uow import UnitOfWork
from coordination.locks import Lock
from coordination.reactions import SEATS_FOLLOW_ELIGIBILITY

SHARE = 200
"""Partners that one unit of work makes due at most."""

EVERY_SECONDS = 600.0

# The mirror's row is locked before the duty, as everywhere; one that is being changed is passed
# over, for its change makes it due. What is due already is left alone, unless it waits for a fresh
# mirror in order to restore a seat: a day that is over needs no fresh mirror.
LAPSED = """
SELECT p.id FROM partner_mirror p
WHERE p.eligible_until < $1
  AND EXISTS (SELECT FROM membership m
              WHERE m.partner_id = p.id AND m.status IN ('active', 'dormant', 'suspended')
                AND NOT 'partner_ineligible' = ANY (m.suspended_for))
  AND NOT EXISTS (SELECT FROM reaction_due d
                  WHERE d.reaction = $2 AND d.id = p.id AND NOT d.waiting)
ORDER BY p.id LIMIT $3
FOR SHARE OF p SKIP LOCKED
"""


async def find_lapsed(uow: UnitOfWork) -> int:
    """Make the reaction due for at most `SHARE` partners that keep a seat after their last day.

    Returns how many. Safe to run at any time and side by side.
    """
    reaction = SEATS_FOLLOW_ELIGIBILITY
    uow.locks(Lock.MIRROR)
    rows = await uow.driver.fetch(LAPSED, uow.now.date(), reaction.name, SHARE)
    await make_due(uow.driver, reaction, [row["id"] for row in rows])
    return len(rows)


CHORES = (Chore("find lapsed eligibility", find_lapsed, SHARE, EVERY_SECONDS),)
