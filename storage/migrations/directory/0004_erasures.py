"""How far erasures of accounts have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("user_id", TEXT, sa.ForeignKey("users.user_id"), primary_key=True),
        sa.Column("phase", INTEGER, nullable=False),
        sa.Column("conversation_id", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("finished_ms", sa.BigInteger, nullable=False),
    )
    is_unfinished = sa.text("finished_ms = 0")
    op.create_index(
        "erasures_unfinished",
        "erasures",
        ["user_id"],
        sqlite_where=is_unfinished,
        postgresql_where=is_unfinished,
    )
