"""Token states and read positions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# What both databases can hold, and how they compare it, is the same.
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("digest", TEXT, nullable=False, unique=True),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("platform_id", INTEGER, nullable=False),
        sa.Column("state", INTEGER, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("tokens_owner", "tokens", ["user_id", "platform_id"])
    op.create_index("tokens_expiry", "tokens", ["expires_at"])
    op.create_table(
        "read_positions",
        sa.Column("user_id", TEXT, primary_key=True),
        sa.Column("conversation_id", TEXT, primary_key=True),
        sa.Column("has_read_seq", sa.BigInteger, nullable=False),
        sa.Column("sent_seen", sa.BigInteger, nullable=False),
        sa.Column("min_seq", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
