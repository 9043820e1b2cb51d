"""The journal: one append-only table per service that is at once audit trail, outbox, event feed
and version counter.

record  writes a row in the transaction of the change it tells of
seal    gives rows their gap-free position and their link in the hash chain
verify  walks the chain and names the first broken row
reader  follows the sealed rows with a cursor of its own
restore starts a new epoch after the database went back in time
"""
