"""Our copy of the registry's partners: whether one may be paid, and who it is for the reports.

What cannot be read, is gone, or never arrived counts as ineligible: closed, not open.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, Text, select

from common.mirrors.mirror import Mirror, mirror_table
from common.models import ReadingModel
from common.uow import UnitOfWork
from disbursement.errors import PartnerIneligibleError, PartnerUnknownError
from disbursement.locks import Lock
from disbursement.metadata import metadata

ELIGIBLE = "eligible"


class PartnerSeen(ReadingModel):
    """The fields of `registry.partner.v1` that decisions and reports here rest on."""

    legal_name: str | None = None
    kind: str | None = None
    country: str | None = None
    local: str | None = None
    status: str | None = None
    eligibility: str
    eligible_until: date | None = None


partner_mirror = mirror_table(
    "partner_mirror",
    metadata,
    Column("legal_name", Text),
    Column("kind", Text),
    Column("country", Text),
    Column("local", Text),
    Column("status", Text),
    Column("eligibility", Text),
    Column("eligible_until", Date),
)

PARTNERS = Mirror(
    name="partners",
    topic="registry.partner.v1",
    aggregate="partner",
    table=partner_mirror,
    model=PartnerSeen,
    relevant=("eligibility", "eligible_until"),
)


class NotPayable(StrEnum):
    """Why a partner may not be paid, as far as we know it."""

    UNREADABLE = "unreadable"
    GONE = "gone"
    INELIGIBLE = "ineligible"
    PROVISIONAL = "provisional"
    LAPSED = "lapsed"


_SENTENCES = {
    NotPayable.UNREADABLE: "The registry's last word on this partner could not be read",
    NotPayable.GONE: "The registry does not know this partner any more",
    NotPayable.INELIGIBLE: "The registry says that this partner is not eligible",
    NotPayable.PROVISIONAL: "This partner is only provisionally eligible",
    NotPayable.LAPSED: "This partner's eligibility has lapsed",
}


@dataclass(frozen=True)
class Partner:
    """A partner as the registry last told us."""

    id: UUID
    readable: bool
    gone: bool
    eligibility: str | None
    eligible_until: date | None

    @classmethod
    def of(cls, row: Any) -> "Partner":
        """From a row by column names: SQLAlchemy's mapping or the driver's record."""
        return cls(
            row["id"], row["readable"], row["gone"], row["eligibility"], row["eligible_until"]
        )

    def not_payable(self, on: date) -> NotPayable | None:
        """Why this partner may not be paid on that day; None when it may."""
        if not self.readable:
            return NotPayable.UNREADABLE
        if self.gone:
            return NotPayable.GONE
        if self.eligibility == "provisional":
            return NotPayable.PROVISIONAL
        if self.eligibility != ELIGIBLE:
            return NotPayable.INELIGIBLE
        if self.eligible_until is not None and self.eligible_until < on:
            return NotPayable.LAPSED
        return None


def must_be_payable(partner: Partner | None, on: date) -> None:
    """Raises PartnerUnknownError, PartnerIneligibleError unless it may be paid on that day."""
    if partner is None:
        raise PartnerUnknownError(
            "No record of this partner has reached us yet; the registry's events bring it."
        )
    reason = partner.not_payable(on)
    if reason is not None:
        raise PartnerIneligibleError(
            f"{_SENTENCES[reason]}; it may not be paid now.",
            partner=str(partner.id),
            reason=reason.value,
        )


async def partner_for_share(uow: UnitOfWork, partner_id: UUID) -> Partner | None:
    """The partner, locked so that no newer state of it is applied before this decision is
    committed.
    """
    row = await uow.lock(
        Lock.MIRROR,
        select(partner_mirror).where(partner_mirror.c.id == partner_id).with_for_update(read=True),
    )
    return None if row is None else Partner.of(row._mapping)
