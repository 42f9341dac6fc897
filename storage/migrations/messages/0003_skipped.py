"""Which seqs a restored backup has left out, and behind which seq streams begin that it doesn't have."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # JSON list of [first, last], ascending
    "ALTER TABLE streams ADD COLUMN skipped TEXT NOT NULL DEFAULT '[]'",
    "CREATE TABLE origin (seq INTEGER NOT NULL)",
    "INSERT INTO origin (seq) VALUES (0)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
