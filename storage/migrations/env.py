"""Run the revisions of one database over the connection that `run.upgrade` was given."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    version_table=context.config.attributes["version_table"],
    transaction_per_migration=False,
)
context.run_migrations()
