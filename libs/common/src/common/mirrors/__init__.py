"""Mirrors and reactions: what a service knows of the others, how old that is, and what it does
about it.

mirror  what a mirror is: its topic, its table, the model it reads apply   records of the topic
become rows, one upsert per batch, by sequence age     how old a mirror is, for decisions that fail
closed park    records that cannot be read: kept, counted, and their rows closed react   what is due
when a row has changed, one aggregate per transaction
"""
