"""PostgreSQL: how we speak to it, and what we make of its errors.

engine      the pool that everything goes through, its waits bounded
driver      asyncpg's connections from that pool
compiled    Core statements for the driver
faults      what an error means: again, later, or a fault of ours
migrate     brings a database to this code's schema (alembic_env, foundation)
roles       who may do what with which table
embedded    the development server
"""
