"""The purses that money lies in, and the only ways it may move between them.

A movement takes an amount out of one purse and puts it into another, so it sums to zero by its
form; the database checks that again, whoever writes. Nothing is ever changed: what was wrong is
moved back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from common.money import Money


class Purse(StrEnum):
    """Where money lies. The first two are a grant's, the others an agreement's.

    `received` is the far side of what came in, so it is negative; no other may be.
    """

    RECEIVED = "received"
    AVAILABLE = "available"
    COMMITTED = "committed"
    EARMARKED = "earmarked"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    PAID = "paid"


GRANT_PURSES = (Purse.RECEIVED, Purse.AVAILABLE)
AGREEMENT_PURSES = tuple(purse for purse in Purse if purse not in GRANT_PURSES)


class MovementKind(StrEnum):
    """Why money moves."""

    RECEIVED = "received"
    SIGNED = "signed"
    TERMINATED = "terminated"
    SUBMITTED = "submitted"
    REJECTED = "rejected"
    REVISED = "revised"
    APPROVED = "approved"
    REOPENED = "reopened"
    RELEASED = "released"
    RECALLED = "recalled"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"


WAYS: Mapping[MovementKind, tuple[Purse, Purse]] = MappingProxyType(
    {
        MovementKind.RECEIVED: (Purse.RECEIVED, Purse.AVAILABLE),
        MovementKind.SIGNED: (Purse.AVAILABLE, Purse.COMMITTED),
        MovementKind.TERMINATED: (Purse.COMMITTED, Purse.AVAILABLE),
        MovementKind.SUBMITTED: (Purse.COMMITTED, Purse.EARMARKED),
        MovementKind.REJECTED: (Purse.EARMARKED, Purse.COMMITTED),
        MovementKind.REVISED: (Purse.EARMARKED, Purse.COMMITTED),
        MovementKind.APPROVED: (Purse.EARMARKED, Purse.RESERVED),
        MovementKind.REOPENED: (Purse.RESERVED, Purse.COMMITTED),
        MovementKind.RELEASED: (Purse.RESERVED, Purse.IN_TRANSIT),
        MovementKind.RECALLED: (Purse.IN_TRANSIT, Purse.RESERVED),
        MovementKind.SETTLED: (Purse.IN_TRANSIT, Purse.PAID),
        MovementKind.FAILED: (Purse.IN_TRANSIT, Purse.COMMITTED),
        MovementKind.RETURNED: (Purse.PAID, Purse.COMMITTED),
    }
)
"""From which purse to which: there is no other way."""


@dataclass(frozen=True)
class Entry:
    """One side of a movement: `amount`, signed, on a purse of `owner`, a grant or an agreement."""

    owner: UUID
    purse: Purse
    amount: Decimal


@dataclass(frozen=True)
class Movement:
    """`money` moves the way of `kind`.

    Raises ValueError unless it is positive and its owners are named.
    """

    kind: MovementKind
    money: Money
    grant_id: UUID
    agreement_id: UUID | None = None
    payment_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.money.amount <= 0:
            raise ValueError("only a positive amount moves")
        if self.agreement_id is None and self.kind is not MovementKind.RECEIVED:
            raise ValueError(f"{self.kind} moves an agreement's money; name the agreement")

    def entries(self) -> tuple[Entry, Entry]:
        """The two sides, which sum to zero."""
        source, target = WAYS[self.kind]
        amount = self.money.amount
        return (
            Entry(self._owner(source), source, -amount),
            Entry(self._owner(target), target, amount),
        )

    def _owner(self, purse: Purse) -> UUID:
        if purse in GRANT_PURSES:
            return self.grant_id
        assert self.agreement_id is not None, "checked when the movement was made"
        return self.agreement_id
