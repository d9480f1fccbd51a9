"""SQLite (and later PostgreSQL) behind the store protocols, one file a concern."""
