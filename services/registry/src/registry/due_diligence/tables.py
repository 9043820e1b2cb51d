"""Where due diligence is kept. All of it changes under the lock of the partner's row."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Row,
    Table,
    Text,
    Uuid,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from registry.due_diligence.rules import Document, DocumentKind, Dossier, Section
from registry.metadata import metadata

document_table = Table(
    "partner_document",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("number", Text),
    Column("issued_on", Date, nullable=False),
    Column("expires_on", Date),
    Column("added_by", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("removed_at", DateTime(timezone=True)),
)

excuse_table = Table(
    "partner_excuse",
    metadata,
    Column("partner_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("stated_by", Text, nullable=False),
    Column("stated_at", DateTime(timezone=True), nullable=False),
)

declaration_table = Table(
    "partner_declaration",
    metadata,
    Column("partner_id", Uuid, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("accepted_by", Text, nullable=False),
    Column("accepted_at", DateTime(timezone=True), nullable=False),
)

profile_table = Table(
    "partner_profile",
    metadata,
    Column("partner_id", Uuid, primary_key=True),
    Column("sections", JSONB, nullable=False),
)

verification_table = Table(
    "partner_verification",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("partner_id", Uuid, nullable=False),
    Column("certificate_seen", Boolean, nullable=False),
    Column("mandate_consistent", Boolean, nullable=False),
    Column("safeguards_in_place", Boolean, nullable=False),
    Column("other_risk", Boolean, nullable=False),
    Column("unacceptable_flag", Boolean, nullable=False),
    Column("verified", Boolean, Computed("…"), nullable=False),
    Column("verified_by", Text, nullable=False),
    Column("verified_at", DateTime(timezone=True), nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("documents", ARRAY(Uuid), nullable=False),
    Column("excused", ARRAY(Text), nullable=False),
)

# Columns of a statement on `partner`, so that all of a dossier is one snapshot in one round trip.
# Of the verifications the latest twenty are shown.
DOSSIER = (
    literal_column(
        """(SELECT jsonb_agg(d ORDER BY d.id) FROM partner_document d
            WHERE d.partner_id = partner.id AND d.removed_at IS NULL)""",
        JSONB,
    ).label("documents"),
    literal_column(
        "(SELECT jsonb_agg(e.kind) FROM partner_excuse e WHERE e.partner_id = partner.id)", JSONB
    ).label("excused"),
    literal_column(
        """(SELECT jsonb_agg(a ORDER BY a.accepted_at DESC) FROM partner_declaration a
            WHERE a.partner_id = partner.id)""",
        JSONB,
    ).label("declarations"),
    literal_column(
        "(SELECT f.sections FROM partner_profile f WHERE f.partner_id = partner.id)", JSONB
    ).label("sections"),
    literal_column(
        """(SELECT jsonb_agg(v ORDER BY v.verified_at DESC, v.id DESC) FROM (
                SELECT * FROM partner_verification WHERE partner_id = partner.id
                ORDER BY verified_at DESC, id DESC LIMIT 20
            ) v)""",
        JSONB,
    ).label("verifications"),
)


def dossier_of(row: Row[*tuple[Any, ...]]) -> Dossier:
    """The dossier in the `DOSSIER` columns of `row`."""
    documents = [
        Document(
            id=UUID(each["id"]),
            kind=DocumentKind(each["kind"]),
            issued_on=date.fromisoformat(each["issued_on"]),
            expires_on=None
            if each["expires_on"] is None
            else date.fromisoformat(each["expires_on"]),
            number=each["number"],
        )
        for each in row.documents or ()
    ]
    dossier = Dossier(
        documents=tuple(documents),
        excused=frozenset(DocumentKind(kind) for kind in row.excused or ()),
        declared=frozenset(each["version"] for each in row.declarations or ()),
        sections=frozenset(Section(name) for name in row.sections or ()),
    )
    if not row.verifications:
        return dossier
    latest = row.verifications[0]
    return replace(
        dossier,
        valid_until=date.fromisoformat(latest["valid_until"]),
        seen=frozenset(map(UUID, latest["documents"])),
        seen_excused=frozenset(map(DocumentKind, latest["excused"])),
    )
