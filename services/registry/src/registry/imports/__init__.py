"""Entering many partners from a file of organisations, all of them or none."""
