"""Named places in the code where a process can be made to die or to freeze: for tests of faults.

`reached(Point.X)` stands at moments that decide whether something is lost or done twice. It does
nothing, unless the process runs in the development profile with `<SERVICE>_KILL_AT=name[:n]` or
`<SERVICE>_PAUSE_AT=name[:n]`: then the n-th passage (the first, if it says none) is met with
SIGKILL or SIGSTOP, as by the machine and not by us: no handler runs, nothing is finished.
"""

import os
import signal
from dataclasses import dataclass
from enum import StrEnum


class Point(StrEnum):
    """Where a process can be struck, along the way of a change."""

    BEFORE_COMMIT = "before_commit"
    """A unit of work has done everything but commit."""
    AFTER_COMMIT = "after_commit"
    """It is committed, and nobody was told yet: no answer, no wake-up."""
    INSTRUCTION_STORED = "instruction_stored"
    """A payment's instruction is written, and the payment is not marked as sent."""
    IN_KAFKA_TRANSACTION = "in_kafka_transaction"
    """The broker has the events of a batch, in a transaction that is open."""
    BEFORE_CURSOR = "before_cursor"
    """The batch is committed to Kafka, and the publisher's cursor stands before it."""
    AFTER_POLL = "after_poll"
    """Events of another service have come, and nothing of them is applied."""
    AFTER_MIRROR = "after_mirror"
    """The mirror has changed, and nobody was told that reactions are due."""
    BEFORE_REACTION = "before_reaction"
    """A due reaction is taken, and has not begun."""


@dataclass
class Strike:
    """`number` hits this process at the passage of `point` after which none is `left`."""

    point: Point
    left: int
    number: signal.Signals

    @classmethod
    def parse(cls, text: str, number: signal.Signals) -> "Strike":
        """`name[:n]`. Raises ValueError when that is no point, or n is no count."""
        name, _, count = text.partition(":")
        if name not in list(Point):
            raise ValueError(f"{name!r} is none of the points {', '.join(Point)}")
        left = int(count or 1)
        if left < 1:
            raise ValueError(f"{text!r}: the first passage is 1")
        return cls(Point(name), left, number)

    def pass_by(self, point: Point) -> None:
        """Count a passage, and strike at the last."""
        if point is self.point:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self.number)


_armed: list[Strike] = []


def strikes(*, kill_at: str, pause_at: str) -> list[Strike]:
    """What the two settings ask for; nothing where they are empty. Raises ValueError."""
    asked = ((kill_at, signal.SIGKILL), (pause_at, signal.SIGSTOP))
    return [Strike.parse(text, number) for text, number in asked if text]


def arm(armed: list[Strike]) -> None:
    """From now on this process is struck like that, and no longer as it was told before."""
    _armed[:] = armed


def reached(point: Point) -> None:
    """The process is at `point`."""
    for strike in _armed:
        strike.pass_by(point)
