"""Money is what can be spent, and is divided to the last coin."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from common.money import (
    MAX_DIGITS,
    MINOR_UNITS,
    Currency,
    Money,
    is_currency,
    minor_units,
    split,
)

NOT_MONEY = {
    "no currency, tests": ["XXX", "XTS"],
    "metals": ["XAU", "XAG", "XPT", "XPD"],
    "units of account": ["XDR", "XSU", "XUA", "XBA", "XBB", "XBC", "XBD", "XAD"],
    "funds and indices": ["BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"],
}


@pytest.mark.parametrize("code", [code for codes in NOT_MONEY.values() for code in codes])
def test_what_nobody_can_pay_with_is_no_currency(code: str) -> None:
    assert not is_currency(code)
    with pytest.raises(ValidationError, match="ISO 4217"):
        TypeAdapter(Currency).validate_python(code)


@pytest.mark.parametrize("code", ["USD", "EUR", "XAF", "XOF", "XPF", "XCD", "BDT", "LYD", "CHF"])
def test_what_people_pay_with_is_a_currency(code: str) -> None:
    assert is_currency(code)


def test_whatever_else_begins_with_an_x_has_been_thought_of() -> None:
    listed = {each.alpha_3 for each in pycountry.currencies if each.alpha_3.startswith("X")}
    money = {code for code in listed if is_currency(code)}
    assert money == {"XAF", "XCD", "XCG", "XOF", "XPF"}


def test_every_currency_with_decimals_of_its_own_can_be_paid_with() -> None:
    assert [code for code in MINOR_UNITS if not is_currency(code)] == []


amounts = st.builds(
    lambda coins, currency: Money(Decimal(coins).scaleb(-minor_units(currency)), currency),
    st.integers(-(10**17), 10**17),
    st.sampled_from(["USD", "XAF", "LYD"]),
)
weights = st.lists(
    st.decimals(min_value=0, max_value=10**MAX_DIGITS - 1, places=4), min_size=1, max_size=24
).filter(any)


@given(total=amounts, parts=weights)
def test_parts_sum_to_the_whole_and_are_less_than_a_coin_from_their_share(
    total: Money, parts: list[Decimal]
) -> None:
    coin = Fraction(Decimal(1).scaleb(-minor_units(total.currency)))
    found = split(total, parts)
    whole = sum(map(Fraction, parts))
    assert sum(Fraction(part.amount) for part in found) == Fraction(total.amount)
    for part, weight in zip(found, parts, strict=True):
        share = Fraction(total.amount) * Fraction(weight) / whole
        assert abs(Fraction(part.amount) - share) < coin


def test_the_largest_amount_is_divided_by_the_largest_weights_to_the_last_coin() -> None:
    largest = Decimal("999999999999999.9999")
    total = Money(Decimal("999999999999999.99"), "USD")
    parts = split(total, [largest] * 24)
    assert sum(part.amount for part in parts) == total.amount
    assert parts == sorted(parts, key=lambda part: -part.amount)


def test_the_coins_that_are_left_go_to_the_largest_remainders_and_then_to_the_earlier() -> None:
    parts = split(Money(Decimal("1.00"), "USD"), [Decimal(1), Decimal(4), Decimal(1)])
    assert [str(part.amount) for part in parts] == ["0.17", "0.67", "0.16"]


def test_a_coin_that_is_left_goes_to_the_larger_remainder_however_small_the_difference() -> None:
    nearly = ["189213461186056.8996", "558453102306326.9176", "252333436507616.1827"]
    parts = split(Money(Decimal("123456789012345.67"), "USD"), [Decimal(each) for each in nearly])
    assert [str(part.amount) for part in parts] == [
        "23359686355942.68",
        "68944826824722.10",
        "31152275831680.89",
    ]


@pytest.mark.parametrize("parts", [[], ["0"], ["1", "-1"], ["2", "-1"], ["NaN"], ["1", "Infinity"]])
def test_weights_that_divide_nothing_are_refused(parts: list[str]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(Money(Decimal(1), "USD"), [Decimal(part) for part in parts])
