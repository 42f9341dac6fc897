"""When each row was stored, and the first seq of a stream whose row must be there."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # Unix milliseconds; 0 for rows that are there already: send_time is near enough, and not all of them have to be rewritten
    "ALTER TABLE messages ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE streams ADD COLUMN floor INTEGER NOT NULL DEFAULT 1",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
