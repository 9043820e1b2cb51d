"""Clusters: the global catalogue, and which of them are activated where."""
