"""The one set of table definitions of this service; each slice's `tables.py` adds its own."""

from sqlalchemy import MetaData

metadata = MetaData()
