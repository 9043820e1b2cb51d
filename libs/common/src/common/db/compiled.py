"""Core statements for the driver: written like every other one, turned into SQL text once.

SQLAlchemy's own way of running a statement costs as much again as the statement does. What is asked
for all the time therefore goes to the driver as text, and is still made of the tables: a column
that is renamed is renamed here too.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql.compiler import SQLCompiler


class Compiled:
    """A statement with fixed columns and conditions; what varies are its `bindparam`s by name.

    Values are given as the driver takes them (UUID, datetime, Decimal, list); JSON as its text.
    """

    __slots__ = ("_names", "_own", "text")

    def __init__(self, statement: ClauseElement) -> None:
        compiled = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._own: Mapping[str, Any] = compiled.params

    async def rows(self, driver: Any, **values: Any) -> list[Any]:
        """Every row, by column name or attribute. Raises asyncpg's errors."""
        found: list[Any] = await driver.fetch(self.text, *self._in_order(values))
        return found

    async def row(self, driver: Any, **values: Any) -> Any:
        """The first row, None when there is none. Raises asyncpg's errors."""
        return await driver.fetchrow(self.text, *self._in_order(values))

    def _in_order(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] if name in values else self._own[name] for name in self._names]
