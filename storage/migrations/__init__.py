"""Alembic revisions of the relational schemas, shipped inside the package."""
