"""Payments: one tranche on its way to a partner: submitted, agreed to, released, sent, proven."""
