"""The ledger's arithmetic: whatever is moved, nothing appears and nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.money import Money
from disbursement.ledger.rules import (
    AGREEMENT_PURSES,
    GRANT_PURSES,
    WAYS,
    Movement,
    MovementKind,
    Purse,
)

GRANT = UUID(int=1)
AGREEMENTS = [UUID(int=2), UUID(int=3)]

movements = st.builds(
    lambda kind, cents, agreement: Movement(
        kind, Money(Decimal(cents).scaleb(-2), "USD"), GRANT, agreement
    ),
    st.sampled_from(list(MovementKind)),
    st.integers(1, 100_000),
    st.sampled_from(AGREEMENTS),
)


@given(movements)
def test_both_sides_of_a_movement_sum_to_zero(movement: Movement) -> None:
    assert sum(entry.amount for entry in movement.entries()) == 0


@pytest.mark.parametrize("kind", list(MovementKind))
def test_every_kind_of_movement_has_one_way(kind: MovementKind) -> None:
    source, target = WAYS[kind]
    assert source is not target


def test_a_purse_is_a_grants_or_an_agreements() -> None:
    assert {*GRANT_PURSES, *AGREEMENT_PURSES} == set(Purse)


def test_each_side_lies_with_its_owner() -> None:
    signed = Movement(MovementKind.SIGNED, Money(Decimal(5), "USD"), GRANT, AGREEMENTS[0])
    assert [(entry.owner, entry.purse) for entry in signed.entries()] == [
        (GRANT, Purse.AVAILABLE),
        (AGREEMENTS[0], Purse.COMMITTED),
    ]


@pytest.mark.parametrize("amount", [0, -1])
def test_only_a_positive_amount_moves(amount: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Movement(MovementKind.RECEIVED, Money(Decimal(amount), "USD"), GRANT)


def test_an_agreements_money_does_not_move_without_the_agreement() -> None:
    with pytest.raises(ValueError, match="agreement"):
        Movement(MovementKind.SIGNED, Money(Decimal(1), "USD"), GRANT)
