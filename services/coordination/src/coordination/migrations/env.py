"""Runs this service's migrations on the connection that the runner opened."""

import coordination.clusters.tables
import coordination.crises.tables
import coordination.memberships.tables
import coordination.mirrors.partners
from common.db.alembic_env import run
from coordination.metadata import metadata

TABLES = (
    coordination.clusters.tables.cluster_table,
    coordination.crises.tables.crisis_table,
    coordination.memberships.tables.membership_table,
    coordination.mirrors.partners.partner_mirror_table,
)

run(metadata)
