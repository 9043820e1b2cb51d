"""Agreements: what a partner and we sign, and the tranches in which its money is paid."""
