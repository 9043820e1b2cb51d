"""Disbursement: emergency money on its way to partners, exact, once, and provable afterwards.

It owns grants, agreements, payments and their ledger. It does not decide who may be paid (the
registry does, and we keep a mirror of its answer) and it does not talk to a bank yet.
"""
