"""Who may see, edit and judge a partner.

Editing is for the partner itself and for staff of its country. Judging (reviewing, suspending,
locking) is for people of its country and never for the partner; only headquarters unlocks.
"""

from common.actor import EVERYWHERE, Actor
from common.errors import ForbiddenError
from registry.partners.rules.identifiers import PRIVATE_SCHEMES, Identifier
from registry.partners.rules.partner import Facts, Partner


def must_see(actor: Actor, partner: Partner) -> None:
    """Raises ForbiddenError unless the partner is the actor's own, or is headquartered or works in
    a country of the actor's."""
    actor.must_speak_for(partner.id)
    if not any(
        actor.acts_in(country) for country in (partner.facts.country, *partner.facts.countries)
    ):
        actor.must_act_in(partner.facts.country)


def must_edit(actor: Actor, partner: Partner) -> None:
    """Raises ForbiddenError unless the actor is the partner or covers its country."""
    actor.must_speak_for(partner.id)
    actor.must_act_in(partner.facts.country)


def must_judge(actor: Actor, partner: Partner, deed: str) -> None:
    """Raises ForbiddenError unless the actor is a person of the partner's country, not its own."""
    actor.must_be_staff(deed)
    actor.must_act_in(partner.facts.country)
    actor.must_be_human(deed)


def must_be_headquarters(actor: Actor, deed: str) -> None:
    """Raises ForbiddenError unless the actor's access covers every country."""
    if EVERYWHERE not in actor.countries:
        raise ForbiddenError(f"Only headquarters may {deed}; your access covers single countries.")


def must_be_able_to_change(actor: Actor, before: Facts, after: Facts) -> None:
    """Raises ForbiddenError when a partner's own access touches a number that we gave it."""
    if actor.partner is not None and _ours(before) != _ours(after):
        raise ForbiddenError("Your vendor number is kept by us; ask the finance team.")


def _ours(facts: Facts) -> set[Identifier]:
    return {each for each in facts.identifiers if each.scheme in PRIVATE_SCHEMES}
