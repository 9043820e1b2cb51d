"""What a database error means for the one who got it: run again, wait, or a real error."""

from enum import StrEnum

from asyncpg import InterfaceError, InternalClientError, PostgresError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Fault(StrEnum):
    """RERUN: the database asks for it. EPOCH: rerun after learning the epoch. BUSY: it would have
    to wait too long. AWAY: it does not answer."""

    RERUN = "rerun"
    EPOCH = "epoch"
    BUSY = "busy"
    AWAY = "away"


_BY_STATE = {
    "40001": Fault.RERUN,  # serialization_failure
    "40P01": Fault.RERUN,  # deadlock_detected
    "FE001": Fault.EPOCH,  # ours: journal_guard
    "55P03": Fault.BUSY,  # lock_not_available
    "57014": Fault.BUSY,  # query_canceled: statement_timeout
    "25P03": Fault.BUSY,  # idle_in_transaction_session_timeout
    "53300": Fault.AWAY,  # too_many_connections
    "57P01": Fault.AWAY,  # admin_shutdown
    "57P02": Fault.AWAY,  # crash_shutdown
    "57P03": Fault.AWAY,  # cannot_connect_now
    "57P05": Fault.AWAY,  # idle_session_timeout
}


def fault_of(error: BaseException) -> Fault | None:
    """What `error` means, or None when it is not the database's passing trouble."""
    if isinstance(error, PoolTimeoutError):
        return Fault.BUSY
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Fault.AWAY
    error = _of_driver(error)
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return Fault.AWAY if state.startswith("08") else _BY_STATE.get(state)
    if isinstance(error, InterfaceError) and "closed" in str(error):
        return Fault.AWAY
    if isinstance(error, (ConnectionError, OSError, InternalClientError)):
        return Fault.AWAY
    return None


def constraint_of(error: BaseException) -> str | None:
    """The name of the constraint that `error` broke, or None."""
    name = getattr(_of_driver(error), "constraint_name", None)
    return name if isinstance(name, str) else None


def said(error: BaseException) -> str:
    """`error` for a log. Of what the server refused only the kind, the state and the constraint:
    its own text quotes the row (DETAIL), and so whatever a person has entered.
    """
    error = _of_driver(error)
    if isinstance(error, PostgresError):
        parts = (type(error).__name__, error.sqlstate, constraint_of(error))
        return " ".join(part for part in parts if part)
    return str(error) or type(error).__name__


def _of_driver(error: BaseException) -> BaseException:
    """The driver's error inside SQLAlchemy's, or `error` itself."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
