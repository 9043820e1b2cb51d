"""Mirrors and reactions: what a service knows of the others, how old it is, what it does about it.

mirror      what a mirror and a reaction are: declared by a service
reading     from a Kafka record to what it says about a row; pure
fold        how a row takes one more record: the rules
rows        writing the rows of a batch, and what becomes due by them
partitions  how far each partition was read, in our own database
apply       a batch in one transaction: rows, duties, parked records, watermarks, places
follow      polls Kafka and applies, whatever fails
ghosts      rows that a restored owner no longer knows
parking     records that cannot be read: kept, and their rows closed
redrive     tries them again, by hand
react       draws the consequences of changed rows, one per transaction
resync      makes every row due again, by hand and slowly by itself
age         how old a mirror is, for decisions that fail closed
api         `GET /v1/mirrors`
metrics     what dashboards see of all that
"""
