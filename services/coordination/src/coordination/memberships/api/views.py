"""What clients send and are shown about memberships."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from common.codes import Country
from common.http import Reply
from common.models import InputModel, PublicModel
from common.text import Paragraph
from common.uow import UnitOfWork
from coordination.clusters.events import ClusterCode
from coordination.commitments.queries import version_in_force
from coordination.memberships import queries
from coordination.memberships.events import EXAMPLE, MembershipState
from coordination.memberships.queries import Local
from coordination.memberships.rules import (
    Membership,
    MembershipStatus,
    Rejection,
    Role,
    commitments_due,
)

REQUEST = "coordination.memberships.request"
DECIDE = "coordination.memberships.decide"
READ = "coordination.memberships.read"

Version = Annotated[int, Field(strict=True, ge=1, le=32_767)]
Reason = Annotated[str, Paragraph(2_000)]

PARTNER_ID = "01907c3e-9f4b-7a21-8a70-3f6f2f6f1c04"


class MembershipView(MembershipState):
    """A membership. `commitments_due`: the commitments in force are still to be accepted."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE | {"commitments_due": False}]}
    )

    commitments_due: bool

    @classmethod
    def now(cls, uow: UnitOfWork, membership: Membership) -> "MembershipView":
        """The view of `membership` today."""
        due = commitments_due(membership, version_in_force(uow))
        state = MembershipState.of(membership)
        return cls(**state.model_dump(), commitments_due=due)


def shown(uow: UnitOfWork, membership: Membership) -> Reply[MembershipView]:
    """The answer that shows `membership`."""
    return Reply.ok(MembershipView.now(uow, membership), sequence=membership.sequence)


class MembershipRequest(InputModel):
    """A request for a seat. `commitments_version`: the minimum commitments accepted with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"partner_id": PARTNER_ID, "role": "member", "commitments_version": 1}]
        }
    )

    partner_id: UUID
    role: Role = Role.MEMBER
    commitments_version: Version | None = None


class Invitation(InputModel):
    """An invitation to a seat."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"partner_id": PARTNER_ID, "role": "co_coordinator"}]}
    )

    partner_id: UUID
    role: Role = Role.MEMBER


class Acceptance(InputModel):
    """Yes to an invitation, with the minimum commitments where they are not accepted yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"commitments_version": 1}]})

    commitments_version: Version | None = None


class Commitment(InputModel):
    """The version of the minimum commitments that the partner accepts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1}]})

    version: Version


class Farewell(InputModel):
    """Why, in words that stay private; may be left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Our programme in the area has ended."}]}
    )

    reason: Reason | None = None


class RejectionNotice(InputModel):
    """Why the cluster says no: coarsely, and in words that stay private."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"rejection": "not_present", "reason": "No activity in the country is planned."}
            ]
        }
    )

    rejection: Rejection
    reason: Reason


class SuspensionNotice(InputModel):
    """Why the cluster suspends the seat, in words that stay private."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Activities are not reported any more."}]}
    )

    reason: Reason


class RoleGift(InputModel):
    """The role that the partner has from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "co_coordinator"}]})

    role: Role


class SitterView(PublicModel):
    """Who has a seat. Name, kind and `local` are the registry's; `local`: a local or national
    actor at this table, that is, in its own country."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "membership_id": EXAMPLE["id"],
                    "partner_id": PARTNER_ID,
                    "name": "Shapla Health Society",
                    "acronym": "SHS",
                    "kind": "national_ngo",
                    "local": "yes",
                    "role": "member",
                    "status": "active",
                    "joined_on": "2024-06-24",
                    "commitments_due": False,
                }
            ]
        }
    )

    membership_id: UUID
    partner_id: UUID
    name: str | None
    acronym: str | None
    kind: str | None
    local: Local
    role: Role
    status: MembershipStatus
    joined_on: date | None
    commitments_due: bool

    @classmethod
    def now(cls, uow: UnitOfWork, sitter: queries.Sitter) -> "SitterView":
        """The view of `sitter` today."""
        seat = sitter.membership
        return cls(
            membership_id=seat.id,
            partner_id=seat.partner_id,
            name=sitter.name,
            acronym=sitter.acronym,
            kind=sitter.kind,
            local=sitter.local,
            role=seat.role,
            status=seat.status,
            joined_on=seat.joined_on,
            commitments_due=commitments_due(seat, version_in_force(uow)),
        )


class RepresentationView(PublicModel):
    """Who is represented at a table: seats that are active or dormant.

    `members` leaves observers out. `local_share` is the part of the members that are known to be
    local or national actors (0 to 1, four digits); null where there are no members.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cluster_id": EXAMPLE["cluster_id"],
                    "cluster_code": "HEA",
                    "country": "BGD",
                    "members": 3,
                    "observers": 1,
                    "local": 1,
                    "not_local": 1,
                    "undetermined": 1,
                    "local_share": "0.3333",
                }
            ]
        }
    )

    cluster_id: UUID
    cluster_code: ClusterCode
    country: Country
    members: int
    observers: int
    local: int
    not_local: int
    undetermined: int
    local_share: Decimal | None


class GapView(PublicModel):
    """An eligible local partner that sits in no cluster of its country.

    `requests`, `invitations`: how many of its own are unanswered there.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "partner_id": PARTNER_ID,
                    "name": "Shapla Health Society",
                    "acronym": "SHS",
                    "kind": "national_ngo",
                    "requests": 0,
                    "invitations": 1,
                }
            ]
        }
    )

    partner_id: UUID
    name: str
    acronym: str | None
    kind: str
    requests: int
    invitations: int

    @classmethod
    def of(cls, gap: queries.Gap) -> "GapView":
        """The view of `gap`."""
        return cls(
            partner_id=gap.partner_id,
            name=gap.name,
            acronym=gap.acronym,
            kind=gap.kind,
            requests=gap.requests,
            invitations=gap.invitations,
        )
