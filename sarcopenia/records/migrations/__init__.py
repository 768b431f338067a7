"""Alembic migrations of the records, applied when they are opened."""
