"""Our copy of the registry's partners: who may sit at a table, and whether they are local actors.

The registry decides who is eligible; we only read its answer. A row that cannot be read, or whose
partner was erased, counts as not eligible.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, Row, Table, Text, select
from sqlalchemy.dialects.postgresql import ARRAY

from common.errors import ConflictError
from common.mirrors.mirror import Mirror, mirror_table
from common.models import ReadingModel
from common.uow import UnitOfWork
from coordination.locks import Lock
from coordination.metadata import metadata

MAY_SIT = frozenset({"eligible", "provisional"})
"""Provisional partners work with us under a flexible regime, so they sit at the table as well."""


class PartnerUnknownError(ConflictError):
    code = "partner_unknown"
    title = "This partner is not known here"
    from_mirror = True


class PartnerIneligibleError(ConflictError):
    code = "partner_ineligible"
    title = "The partner is not eligible"
    from_mirror = True


class PartnerSeen(ReadingModel):
    """What we need of `registry.partner.v1`."""

    id: UUID
    legal_name: str
    acronym: str | None = None
    kind: str
    country: str | None = None
    countries: tuple[str, ...] = ()
    local: str
    status: str
    eligibility: str
    eligibility_reasons: tuple[str, ...] = ()
    eligible_until: date | None = None


partner_mirror_table: Table = mirror_table(
    "partner_mirror",
    metadata,
    Column("legal_name", Text),
    Column("acronym", Text),
    Column("kind", Text),
    Column("country", Text),
    Column("countries", ARRAY(Text)),
    Column("local", Text),
    Column("status", Text),
    Column("eligibility", Text),
    Column("eligibility_reasons", ARRAY(Text)),
    Column("eligible_until", Date),
)

PARTNERS = Mirror(
    name="partners",
    topic="registry.partner.v1",
    aggregate="partner",
    table=partner_mirror_table,
    model=PartnerSeen,
    relevant=("eligibility", "eligible_until"),
)


@dataclass(frozen=True)
class Partner:
    """A partner as our mirror shows it now. `reasons`: the registry's coarse codes."""

    id: UUID
    legal_name: str | None
    eligibility: str | None
    reasons: tuple[str, ...]
    eligible_until: date | None
    readable: bool
    gone: bool

    def may_sit(self, now: datetime) -> bool:
        """Whether the partner may take part in a cluster at `now`."""
        return (
            self.readable
            and not self.gone
            and self.eligibility in MAY_SIT
            and not self._lapsed(now)
        )

    def standing(self, now: datetime) -> str:
        """Its eligibility in a word, for whoever is refused."""
        if not self.readable or self.eligibility is None:
            return "unreadable"
        return "expired" if self.eligibility in MAY_SIT and self._lapsed(now) else self.eligibility

    def _lapsed(self, now: datetime) -> bool:
        """Whether the last day on which the registry's answer can hold (in UTC) is over."""
        return self.eligible_until is not None and now.date() > self.eligible_until


async def hold_partner(uow: UnitOfWork, partner_id: UUID) -> Partner | None:
    """The partner, its row kept from changing until this transaction ends; None: never heard of."""
    table = partner_mirror_table
    statement = select(table).where(table.c.id == partner_id).with_for_update(read=True)
    row = await uow.lock(Lock.MIRROR, statement)
    return None if row is None else _partner_of(row)


def must_be_known(partner: Partner | None, partner_id: UUID) -> Partner:
    """The partner. Raises PartnerUnknownError when it was never heard of, or is erased."""
    if partner is None or partner.gone:
        raise PartnerUnknownError(
            f"The registry has told us of no partner {partner_id}; one that was registered a "
            "moment ago arrives shortly.",
            partner_id=str(partner_id),
        )
    return partner


def must_be_able_to_sit(partner: Partner, now: datetime) -> None:
    """Raises PartnerIneligibleError unless the partner may take part in a cluster."""
    if not partner.may_sit(now):
        state = partner.standing(now)
        raise PartnerIneligibleError(
            f"{partner.legal_name or 'The partner'} may not sit in a cluster now: the registry "
            f"finds it {state}.",
            eligibility=state,
            reasons=list(partner.reasons),
        )


def _partner_of(row: Row[Any]) -> Partner:
    return Partner(
        id=row.id,
        legal_name=row.legal_name,
        eligibility=row.eligibility,
        reasons=tuple(row.eligibility_reasons or ()),
        eligible_until=row.eligible_until,
        readable=row.readable,
        gone=row.gone,
    )
