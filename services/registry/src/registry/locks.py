"""The order in which every command of this service locks rows, so that no two wait for each
other."""

from enum import IntEnum


class Lock(IntEnum):
    """What a command may lock, lowest first; within one rank, by id.

    A headquarters comes before its offices: whoever needs both locks it first.
    """

    HEADQUARTERS = 1
    PARTNER = 2
