"""What the commands of this service may know of how it is deployed."""

from dataclasses import dataclass

from coordination.commitments.rules import CATALOGUE, Commitments


@dataclass(frozen=True)
class Policy:
    """`commitments`: every version of the minimum commitments, oldest first."""

    commitments: tuple[Commitments, ...] = CATALOGUE
