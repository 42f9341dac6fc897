"""Token states and read positions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("platform_id", sa.Integer, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("tokens_owner", "tokens", ["user_id", "platform_id"])
    op.create_index("tokens_expiry", "tokens", ["expires_at"])
    op.create_table(
        "read_positions",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("conversation_id", sa.Text, primary_key=True),
        sa.Column("has_read_seq", sa.BigInteger, nullable=False),
        sa.Column("sent_seen", sa.BigInteger, nullable=False),
        sa.Column("min_seq", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
