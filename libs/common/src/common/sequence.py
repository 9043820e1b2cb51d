"""The version of an aggregate: (epoch, version), written so that text order is version order.

`version` counts the changes of one aggregate. `epoch` counts the times a service's database went
back in time (restored from a backup, failed over to a lagging replica): after that, versions would
be used a second time, and whoever saw the first use would skip the second. A higher epoch wins over
any version of a lower one.
"""

import re
from dataclasses import dataclass

from sqlalchemy import Column, String

_TEXT = re.compile(r"(\d{4})-(\d{10})", re.ASCII)


@dataclass(frozen=True, order=True)
class Sequence:
    """One version of one aggregate. `str()` gives `0001-0000000007`, which is also its ETag."""

    epoch: int
    version: int

    def __post_init__(self) -> None:
        if not (1 <= self.epoch <= 9999 and 1 <= self.version <= 9_999_999_999):
            raise ValueError(f"not a sequence: epoch {self.epoch}, version {self.version}")

    def __str__(self) -> str:
        return f"{self.epoch:04d}-{self.version:010d}"

    @classmethod
    def parse(cls, text: str) -> "Sequence":
        """The sequence written as `text`. Raises ValueError when it is not one."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a sequence: {text!r}")
        return cls(int(match[1]), int(match[2]))

    def next(self, epoch: int) -> "Sequence":
        """The version that follows this one in `epoch` (which may have risen since)."""
        return Sequence(epoch, self.version + 1 if epoch == self.epoch else 1)


def sequence_column(name: str = "sequence") -> "Column[str]":
    """A column for a sequence; collated "C" so that the database compares bytes, not a language."""
    return Column(name, String(15, collation="C"), nullable=False)
