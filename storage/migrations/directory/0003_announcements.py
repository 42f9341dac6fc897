"""What is still to be told of accounts that changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "profile_announcements",
        sa.Column("user_id", TEXT, sa.ForeignKey("users.user_id"), primary_key=True),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("moved_ms", sa.BigInteger, nullable=False),
        sa.Column("is_nickname_new", sa.Boolean, nullable=False),
        sa.Column("is_face_new", sa.Boolean, nullable=False),
        sa.Column("are_friends_told", sa.Boolean, nullable=False),
        sa.Column("told_through", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("profile_announcements_next", "profile_announcements", ["moved_ms", "user_id"])
