"""What this service does when another service's state changes, as a table."""

from common.mirrors.mirror import Reaction
from coordination.memberships.commands.consequences import follow_eligibility
from coordination.mirrors.partners import PARTNERS

SEATS_FOLLOW_ELIGIBILITY = Reaction(
    name="seats_follow_eligibility",
    mirror=PARTNERS,
    react=follow_eligibility,
)

REACTIONS = (SEATS_FOLLOW_ELIGIBILITY,)
