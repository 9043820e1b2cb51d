"""Amounts as clients send them: exact in their currency, and in the one currency that is meant."""

from decimal import Decimal

from common.errors import Place
from common.money import Money, minor_units
from disbursement.errors import CurrencyMismatchError, InexactAmountError


def exact(amount: Decimal, currency: str, *, pointer: str = "/amount") -> Money:
    """`amount` of `currency`. Raises InexactAmountError when it is finer than the smallest coin."""
    try:
        return Money(amount, currency)
    except ValueError as error:
        decimals = minor_units(currency)
        raise InexactAmountError(
            f"{currency} has {decimals} decimals; {amount} is finer than its smallest coin.",
            places=[Place(pointer, f"round it to {decimals} decimals", "inexact_amount")],
        ) from error


def must_be_in(currency: str, expected: str, *, whose: str, pointer: str = "/currency") -> None:
    """Raises CurrencyMismatchError unless both are the same; nothing is converted here."""
    if currency != expected:
        raise CurrencyMismatchError(
            f"The {whose} is in {expected}, not {currency}.",
            places=[Place(pointer, f"give {expected}", "currency_mismatch")],
            expected=expected,
        )
