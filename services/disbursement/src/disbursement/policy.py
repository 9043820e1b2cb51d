"""What commands may know of the settings: one frozen value, made by the composition root."""

from dataclasses import dataclass
from enum import StrEnum

from disbursement.approvals.rules import Band
from disbursement.terms import Term


class NextTranche(StrEnum):
    """When a tranche after the first may be released."""

    WHEN_EARLIER_SETTLED = "when_earlier_settled"
    ANY_TIME = "any_time"


@dataclass(frozen=True)
class Policy:
    """`partner_max_age_seconds`: money does not move on a partner's state older than this."""

    terms: tuple[Term, ...]
    bands: tuple[Band, ...]
    band_currency: str
    next_tranche: NextTranche
    partner_max_age_seconds: float
    clock_skew_seconds: float
