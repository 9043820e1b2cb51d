"""Money is what can be spent, and is divided to the last coin."""

from __future__ import annotations

import pycountry
import pytest
from pydantic import TypeAdapter, ValidationError

from common.money import MINOR_UNITS, Currency, is_currency

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
