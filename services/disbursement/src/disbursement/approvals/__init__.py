"""Approvals: how many people must agree to an amount, which ones, and never the same one twice."""
