"""Approval bands: how many people, which roles, for which amount."""

from __future__ import annotations

from decimal import Decimal

import pytest

from common.money import Money
from disbursement.approvals import rules
from disbursement.approvals.rules import Band
from disbursement.errors import ApproverRoleError, PayloadChangedError

SMALL = Band(Decimal(50_000), 1, ("payment_approver",))
MIDDLE = Band(Decimal(1_000_000), 2, ("payment_approver", "treasury"))
LARGE = Band(None, 3, ("treasury",))
BANDS = (SMALL, MIDDLE, LARGE)


@pytest.mark.parametrize(
    "amount, currency, required",
    [
        ("0.01", "USD", 1),
        ("50000.00", "USD", 1),
        ("50000.01", "USD", 2),
        ("1000000", "USD", 2),
        ("1000000.01", "USD", 3),
        ("1", "XAF", 3),
    ],
)
def test_the_amount_decides_how_many_approve(amount: str, currency: str, required: int) -> None:
    needed = rules.requirement(BANDS, "USD", Money(Decimal(amount), currency))
    assert needed.required == required


@pytest.mark.parametrize(
    "bands",
    [
        (),
        (SMALL,),
        (LARGE, LARGE),
        (MIDDLE, SMALL, LARGE),
        (SMALL, SMALL, LARGE),
        (Band(Decimal(0), 1, ("a",)), LARGE),
        (Band(Decimal(1), 3, ("a",)), Band(None, 2, ("a",))),
    ],
)
def test_bands_that_leave_a_gap_or_loosen_are_refused(bands: tuple[Band, ...]) -> None:
    with pytest.raises(ValueError, match=r"limit|fewer"):
        rules.must_be_complete(bands)


@pytest.mark.parametrize("required, roles", [(0, ("a",)), (-1, ("a",)), (1, ())])
def test_a_band_without_people_or_roles_is_refused(required: int, roles: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"approval|roles"):
        Band(None, required, roles)


def test_an_approver_holds_one_of_the_roles() -> None:
    rules.must_have_a_role(frozenset({"treasury", "other"}), MIDDLE.roles)


@pytest.mark.parametrize("held", [frozenset(), frozenset({"payment_submitter"})])
def test_an_approver_without_a_role_is_refused(held: frozenset[str]) -> None:
    with pytest.raises(ApproverRoleError):
        rules.must_have_a_role(held, MIDDLE.roles)


def test_a_decision_on_another_payload_is_refused() -> None:
    rules.must_be_the_same("a", "a")
    with pytest.raises(PayloadChangedError):
        rules.must_be_the_same("a", "b")
