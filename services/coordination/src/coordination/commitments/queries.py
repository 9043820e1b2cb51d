"""Which minimum commitments apply, by what the composition root lets us know of them."""

from common.uow import UnitOfWork
from coordination.commitments.rules import Commitments, in_force


def every_version(uow: UnitOfWork) -> tuple[Commitments, ...]:
    """Every version, oldest first."""
    versions: tuple[Commitments, ...] = uow.policy.commitments
    return versions


def version_in_force(uow: UnitOfWork) -> int:
    """The version that members are asked for today."""
    return in_force(every_version(uow), uow.now.date()).version
