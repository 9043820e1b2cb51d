"""Encryption of what must not leave."""
