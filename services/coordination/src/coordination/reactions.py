"""What this service does when another service's state changes, as a table."""

from uuid import UUID

from common.mirrors.mirror import Outcome, Reaction
from common.uow import UnitOfWork
from coordination.memberships.commands.consequences import follow_eligibility
from coordination.mirrors.partners import PARTNERS


async def _seats_follow_eligibility(uow: UnitOfWork, partner_id: UUID, fresh: bool) -> Outcome:
    return await follow_eligibility(uow, partner_id, fresh=fresh)


SEATS_FOLLOW_ELIGIBILITY = Reaction(
    name="seats_follow_eligibility",
    mirror=PARTNERS,
    react=_seats_follow_eligibility,
)

REACTIONS = (SEATS_FOLLOW_ELIGIBILITY,)
