"""The written reasons that stand in for documents, out of the journal, for reviewers.

They are private: only here and in the journal's trail, which is for auditors, are they deciphered.
"""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import bindparam, select

from common.errors import NotFoundError
from common.journal.trail import KEY, Secrecy, opened
from common.models import PublicModel
from common.uow import UnitOfWork
from registry.due_diligence.rules import DocumentKind
from registry.partners.events import PARTNER, DocumentExcused
from registry.partners.rules.access import must_judge
from registry.partners.tables import partner_of, partner_table

_PARTNER = select(partner_table).where(partner_table.c.id == bindparam("partner_id"))
_REASONS = """
SELECT DISTINCT ON (kind) data #>> '{change,kind}' AS kind, id, occurred_at, actor, private
FROM journal WHERE stream = $1 AND type = $2 ORDER BY kind, epoch DESC, version DESC
"""


class ReasonView(PublicModel):
    """Why there is no document of a kind."""

    kind: DocumentKind
    stated_by: str
    stated_at: datetime
    secrecy: Secrecy
    reason: str | None = Field(description="null unless `secrecy` is open")


class ReasonsView(PublicModel):
    """The latest written reason for each kind of document that has one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reasons": [
                        {
                            "kind": "governing",
                            "stated_by": "amina",
                            "stated_at": "2024-07-01T09:30:00Z",
                            "secrecy": "open",
                            "reason": "The statutes were lost in the flood.",
                        }
                    ]
                }
            ]
        }
    )

    reasons: tuple[ReasonView, ...]


async def read_reasons(uow: UnitOfWork, partner_id: UUID) -> ReasonsView:
    """The latest written reason for each kind of document.

    Raises NotFoundError, ForbiddenError: reviewers are people of the partner's country.
    """
    row = (await uow.db.execute(_PARTNER, {"partner_id": partner_id})).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no partner {partner_id}.")
    must_judge(uow.actor, partner_of(row._mapping), "read the reasons of a partner")
    rows = await uow.driver.fetch(_REASONS, partner_id, PARTNER.event_type(DocumentExcused))
    wrapped = await uow.driver.fetchval(KEY, partner_id)
    reasons = []
    for each in rows:
        secrecy, private = opened(uow, partner_id, wrapped, each)
        reasons.append(
            ReasonView(
                kind=DocumentKind(each["kind"]),
                stated_by=each["actor"],
                stated_at=each["occurred_at"],
                secrecy=secrecy,
                reason=None if private is None else private["reason"],
            )
        )
    return ReasonsView(reasons=tuple(reasons))
