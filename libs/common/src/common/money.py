"""Money: exact decimal amounts of a currency, never a float, never finer than the currency's coin.

Minor units are those of ISO 4217: two for most, none for XAF, three for LYD.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from functools import cache
from math import floor
from typing import Annotated

import pycountry
from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

DEFAULT_MINOR_UNITS = 2
MINOR_UNITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
"""Decimals of a currency where it is not two (ISO 4217)."""

MAX_DIGITS = 15
"""Digits before the decimal point that an amount may have; the columns are numeric(19, 4)."""

_AMOUNT = r"^(0|[1-9]\d{0,14})(\.\d{1,4})?$"


_NOT_MONEY = frozenset(
    [
        *("XXX", "XTS"),  # no currency, tests
        *("XAG", "XAU", "XPD", "XPT"),  # metals
        *("XAD", "XBA", "XBB", "XBC", "XBD", "XDR", "XSU", "XUA"),  # units of account
        *("BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"),  # funds and indices
    ]
)
"""What ISO 4217 lists, and nobody can pay with."""


@cache
def _currencies() -> frozenset[str]:
    return frozenset(currency.alpha_3 for currency in pycountry.currencies) - _NOT_MONEY


def is_currency(code: str) -> bool:
    """Whether ISO 4217 lists `code` as a currency that people pay with."""
    return code in _currencies()


def minor_units(currency: str) -> int:
    """How many decimals `currency` has by ISO 4217; two where its list says nothing else."""
    return MINOR_UNITS.get(currency, DEFAULT_MINOR_UNITS)


@dataclass(frozen=True)
class Money:
    """`amount` of `currency` (ISO 4217); may be negative in a ledger.

    Raises ValueError when it is finer than the currency's coin or not finite, and when amounts of
    two currencies are added or compared.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise ValueError("an amount must be a finite number")
        coin = Decimal(1).scaleb(-minor_units(self.currency))
        if self.amount != self.amount.quantize(coin, rounding=ROUND_DOWN):
            raise ValueError(
                f"{self.currency} has {minor_units(self.currency)} decimals; "
                f"{self.amount} is finer than its smallest coin"
            )
        object.__setattr__(self, "amount", self.amount.quantize(coin, rounding=ROUND_DOWN))

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,}"

    def _same(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be reckoned together")
        return other.amount


def split(total: Money, weights: Sequence[Decimal]) -> list[Money]:
    """`total` in parts proportional to `weights` that sum to it exactly (largest remainder).

    Ties go to the earlier part. Raises ValueError unless the weights are finite and non-negative
    with a positive sum.
    """
    if not all(weight.is_finite() and weight >= 0 for weight in weights) or not any(weights):
        raise ValueError("weights must be non-negative, and one of them positive")
    decimals = minor_units(total.currency)
    coins = int(total.amount.scaleb(decimals))
    # fractions, since a product of amount and weight has more digits than decimals keep
    whole = sum(map(Fraction, weights))
    exact = [coins * Fraction(weight) / whole for weight in weights]
    parts = [floor(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for index in by_remainder[: coins - sum(parts)]:
        parts[index] += 1
    return [Money(Decimal(part).scaleb(-decimals), total.currency) for part in parts]


def _from_text(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('write an amount as text, for example "125000.00"; numbers lose digits')
    if not re.fullmatch(_AMOUNT, value, re.ASCII):
        raise ValueError(
            "an amount is written in plain digits, zero or more, with at most "
            f"{MAX_DIGITS} digits before the point and four after it, such as 125000.00"
        )
    return value


def _positive(amount: Decimal) -> Decimal:
    if amount <= 0:
        raise ValueError("the amount must be more than zero")
    return amount


def _known_currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError(
            f"{code!r} is not a currency of ISO 4217 that is paid with, such as USD or XAF"
        )
    return code


Amount = Annotated[
    Decimal,
    BeforeValidator(_from_text),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": _AMOUNT, "examples": ["125000.00"]}),
]
"""An amount of money in JSON: a string, zero or more, never in exponent form."""

PositiveAmount = Annotated[Amount, AfterValidator(_positive)]
"""An amount that must be more than zero."""

Currency = Annotated[
    str,
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["USD"]}),
]
"""A currency of ISO 4217 that is paid with."""
