"""What we do when another service's state has changed.

registry.partner.v1 → partners → hold the partner's payments, or let them go on
"""

from uuid import UUID

from common.mirrors.mirror import Outcome, Reaction
from common.uow import UnitOfWork
from disbursement.mirrors.partners import PARTNERS, partner_for_share
from disbursement.payments.commands import hold_payments_of_partner, lift_ineligibility
from disbursement.payments.commands.holding import SHARE


async def follow_eligibility(
    uow: UnitOfWork, partner_id: UUID, fresh: bool, *, share: int = SHARE
) -> Outcome:
    """Hold at once what a partner that is not eligible now has under way; lift that only when
    fresh. At most `share` payments in one transaction; the duty stays due while there are more.
    """
    partner = await partner_for_share(uow, partner_id)
    if partner is None or partner.not_payable(uow.now.date()) is not None:
        more = await hold_payments_of_partner(uow, partner_id, share=share)
    elif not fresh:
        return Outcome.WAIT
    else:
        more = await lift_ineligibility(uow, partner_id, share=share)
    return Outcome.MORE if more else Outcome.DONE


REACTIONS = (
    Reaction(name="payments_follow_eligibility", mirror=PARTNERS, react=follow_eligibility),
)
