"""Memberships over HTTP: what the partner does, what the cluster does, and who sits where."""

from coordination.memberships.api import by_cluster, by_partner, reading

routes = (by_partner.routes, by_cluster.routes, reading.routes)
