"""The one place that makes identifiers: UUID version 7 (RFC 9562), which sort by time."""

from typing import Protocol
from uuid import UUID

from uuid_utils.compat import uuid7


class Ids(Protocol):
    """Hands out identifiers that were never handed out before."""

    def new(self) -> UUID:
        """A new UUID version 7."""


class Uuid7Ids:
    """Identifiers from the operating system's randomness and clock."""

    def new(self) -> UUID:
        return uuid7()
