"""Revisions of the tables, run by Alembic when the server starts."""
