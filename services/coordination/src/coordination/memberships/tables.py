"""Where memberships are kept. One live membership per partner and cluster, one lead per cluster."""

from typing import Any

from sqlalchemy import Column, Date, Integer, Row, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from common.sequence import sequence_column
from coordination.memberships.rules import Cause, Membership, MembershipStatus, Role
from coordination.metadata import metadata

membership_table = Table(
    "membership",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("partner_id", Uuid, nullable=False),
    Column("cluster_id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("suspended_for", ARRAY(Text), nullable=False),
    Column("before", Text),
    Column("commitments_version", Integer),
    Column("joined_on", Date),
    Column("left_on", Date),
)


def membership_of(row: Row[Any]) -> Membership:
    """The membership that `row` keeps."""
    return Membership(
        id=row.id,
        sequence=row.sequence,
        partner_id=row.partner_id,
        cluster_id=row.cluster_id,
        code=row.code,
        country=row.country,
        role=Role(row.role),
        status=MembershipStatus(row.status),
        suspended_for=frozenset(Cause(cause) for cause in row.suspended_for),
        before=None if row.before is None else MembershipStatus(row.before),
        commitments_version=row.commitments_version,
        joined_on=row.joined_on,
        left_on=row.left_on,
    )
