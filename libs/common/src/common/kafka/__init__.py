"""Kafka: events out, mirrors in, and the development broker.

client       how we connect
topics       what a service's topics are like; made in development, else verified
cloudevents  a sealed row as a record, and a record read back
watermarks   how far a partition has come, and whether Kafka is ahead of the journal
publisher    who leads, and from where; term: what one leader sends; producers: its transactions
republish    every latest state once more, and the tombstones of what was erased
hanging      transactions that a broken broker forgot to end
consumer     the group member behind mirrors
metrics      what dashboards see of the publisher
embedded     the development broker; program: Apache Kafka itself, fetched and checked
"""
