"""Minimum commitments: what every member of a cluster signs up to, by version."""
