"""Reading the report of an import."""

from uuid import UUID

from sqlalchemy import bindparam, select

from common.errors import NotFoundError
from common.uow import UnitOfWork
from registry.imports.tables import Report, import_table, report_of

_ONE = select(import_table).where(import_table.c.id == bindparam("import_id"))


async def read_import(uow: UnitOfWork, import_id: UUID) -> Report:
    """The report. Raises NotFoundError, ForbiddenError (a partner, or of another country)."""
    uow.actor.must_be_staff("see what imports did")
    row = (await uow.db.execute(_ONE, {"import_id": import_id})).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no import {import_id}.")
    report = report_of(row)
    uow.actor.must_act_in(report.country)
    return report
