"""What a reader may see of a list: its own countries, and on a partner-bound token only that
partner.
"""

from typing import TypeVar

from sqlalchemy import Select, Table

from common.actor import EVERYWHERE, Actor

S = TypeVar("S", bound="Select[*tuple[object, ...]]")


def within_reach(statement: S, table: Table, actor: Actor) -> S:
    """`statement` on `table` narrowed to `actor`: by `country`, and for access that is bound to a
    partner by `partner_id`. What has no `partner_id` is for staff; ask that first.
    """
    if EVERYWHERE not in actor.countries:
        statement = statement.where(table.c.country.in_(sorted(actor.countries)))
    if actor.partner is not None:
        statement = statement.where(table.c.partner_id == actor.partner)
    return statement
