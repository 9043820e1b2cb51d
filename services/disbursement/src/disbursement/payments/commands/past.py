"""Whether this database knows everything that has left.

One that was restored from a backup does not: what it holds as approved or released may be sent, and
payments that were made since are missing. Money goes out only while Kafka agrees that the journal
was not put back, and, once it was, after a person has compared the payments with the bank.
"""

from datetime import timedelta

from common.uow import UnitOfWork
from disbursement.errors import PastUncertainError
from disbursement.policy import Policy

_PAST = """
SELECT agreed_at, epoch = 1 OR EXISTS (
    SELECT FROM payments_compared WHERE payments_compared.epoch = journal_epoch.epoch) AS compared
FROM journal_epoch LEFT JOIN reader ON reader.name = 'kafka'
"""
_COMPARED = """
INSERT INTO payments_compared (epoch, compared_at, compared_by)
SELECT epoch, $1, $2 FROM journal_epoch ON CONFLICT DO NOTHING
"""


async def must_be_certain(uow: UnitOfWork) -> None:
    """Raises PastUncertainError unless all that has left is known here, as far as can be told."""
    policy: Policy = uow.policy
    past = await uow.driver.fetchrow(_PAST)
    if not past["compared"]:
        raise PastUncertainError(
            "This database was put back to an earlier state: payments may have left that it knows "
            "nothing of. Compare with the bank, hold what has left, then run "
            "`python -m disbursement compared`. Nothing was moved.",
            problem="not_compared",
        )
    bound = timedelta(seconds=policy.partner_max_age_seconds)
    if past["agreed_at"] is None or uow.now - past["agreed_at"] > bound:
        raise PastUncertainError(
            f"For more than {bound.total_seconds():g} s nobody has seen that Kafka and our journal "
            "agree: this database may have been put back. Nothing was moved; try again shortly.",
            problem="not_agreed",
        )


async def payments_are_compared(uow: UnitOfWork) -> None:
    """An operator says that whatever had left is known and held: money may go out again."""
    await uow.driver.execute(_COMPARED, uow.now, uow.actor.subject)
