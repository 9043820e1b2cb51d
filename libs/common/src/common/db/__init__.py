"""PostgreSQL: the engine, the migrations, and the development server."""
