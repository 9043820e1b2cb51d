"""A list as a client asks for it: which page, or what changed since a position.

Every list tells the journal's position on its first page. It is read before the list is: following
the feed from there, or asking the list again with `changed_since`, can repeat a change and never
misses one.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Query

from common.errors import InvalidError, Place
from common.http.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, Cursors, PageQuery
from common.journal.latest import changed_since
from common.journal.position import PATTERN, Position
from common.journal.reader import head_on
from common.uow import UnitOfWork

LIMIT = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many at most")]
CURSOR = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_LENGTH, description="`next` of the page before; none to begin"),
]
SINCE = Annotated[
    str | None,
    Query(
        pattern=PATTERN,
        description="only what changed after this `Journal-Position`, in the order of the changes; "
        "what left your filters since is not among it, and a page may hold less than its limit, "
        "even nothing, while `next` leads on",
    ),
]
PARAMETERS: dict[str, tuple[Any, Any]] = {"limit": (LIMIT, DEFAULT_LIMIT), "cursor": (CURSOR, None)}
"""What every list takes: type and default by name."""


@dataclass(frozen=True)
class Listing:
    """What is asked of a list. `after`: the key in the cursor; `kind`: the aggregate listed;
    `whole`: by an export."""

    operation: str
    cursors: Cursors
    limit: int
    after: tuple[Any, ...] | None = None
    since: Position | None = None
    kind: str = ""
    whole: bool = False

    @classmethod
    def asked(
        cls, operation: str, kind: str, cursors: Cursors, values: dict[str, Any]
    ) -> "Listing":
        """Taken out of a request's parameters. Raises BadCursorError, InvalidError."""
        limit, cursor = values.pop("limit"), values.pop("cursor")
        since = values.pop("changed_since", None)
        if since is not None:
            since = Position.parse(since, "changed_since")
            operation = f"{operation} changed"  # the keys differ, so the cursors do
        asked = cls(operation, cursors, limit, since=since, kind=kind)
        return asked if cursor is None else asked.following(cursor)

    def following(self, cursor: str) -> "Listing":
        """The page that `cursor` leads to. Raises BadCursorError."""
        return replace(self, after=self.cursors.read(self.operation, cursor))

    async def page(self, uow: UnitOfWork) -> tuple[PageQuery, str | None]:
        """The page for the list's own query, and on the first one the position before it.

        Raises PositionAheadError.
        """
        page = PageQuery(self.limit, None, self.operation, self.cursors, whole=self.whole)
        if self.after is not None and self.since is None:
            return replace(page, after=self.after), None
        head = await head_on(uow.driver)
        position = None if self.after is not None else str(Position(head.epoch, head.position))
        if self.since is None:
            return page, position
        since = self.since if self.after is None else Position(*self.after)
        changed = await changed_since(uow.driver, self.kind, since, head)
        return replace(page, changed=changed), position


def not_together(parameter: str, other: str) -> InvalidError:
    """The refusal of `parameter`, which means nothing beside `other`."""
    return InvalidError(
        f"Leave `{parameter}` out: {other}.",
        places=[Place(f"query:{parameter}", f"not together: {other}", "not_together")],
    )
