"""The journal: one append-only table per service that is at once audit trail, outbox, event feed
and version counter.

record      writes a row in the transaction of the change it tells of
wake        tells whoever waits that there is something to look at
seal        gives rows their gap-free position and their link in the hash chain (canonical)
reader      follows the sealed rows with a cursor of its own
feed        the same rows over HTTP (position, visible); trail: one thing's, for auditors
latest      what changed since a position, for lists
verify      walks the chain and names the first broken row; checkpoint: its end, signed
erase       drops a stream's key
restore     starts a new epoch after the database went back in time
"""
