"""What an operator sets for this service: `DISBURSEMENT_…`, besides what every service has."""

from datetime import date
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict

from common.settings import CommonSettings
from disbursement.approvals.rules import Band, must_be_complete
from disbursement.policy import NextTranche, Policy
from disbursement.terms import Term, TermName


class TermSetting(BaseModel):
    """A number that a funder or an agency sets, from a day on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: TermName
    value: int = Field(gt=0)
    since: date
    source: str = Field(min_length=1)


class BandSetting(BaseModel):
    """Who must approve amounts up to `up_to`; the last band has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    up_to: Decimal | None = None
    required: int = Field(ge=1, le=10)
    roles: tuple[str, ...] = Field(min_length=1)


TERMS = (
    TermSetting(
        name=TermName.RAPID_RESPONSE_MONTHS,
        value=6,
        since=date(2006, 3, 9),
        source="CERF guideline: Rapid Response is spent within six months of disbursement",
    ),
    TermSetting(
        name=TermName.RAPID_RESPONSE_EARLY_START_WEEKS,
        value=6,
        since=date(2006, 3, 9),
        source="CERF guideline: Rapid Response starts at most six weeks before disbursement",
    ),
    TermSetting(
        name=TermName.UNDERFUNDED_FIRST_ROUND_MONTHS,
        value=12,
        since=date(2006, 3, 9),
        source="CERF guideline: the year's first round is spent by 31 December",
    ),
    TermSetting(
        name=TermName.UNDERFUNDED_SECOND_ROUND_MONTHS,
        value=18,
        since=date(2006, 3, 9),
        source="CERF guideline: the year's second round is spent by 30 June of the next",
    ),
    TermSetting(
        name=TermName.SIMPLIFIED_AGREEMENT_MONTHS,
        value=12,
        since=date(2018, 1, 1),
        source="United Nations agencies' practice for small-scale agreements",
    ),
)

BANDS = (
    BandSetting(up_to=Decimal(50_000), required=1, roles=("payment_approver", "treasury")),
    BandSetting(up_to=Decimal(1_000_000), required=2, roles=("payment_approver", "treasury")),
    BandSetting(up_to=None, required=3, roles=("payment_approver", "treasury")),
)


class Settings(CommonSettings):
    """Lists are given as JSON. Terms are effective-dated: a new one is added, none is edited."""

    model_config = SettingsConfigDict(env_prefix="DISBURSEMENT_")

    terms: tuple[TermSetting, ...] = Field(TERMS, description="numbers set by funders and agencies")
    approval_bands: tuple[BandSetting, ...] = Field(
        BANDS, description="how many people of which roles approve an amount"
    )
    approval_currency: str = Field(
        "USD", description="the bands' currency; other currencies take the last band"
    )
    next_tranche: NextTranche = Field(
        NextTranche.WHEN_EARLIER_SETTLED,
        description="when a tranche after the first may be released",
    )

    @model_validator(mode="after")
    def _bands_are_complete(self) -> "Settings":
        must_be_complete(_bands(self))
        return self


def policy(settings: Settings) -> Policy:
    """What commands may know of the settings."""
    return Policy(
        terms=tuple(
            Term(each.name, each.value, each.since, each.source) for each in settings.terms
        ),
        bands=must_be_complete(_bands(settings)),
        band_currency=settings.approval_currency,
        next_tranche=settings.next_tranche,
        partner_max_age_seconds=settings.mirror_max_age_seconds,
        clock_skew_seconds=settings.clock_skew_seconds,
    )


def _bands(settings: Settings) -> tuple[Band, ...]:
    return tuple(Band(each.up_to, each.required, each.roles) for each in settings.approval_bands)
