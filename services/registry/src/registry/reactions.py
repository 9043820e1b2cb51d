"""What we do when another service's state changes: nothing. Memberships are only shown."""

from common.mirrors.mirror import Reaction

REACTIONS: tuple[Reaction, ...] = ()
