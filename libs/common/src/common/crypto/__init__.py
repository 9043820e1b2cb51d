"""Encryption of what must not leave, and signatures over what does."""
