"""Who may do what, beyond scope and country: a partner's own token speaks for that partner alone.

It runs no crisis, arranges no cluster and decides on no seat. Whether it reaches for another
partner is `Actor.must_speak_for`.
"""

from common.actor import Actor
from common.errors import ForbiddenError


def must_not_be_a_partner(actor: Actor, deed: str) -> None:
    """Raises ForbiddenError for access that is bound to a partner: it does not `deed`."""
    if actor.partner is not None:
        raise ForbiddenError(f"Access that is bound to a partner does not {deed}.")
