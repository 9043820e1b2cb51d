"""Writing down what a person decided.

The database refuses an author, a submitter and a second action.
"""

from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from common.db.faults import constraint_of
from common.uow import UnitOfWork
from disbursement.approvals.rules import Action, must_have_a_role
from disbursement.approvals.tables import payment_approval, payment_submission
from disbursement.errors import AlreadyActedError, FourEyesError

ONCE = "payment_approval_once"
FOUR_EYES = "FD006"


async def act(
    uow: UnitOfWork, payment_id: UUID, revision: int, payload_hash: str, action: Action
) -> None:
    """Record the actor's decision on a submitted revision (whose payment is locked).

    Raises ForbiddenError for a machine, ApproverRoleError, FourEyesError for whoever wrote or
    submitted any revision, AlreadyActedError.
    """
    uow.actor.must_be_human("decide on a payment")
    roles = await uow.db.scalar(
        select(payment_submission.c.approver_roles).where(
            payment_submission.c.payment_id == payment_id,
            payment_submission.c.revision == revision,
        )
    )
    must_have_a_role(uow.actor.roles, roles or ())
    try:
        await uow.db.execute(
            insert(payment_approval).values(
                payment_id=payment_id,
                revision=revision,
                person=uow.actor.subject,
                action=action.value,
                payload_hash=payload_hash,
                acted_at=uow.now,
            )
        )
    except DBAPIError as error:
        raise _refusal(error) from error


def _refusal(error: DBAPIError) -> Exception:
    if constraint_of(error) == ONCE:
        return AlreadyActedError(
            "You have decided on this revision already; one action per person."
        )
    if getattr(error.orig, "sqlstate", None) == FOUR_EYES:
        return FourEyesError(
            "You wrote or submitted this payment; another person decides on it. There is "
            "no exception."
        )
    return error
