"""Where a follower of the journal stands, in a form that survives a restored database.

A position alone would lie after a restore: the same number then names another row. So it travels
with its epoch: `2-417`. Whoever comes with an older epoch continues before the present one began,
and gets the state of every stream again, which consumers compare by its sequence. Every state
reaches them that way, not every step: what happened under epochs that they never saw may be left
out, and what the lost database knew alone is gone.
"""

import re
from dataclasses import dataclass

from common.errors import ConflictError, InvalidError, Place
from common.journal.reader import Head

PATTERN = r"^(\d{1,4}-)?\d{1,18}$"
_TEXT = re.compile(r"(?:(\d{1,4})-)?(\d{1,18})", re.ASCII)


class PositionAheadError(ConflictError):
    code = "position_ahead"
    title = "The journal does not reach that far"


@dataclass(frozen=True)
class Position:
    """Everything up to `position` of `epoch` has been seen. `str()` gives `2-417`."""

    epoch: int
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"

    @classmethod
    def parse(cls, text: str, parameter: str = "after") -> "Position":
        """The position written as `text`; a bare number is one of the first epoch.

        `parameter`: the one that it was given as. Raises InvalidError.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise InvalidError(
                "A position is what Journal-Position said, like 1-417.",
                places=[Place(f"query:{parameter}", "is not a position")],
            )
        return cls(int(match[1] or 1), int(match[2]))

    def in_journal(self, head: Head) -> int:
        """From where in the journal that ends at `head` to continue.

        Raises PositionAheadError for a place that this journal has not reached: its database went
        back in time, and nobody has run the restore yet.
        """
        if self.epoch < head.epoch:
            return min(self.position, head.began)
        if self.epoch > head.epoch or self.position > head.position:
            raise PositionAheadError(
                f"You have followed up to {self}, but the journal ends at "
                f"{head.epoch}-{head.position}. Its operators must look into this; "
                "do not start over from an earlier position by yourself.",
                ends_at=f"{head.epoch}-{head.position}",
            )
        return self.position
