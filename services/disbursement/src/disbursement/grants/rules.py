"""What a grant is: its source, chain of funders, deadline, and what may be received of it.

Windows, deadlines and the early start are CERF's guidelines; their numbers are terms, each with its
source (`disbursement.terms`). Layers are counted because the Grand Bargain asks for one
intermediary at most. It knows no balances: what has been received is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from common.errors import Place
from common.money import Money
from disbursement.errors import BeyondGrantError, ChainError, CodeMismatchError, DatesError
from disbursement.grants.codes import CerfCodes, Window
from disbursement.terms import Term, TermName, months_after, term, term_if_any


class Source(StrEnum):
    """Who entrusts the money to us."""

    CERF = "cerf"
    DONOR = "donor"
    POOLED_FUND = "pooled_fund"


class FunderRole(StrEnum):
    """What an organisation above us in the chain is."""

    DONOR = "donor"
    FUND = "fund"
    INTERMEDIARY = "intermediary"


@dataclass(frozen=True)
class Funder:
    """One organisation that the money came through before it reached us."""

    role: FunderRole
    name: str


@dataclass(frozen=True)
class Deadline:
    """The day by which the money must be spent, and whose rule says so."""

    ends_on: date
    source: str


@dataclass(frozen=True)
class SpendingTime:
    """The first and the last day that a grant pays for; None: open, or not known yet."""

    since: date | None
    until: date | None


@dataclass(frozen=True)
class Grant:
    """A grant as it stands. `funders` lead from the first donor down to whoever paid us."""

    id: UUID
    sequence: str
    source: Source
    cerf_window: Window | None
    cerf_round: int | None
    code_text: str | None
    project_code: str | None
    application_code: str | None
    title: str
    country: str
    emergency: str | None
    amount: Money
    funders: tuple[Funder, ...]
    approved_on: date | None
    disbursed_on: date | None
    ends_on: date | None
    ends_source: str | None

    @classmethod
    def of(cls, row: Any) -> "Grant":
        """From a row of the table."""
        return cls(
            id=row.id,
            sequence=row.sequence,
            source=Source(row.source),
            cerf_window=None if row.cerf_window is None else Window(row.cerf_window),
            cerf_round=row.cerf_round,
            code_text=row.code_text,
            project_code=row.project_code,
            application_code=row.application_code,
            title=row.title,
            country=row.country,
            emergency=row.emergency,
            amount=Money(row.amount, row.currency),
            funders=tuple(Funder(FunderRole(each["role"]), each["name"]) for each in row.funders),
            approved_on=row.approved_on,
            disbursed_on=row.disbursed_on,
            ends_on=row.ends_on,
            ends_source=row.ends_source,
        )


_USUAL_CHAIN = {
    Source.CERF: (Funder(FunderRole.DONOR, "Donors to CERF"), Funder(FunderRole.FUND, "CERF")),
    Source.POOLED_FUND: (
        Funder(FunderRole.DONOR, "Donors to the pooled fund"),
        Funder(FunderRole.FUND, "Pooled fund"),
    ),
    Source.DONOR: (Funder(FunderRole.DONOR, "Donor"),),
}


def funding_chain(source: Source, funders: Sequence[Funder]) -> tuple[Funder, ...]:
    """The chain of a grant, or the usual one of its source when none is given.

    Raises ChainError unless it starts with a donor, has at most one fund, and a fund exactly where
    the source is one.
    """
    chain = tuple(funders) or _USUAL_CHAIN[source]
    funds = [funder for funder in chain if funder.role is FunderRole.FUND]
    trouble = None
    if chain[0].role is not FunderRole.DONOR:
        trouble = "it starts with the donor whose money it is"
    elif len(funds) > 1:
        trouble = "one fund at most"
    elif bool(funds) != (source is not Source.DONOR):
        trouble = "a fund stands in it exactly when the source is CERF or a pooled fund"
    if trouble:
        raise ChainError(
            f"The funders do not lead from a donor to us: {trouble}.",
            places=[Place("/funders", trouble, "funding_chain")],
        )
    return chain


def cerf_window(source: Source, given: Window | None, codes: CerfCodes) -> Window | None:
    """The window of a grant; read from its code when not given, and None when CERF is not the
    source.

    Raises CodeMismatchError when code and window contradict each other, or a CERF grant has
    neither.
    """
    if source is not Source.CERF:
        if given is not None:
            raise CodeMismatchError(
                "Only a CERF grant has a window.",
                places=[Place("/cerf_window", "leave it out", "code_mismatch")],
            )
        return None
    window = given or codes.window
    if window is None:
        raise CodeMismatchError(
            "The code does not tell CERF's window; give rapid_response or underfunded_emergencies.",
            places=[Place("/cerf_window", "give the window", "code_mismatch")],
        )
    if codes.window not in (None, window):
        raise CodeMismatchError(
            f"The code belongs to {codes.window}, not to {window}.",
            places=[Place("/cerf_window", f"the code says {codes.window}", "code_mismatch")],
        )
    return window


def must_have_rounds(window: Window | None, cerf_round: int | None) -> None:
    """Raises CodeMismatchError for a round where there are none: Underfunded Emergencies has two a
    year.
    """
    if cerf_round is not None and window is not Window.UNDERFUNDED_EMERGENCIES:
        raise CodeMismatchError(
            "Only a grant for underfunded emergencies belongs to a round.",
            places=[Place("/cerf_round", "leave it out", "code_mismatch")],
        )


def must_tell_its_year(cerf_round: int | None, approved_on: date | None) -> None:
    """Raises DatesError for a round without its approval: nothing adds it later, and the deadline
    would stay open for ever.
    """
    if cerf_round is not None and approved_on is None:
        raise DatesError(
            "A round is one of the year in which the fund approved the grant.",
            places=[Place("/approved_on", "give the day on which the fund approved it", "dates")],
        )


def deadline(
    window: Window | None,
    disbursed_on: date | None,
    agreed: date | None,
    terms: Sequence[Term],
    *,
    approved_on: date | None = None,
    cerf_round: int | None = None,
) -> Deadline | None:
    """By when the money must be spent: as agreed in writing, else by the window's rule, else open.

    Rapid Response counts months from the fund's payment to the agency. Underfunded Emergencies does
    so where such a term is configured, else from the beginning of the round's year, which is that
    of the approval: a late round is often paid in the next year. Without a round it stays open.
    Raises UnknownTermError when no rule is configured.
    """
    if agreed is not None:
        return Deadline(agreed, "letter of agreement")
    if window is None or disbursed_on is None:
        return None
    if window is Window.RAPID_RESPONSE:
        months = term(terms, TermName.RAPID_RESPONSE_MONTHS, disbursed_on)
        return Deadline(months_after(disbursed_on, months.value), months.source)
    later = term_if_any(terms, TermName.UNDERFUNDED_MONTHS, disbursed_on)
    if later is not None:
        return Deadline(months_after(disbursed_on, later.value), later.source)
    if cerf_round is None or approved_on is None:
        return None
    months = term(terms, _ROUNDS[cerf_round], approved_on)
    new_year = approved_on.replace(month=1, day=1)
    return Deadline(months_after(new_year, months.value) - timedelta(days=1), months.source)


_ROUNDS = {
    1: TermName.UNDERFUNDED_FIRST_ROUND_MONTHS,
    2: TermName.UNDERFUNDED_SECOND_ROUND_MONTHS,
}


def spending_time(grant: Grant, terms: Sequence[Term]) -> SpendingTime:
    """Which days the grant pays for. Rapid Response may be spent some weeks before it is paid out.

    Raises UnknownTermError when it is not configured how many.
    """
    since = None
    if grant.cerf_window is Window.RAPID_RESPONSE and grant.disbursed_on is not None:
        weeks = term(terms, TermName.RAPID_RESPONSE_EARLY_START_WEEKS, grant.disbursed_on)
        since = grant.disbursed_on - timedelta(weeks=weeks.value)
    return SpendingTime(since, grant.ends_on)


def must_be_in_order(approved_on: date | None, disbursed_on: date | None, latest: date) -> None:
    """Raises DatesError for dates in the future or money paid before it was granted."""
    for pointer, day in (("/approved_on", approved_on), ("/disbursed_on", disbursed_on)):
        must_not_be_ahead(day, latest, pointer=pointer)
    if approved_on and disbursed_on and disbursed_on < approved_on:
        raise DatesError(
            "The fund cannot have paid before it approved the grant.",
            places=[Place("/disbursed_on", "not before approved_on", "dates")],
        )


def must_follow_the_fund(received_on: date, grant: Grant) -> None:
    """Raises DatesError for money that reached us before the fund granted it or paid it out."""
    for day, deed in ((grant.approved_on, "granted"), (grant.disbursed_on, "first paid out")):
        if day is not None and received_on < day:
            raise DatesError(
                f"The fund {deed} it on {day.isoformat()}; it cannot have arrived before.",
                places=[Place("/received_on", f"not before {day.isoformat()}", "dates")],
            )


def must_not_be_ahead(day: date | None, latest: date, *, pointer: str) -> None:
    """Raises DatesError when `day` is after the latest date on earth: what has happened cannot lie
    ahead.
    """
    if day is not None and day > latest:
        raise DatesError(
            f"{day.isoformat()} is in the future.",
            places=[Place(pointer, "give the day on which it happened", "dates")],
        )


def must_fit(receipt: Money, received: Money, granted: Money) -> None:
    """Raises BeyondGrantError when more would have been received than was granted."""
    if granted < received + receipt:
        raise BeyondGrantError(
            f"{received} of {granted} has been received; {receipt} more would go beyond the grant.",
            left=str((granted - received).amount),
        )


def layers_from(chain: Sequence[Funder], role: FunderRole) -> int | None:
    """How many organisations stand between `role` and the one that does the work; None without
    `role`.

    We are one of them: donor → CERF → IOM → partner is 1 layer from the fund and 2 from the donor.
    """
    places = [index for index, funder in enumerate(chain) if funder.role is role]
    return len(chain) - places[0] if places else None
