"""Schema changes, in order; run by Alembic when the database is older than the code."""
