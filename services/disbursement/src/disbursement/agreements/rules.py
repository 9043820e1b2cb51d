"""The life of a sub-grant agreement, its tranches, and what must be true before it is signed.

The states are those of UNICEF's eTools; an open call, or a direct selection with its justification,
is the UN Partner Portal's. That tranches sum to the last coin is ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from common.errors import IllegalMoveError, Place
from common.money import Money, split
from common.states import move
from disbursement.errors import (
    AgreementNotActiveError,
    DatesError,
    ScheduleError,
    SelectionError,
)
from disbursement.grants.rules import SpendingTime
from disbursement.terms import Term, TermName, months_after, term

MAX_TRANCHES = 24
"""Of one agreement; the bound is ours."""


class AgreementType(StrEnum):
    """Contingency agreements are settled beforehand and activated by an emergency."""

    STANDARD = "standard"
    SIMPLIFIED = "simplified"
    CONTINGENCY = "contingency"


class Selection(StrEnum):
    """How the partner was chosen."""

    OPEN_CALL = "open_call"
    DIRECT = "direct"


class Justification(StrEnum):
    """Why a partner was chosen without an open call."""

    TIME_CRITICAL_RESPONSE = "time_critical_response"
    STRENGTHENING_NATIONAL_CIVIL_SOCIETY = "strengthening_national_civil_society"
    SOLE_ACCESS = "sole_access"
    PROVEN_EXPERTISE = "proven_expertise"
    CONTINUATION = "continuation"


class AgreementStatus(StrEnum):
    """`draft → review → signature → signed → active → ended → closed`, and the ways out."""

    DRAFT = "draft"
    REVIEW = "review"
    SIGNATURE = "signature"
    SIGNED = "signed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    CLOSED = "closed"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


_S = AgreementStatus

TRANSITIONS: Mapping[AgreementStatus, frozenset[AgreementStatus]] = MappingProxyType(
    {
        _S.DRAFT: frozenset({_S.REVIEW, _S.CANCELLED}),
        _S.REVIEW: frozenset({_S.SIGNATURE, _S.DRAFT, _S.CANCELLED}),
        _S.SIGNATURE: frozenset({_S.SIGNED, _S.DRAFT, _S.CANCELLED}),
        _S.SIGNED: frozenset({_S.ACTIVE, _S.TERMINATED}),
        _S.ACTIVE: frozenset({_S.SUSPENDED, _S.ENDED, _S.TERMINATED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.ENDED, _S.TERMINATED}),
        _S.ENDED: frozenset({_S.CLOSED}),
        _S.CLOSED: frozenset(),
        _S.TERMINATED: frozenset(),
        _S.CANCELLED: frozenset(),
    }
)

OVER = frozenset({_S.ENDED, _S.CLOSED, _S.TERMINATED})
"""Signed once, and nothing is paid under it any more: what comes back goes on to the grant."""


@dataclass(frozen=True)
class Tranche:
    """One instalment, numbered from 1. `planned_on` is an intention, not a condition."""

    number: int
    amount: Money
    planned_on: date | None = None


@dataclass(frozen=True)
class Agreement:
    """An agreement as it stands. Its country is the grant's; the partner may be based elsewhere."""

    id: UUID
    sequence: str
    grant_id: UUID
    partner_id: UUID
    country: str
    type: AgreementType
    status: AgreementStatus
    amount: Money
    tranches: tuple[Tranche, ...]
    selection: Selection
    justification: Justification | None
    starts_on: date
    ends_on: date
    signed_on: date | None
    activated_on: date | None

    @classmethod
    def of(cls, row: Any, tranches: Iterable[Any]) -> "Agreement":
        """From a row of the table and the rows of its tranches."""
        return cls(
            id=row.id,
            sequence=row.sequence,
            grant_id=row.grant_id,
            partner_id=row.partner_id,
            country=row.country,
            type=AgreementType(row.type),
            status=AgreementStatus(row.status),
            amount=Money(row.amount, row.currency),
            tranches=tuple(
                Tranche(each.number, Money(each.amount, row.currency), each.planned_on)
                for each in sorted(tranches, key=lambda each: int(each.number))
            ),
            selection=Selection(row.selection),
            justification=None if row.justification is None else Justification(row.justification),
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            signed_on=row.signed_on,
            activated_on=row.activated_on,
        )


@dataclass(frozen=True)
class Explicit:
    """Tranches named one by one."""

    amounts: tuple[Money, ...]
    planned_on: tuple[date | None, ...]


@dataclass(frozen=True)
class Weighted:
    """Tranches in proportion to `weights`; equal ones make equal tranches."""

    weights: tuple[Decimal, ...]

    @classmethod
    def equal(cls, parts: int) -> "Weighted":
        """As many equal tranches as `parts`."""
        return cls((Decimal(1),) * parts)


def tranches(amount: Money, schedule: Explicit | Weighted) -> tuple[Tranche, ...]:
    """The tranches of `amount`, which sum to it to the last coin.

    Raises ScheduleError for too many, an empty one, or explicit amounts that sum to something else.
    """
    if isinstance(schedule, Weighted):
        parts: Sequence[Money] = _weighted(amount, schedule.weights)
        planned: Sequence[date | None] = (None,) * len(parts)
    else:
        parts, planned = schedule.amounts, schedule.planned_on
    if not 1 <= len(parts) <= MAX_TRANCHES:
        raise _schedule(f"an agreement has 1 to {MAX_TRANCHES} tranches, not {len(parts)}")
    if any(part.amount <= 0 for part in parts):
        raise _schedule(
            f"{amount} is too little for {len(parts)} tranches; each needs at least one coin"
        )
    total = sum((part.amount for part in parts), Decimal(0))
    if total != amount.amount:
        raise _schedule(f"they sum to {Money(total, amount.currency)}, not to {amount}")
    return tuple(
        Tranche(number, part, day)
        for number, (part, day) in enumerate(zip(parts, planned, strict=True), start=1)
    )


def _weighted(amount: Money, weights: Sequence[Decimal]) -> Sequence[Money]:
    try:
        return split(amount, weights)
    except ValueError as error:
        raise _schedule(str(error)) from error


def _schedule(trouble: str) -> ScheduleError:
    return ScheduleError(
        f"The tranches do not make up the agreement: {trouble}.",
        places=[Place("/schedule", trouble, "schedule")],
    )


def must_be_justified(selection: Selection, justification: Justification | None) -> None:
    """Raises SelectionError unless a direct selection, and only that, gives its reason."""
    if (selection is Selection.DIRECT) != (justification is not None):
        trouble = (
            "a direct selection gives a justification code"
            if selection is Selection.DIRECT
            else "an open call needs no justification"
        )
        raise SelectionError(
            f"The selection is not recorded as it must be: {trouble}.",
            places=[Place("/justification", trouble, "selection")],
        )


def must_run_within(
    type_: AgreementType,
    starts_on: date,
    ends_on: date,
    grant: SpendingTime,
    terms: Iterable[Term],
) -> None:
    """Raises DatesError when it ends before it starts, begins before its grant may be spent,
    outlasts it, or is too long for its type; UnknownTermError when that length is not configured.
    """
    if ends_on < starts_on:
        raise _dates("/ends_on", "an agreement cannot end before it starts")
    if grant.since is not None and starts_on < grant.since:
        raise _dates("/starts_on", f"the grant pays for nothing before {grant.since.isoformat()}")
    if grant.until is not None and ends_on > grant.until:
        raise _dates("/ends_on", f"the grant must be spent by {grant.until.isoformat()}")
    if type_ is AgreementType.SIMPLIFIED:
        limit = term(terms, TermName.SIMPLIFIED_AGREEMENT_MONTHS, starts_on)
        if ends_on > months_after(starts_on, limit.value):
            raise _dates(
                "/ends_on",
                f"a simplified agreement runs {limit.value} months at most ({limit.source})",
            )


def sign(agreement: Agreement, signed_on: date, latest: date) -> AgreementStatus:
    """The status after signing; `latest` is the latest date on earth.

    Raises IllegalMoveError, DatesError for a signature in the future.
    """
    status = move(TRANSITIONS, agreement.status, _S.SIGNED, noun="agreement")
    if signed_on > latest:
        raise _dates("/signed_on", "a signature cannot lie in the future")
    return status


def activate(present: AgreementStatus) -> AgreementStatus:
    """The status once payments may be made.

    Raises IllegalMoveError; a suspended one is resumed instead.
    """
    if present is _S.SUSPENDED:
        raise IllegalMoveError(
            "This agreement is suspended; resume it instead.", state=present.value, allowed=[]
        )
    return move(TRANSITIONS, present, _S.ACTIVE, noun="agreement")


def resume(present: AgreementStatus) -> AgreementStatus:
    """The status once payments may go on. Raises IllegalMoveError unless they were suspended."""
    if present is not _S.SUSPENDED:
        raise IllegalMoveError(
            f"Only a suspended agreement is resumed; this one is {present.value}.",
            state=present.value,
            allowed=sorted(state.value for state in TRANSITIONS[present]),
        )
    return move(TRANSITIONS, present, _S.ACTIVE, noun="agreement")


def must_be_active(agreement_status: AgreementStatus) -> None:
    """Raises AgreementNotActiveError unless payments may be made under the agreement."""
    if agreement_status is not _S.ACTIVE:
        raise AgreementNotActiveError(
            f"The agreement is {agreement_status.value}; only an active one is paid.",
            state=agreement_status.value,
        )


def _dates(pointer: str, trouble: str) -> DatesError:
    return DatesError(f"The dates cannot be: {trouble}.", places=[Place(pointer, trouble, "dates")])
