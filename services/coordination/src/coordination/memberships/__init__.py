"""Memberships: which partner sits in which cluster, in what role, and since when."""
