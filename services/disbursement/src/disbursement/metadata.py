"""The tables of this service, gathered. Each slice's `tables.py` adds its own."""

from sqlalchemy import MetaData

metadata = MetaData()
