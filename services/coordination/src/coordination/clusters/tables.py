"""Where activated clusters are kept. The catalogue itself is code, not rows."""

from typing import Any

from sqlalchemy import Column, Date, Row, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from common.sequence import sequence_column
from coordination.clusters.catalogue import Setting
from coordination.clusters.rules import Cluster, ClusterStatus, Joinability
from coordination.metadata import metadata

cluster_table = Table(
    "cluster",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("crisis_id", Uuid),
    Column("code", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("setting", Text),
    Column("lead_agencies", ARRAY(Text), nullable=False),
    Column("joinability", Text, nullable=False),
    Column("activated_on", Date, nullable=False),
    Column("deactivated_on", Date),
)


def cluster_of(row: Row[Any]) -> Cluster:
    """The cluster that `row` keeps."""
    return Cluster(
        id=row.id,
        sequence=row.sequence,
        crisis_id=row.crisis_id,
        code=row.code,
        country=row.country,
        status=ClusterStatus(row.status),
        setting=None if row.setting is None else Setting(row.setting),
        lead_agencies=tuple(row.lead_agencies),
        joinability=Joinability(row.joinability),
        activated_on=row.activated_on,
        deactivated_on=row.deactivated_on,
    )
