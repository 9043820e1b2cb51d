"""The order in which every command locks rows: two that lock in different orders can deadlock."""

from enum import IntEnum


class Lock(IntEnum):
    """Ranks of row locks, taken upwards only; within a rank by id (balances: owner, purse).

    Whether a tranche counts as paid changes only under its agreement's lock, so whoever holds
    that lock may read the agreement's other payments without locking them.
    """

    MIRROR = 1
    GRANT = 2
    AGREEMENT = 3
    PAYMENT = 4
    BALANCE = 5
