"""Where crises are kept."""

from typing import Any

from sqlalchemy import Column, Date, Row, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from common.sequence import sequence_column
from coordination.crises.rules import Crisis, CrisisStatus
from coordination.metadata import metadata

crisis_table = Table(
    "crisis",
    metadata,
    Column("id", Uuid, primary_key=True),
    sequence_column(),
    Column("glide", Text),
    Column("name", Text, nullable=False),
    Column("onset_on", Date, nullable=False),
    Column("countries", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False),
)


def crisis_of(row: Row[Any]) -> Crisis:
    """The crisis that `row` keeps."""
    return Crisis(
        id=row.id,
        sequence=row.sequence,
        glide=row.glide,
        name=row.name,
        onset_on=row.onset_on,
        countries=tuple(row.countries),
        status=CrisisStatus(row.status),
    )
