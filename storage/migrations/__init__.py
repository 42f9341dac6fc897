"""Alembic revisions of the relational schemas, shipped inside the package."""

from __future__ import annotations

DATABASES = ("messages", "state", "directory")
"""Each has a folder of revisions here, and a file of its name."""
