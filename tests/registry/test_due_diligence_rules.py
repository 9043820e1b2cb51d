"""What must be shown, what a verification finds, and how long it holds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from common.errors import InvalidError
from registry.due_diligence import rules
from registry.due_diligence.rules import (
    PROFILE,
    Document,
    DocumentKind,
    Dossier,
    Findings,
    IncompleteError,
    NotVerifiedError,
    Policy,
    Section,
    TooManyDocumentsError,
)
from registry.partners.rules.kinds import Kind
from registry.partners.rules.life import Status
from registry.partners.rules.partner import Facts, Partner

TODAY = date(2020, 6, 22)
POLICY = Policy(validity_years=5, declaration="2")

PARTNER = Partner(
    id=UUID(int=1),
    sequence="0001-0000000001",
    facts=Facts(Kind.NATIONAL_NGO, "Shapla Health Society", "BGD", countries=("BGD",)),
    registered_at=datetime(2020, 6, 22, tzinfo=UTC),
)


def document(**facts: Any) -> Document:
    known = {
        "id": UUID(int=7),
        "kind": DocumentKind.REGISTRATION,
        "issued_on": date(2019, 3, 1),
        "expires_on": None,
    }
    return Document(**{**known, **facts})


COMPLETE = Dossier(documents=(document(),), declared=frozenset({"2"}), sections=frozenset(PROFILE))


@pytest.mark.parametrize(
    "issued_on, expires_on, pointer",
    [
        (date(2020, 6, 22), None, None),
        (date(2020, 6, 23), None, "/issued_on"),
        (date(2019, 1, 1), date(2020, 6, 23), None),
        (date(2019, 1, 1), date(2020, 6, 22), "/expires_on"),
        (date(2019, 1, 1), date(2019, 1, 1), "/expires_on"),
        (date(2019, 1, 2), date(2019, 1, 1), "/expires_on"),
    ],
)
def test_a_document_is_in_force_from_its_issue_to_the_eve_of_its_expiry(
    issued_on: date, expires_on: date | None, pointer: str | None
) -> None:
    shown = document(issued_on=issued_on, expires_on=expires_on)
    if pointer is None:
        assert rules.admissible(shown, Dossier(), today=TODAY, latest=TODAY) is shown
    else:
        with pytest.raises(InvalidError) as refused:
            rules.admissible(shown, Dossier(), today=TODAY, latest=TODAY)
        assert [place.pointer for place in refused.value.places] == [pointer]


def test_documents_are_bounded() -> None:
    full = Dossier(documents=(document(),) * rules.MAX_DOCUMENTS)
    with pytest.raises(TooManyDocumentsError):
        rules.admissible(document(), full, today=TODAY, latest=TODAY)


def test_a_complete_dossier_lacks_nothing() -> None:
    assert not any(rules.missing(PARTNER, COMPLETE, POLICY, TODAY).values())
    rules.must_be_complete(PARTNER, COMPLETE, POLICY, TODAY)


@pytest.mark.parametrize("section", PROFILE)
def test_each_section_of_the_profile_is_needed(section: Section) -> None:
    dossier = replace(COMPLETE, sections=COMPLETE.sections - {section})
    with pytest.raises(IncompleteError) as refused:
        rules.must_be_complete(PARTNER, dossier, POLICY, TODAY)
    assert list(refused.value.facts["missing"]) == [section.value]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "dossier, documented",
    [
        (COMPLETE, True),
        (replace(COMPLETE, documents=()), False),
        (replace(COMPLETE, documents=(document(expires_on=TODAY),)), False),
        (replace(COMPLETE, documents=(), excused=frozenset(DocumentKind)), True),
        (
            replace(
                COMPLETE,
                documents=(),
                excused=frozenset({DocumentKind.GOVERNING, DocumentKind.REGISTRATION}),
            ),
            False,
        ),
    ],
)
def test_one_document_or_a_reason_for_each_kind(dossier: Dossier, documented: bool) -> None:
    lacking = rules.missing(PARTNER, dossier, POLICY, TODAY)
    assert (not lacking[Section.DOCUMENTS]) == documented


def test_an_older_declaration_does_not_count() -> None:
    dossier = replace(COMPLETE, declared=frozenset({"1"}))
    assert rules.missing(PARTNER, dossier, POLICY, TODAY)[Section.DECLARATION] == (
        "Accept the declaration in its present version, 2.",
    )


def test_where_it_works_must_be_stated() -> None:
    partner = replace(PARTNER, facts=replace(PARTNER.facts, countries=()))
    assert rules.missing(partner, COMPLETE, POLICY, TODAY)[Section.IDENTITY]


@pytest.mark.parametrize("answers", list(itertools.product([True, False], repeat=5)))
def test_only_five_good_answers_verify(answers: tuple[bool, bool, bool, bool, bool]) -> None:
    assert Findings(*answers).verified == (answers == (True, True, True, False, False))


@pytest.mark.parametrize("status", Status)
def test_a_verification_needs_a_partner_in_a_reviewers_hands(status: Status) -> None:
    partner = replace(PARTNER, status=status)
    if status in (Status.UNDER_REVIEW, Status.ACTIVE, Status.SUSPENDED):
        rules.must_be_verifiable(partner)
    else:
        with pytest.raises(NotVerifiedError):
            rules.must_be_verifiable(partner)


@pytest.mark.parametrize(
    "verified_on, years, last_day",
    [
        (date(2020, 6, 22), 5, date(2025, 6, 21)),
        (date(2020, 6, 22), 4, date(2024, 6, 21)),
        (date(2020, 1, 1), 1, date(2020, 12, 31)),
        (date(2020, 2, 29), 4, date(2024, 2, 28)),
        (date(2020, 2, 29), 5, date(2025, 2, 28)),
    ],
)
def test_a_verification_holds_to_the_eve_of_its_anniversary(
    verified_on: date, years: int, last_day: date
) -> None:
    assert rules.valid_until(verified_on, years) == last_day


LONG = date(2025, 6, 21)


@pytest.mark.parametrize(
    "documents, excused, valid_until, last_day",
    [
        ((), (), None, None),
        ((document(),), (), LONG, LONG),
        ((document(expires_on=date(2021, 1, 1)),), (), LONG, date(2020, 12, 31)),
        ((document(expires_on=date(2030, 1, 1)),), (), LONG, LONG),
        (
            (document(expires_on=date(2021, 1, 1)), document(expires_on=date(2022, 1, 1))),
            (),
            LONG,
            date(2021, 12, 31),
        ),
        ((document(expires_on=date(2021, 1, 1)), document()), (), LONG, LONG),
        ((document(expires_on=date(2021, 1, 1)),), tuple(DocumentKind), LONG, LONG),
    ],
)
def test_due_diligence_ends_with_the_verification_or_the_last_document(
    documents: tuple[Document, ...],
    excused: tuple[DocumentKind, ...],
    valid_until: date | None,
    last_day: date | None,
) -> None:
    dossier = Dossier(documents, frozenset(excused))
    seen = dossier if valid_until is None else rules.seen(dossier, valid_until)
    assert rules.holds_until(seen, TODAY) == last_day


def test_what_was_shown_since_the_verification_does_not_count() -> None:
    soon = rules.seen(Dossier((document(expires_on=date(2021, 1, 1)),)), LONG)
    later = document(id=UUID(int=8), expires_on=date(2022, 1, 1))
    shown = replace(soon, documents=(*soon.documents, later), excused=frozenset(DocumentKind))
    assert rules.holds_until(shown, TODAY) == date(2020, 12, 31)
    assert rules.holds_until(rules.seen(shown, LONG), TODAY) == LONG


def test_without_any_document_it_has_lapsed_already() -> None:
    last = rules.holds_until(Dossier(valid_until=LONG), TODAY)
    assert last is not None
    assert last < TODAY
