"""Every message, and how far each history is complete."""

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
        "history_messages",
        sa.Column("conversation_id", TEXT, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("sender_id", TEXT, nullable=False),
        sa.Column("client_id", sa.LargeBinary, nullable=False),
        sa.Column("server_id", TEXT, nullable=False),
        sa.Column("send_time", sa.BigInteger, nullable=False),
        sa.Column("rev", INTEGER, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "history_positions",
        sa.Column("conversation_id", TEXT, primary_key=True),
        sa.Column("confirmed", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
