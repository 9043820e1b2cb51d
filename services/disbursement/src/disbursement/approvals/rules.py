"""Who must approve how much: bands of amounts, and the roles whose people may act.

Nobody is above these rules. That an approver wrote no part of the payment and acts once per
revision is kept by the database (see the migration); here stands what can be decided beforehand.
Bands and roles are the organisation's own, from the settings; that a rejection sends a payment back
with a comment follows UNICEF's HOPE.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from common.money import Money
from disbursement.errors import ApproverRoleError, PayloadChangedError


class Action(StrEnum):
    """What a person decided on a revision of a payment."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Band:
    """Amounts up to `up_to` (None: any) take `required` people, each with one of `roles`."""

    up_to: Decimal | None
    required: int
    roles: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.required < 1:
            raise ValueError("at least one approval is required of every amount")
        if not self.roles:
            raise ValueError("name the roles that may approve")


@dataclass(frozen=True)
class Requirement:
    """What a submission must meet: taken from the bands when it is submitted, and kept with it."""

    required: int
    roles: tuple[str, ...]


def must_be_complete(bands: Iterable[Band]) -> tuple[Band, ...]:
    """`bands` in rising order.

    Raises ValueError unless they rise, tighten and end without a limit.
    """
    ordered = tuple(bands)
    limits = [band.up_to for band in ordered]
    if not ordered or limits[-1] is not None or None in limits[:-1]:
        raise ValueError("exactly the last band has no upper limit")
    rising = [limit for limit in limits if limit is not None]
    if any(a >= b for a, b in pairwise(rising)) or any(x <= 0 for x in rising):
        raise ValueError("the limits must rise from above zero")
    if any(a.required > b.required for a, b in pairwise(ordered)):
        raise ValueError("a larger amount cannot take fewer people")
    return ordered


def requirement(bands: tuple[Band, ...], band_currency: str, amount: Money) -> Requirement:
    """The band of `amount`; for an amount of another currency the last, strictest one."""
    last = bands[-1]
    band = last
    if amount.currency == band_currency:
        fits = (b for b in bands if b.up_to is not None and amount.amount <= b.up_to)
        band = next(fits, last)
    return Requirement(band.required, band.roles)


def must_have_a_role(held: frozenset[str], roles: Iterable[str]) -> None:
    """Raises ApproverRoleError unless the person holds one of `roles`."""
    needed = sorted(roles)
    if held.isdisjoint(needed):
        raise ApproverRoleError(
            f"This amount is decided by {' or '.join(needed)}; your access has no such role.",
            roles=needed,
        )


def must_be_the_same(seen: str, present: str) -> None:
    """Raises PayloadChangedError when the person decided on another payload than stands there."""
    if seen != present:
        raise PayloadChangedError(
            "The payment has changed since you saw it. Read it again and decide on that."
        )
