"""The order in which every command of this service locks rows, so that none waits in a circle."""

from enum import IntEnum


class Lock(IntEnum):
    """What a command may lock, lowest first; within one rank, by id."""

    MIRROR = 1
    CRISIS = 2
    CLUSTER = 3
    MEMBERSHIP = 4
