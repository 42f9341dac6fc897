"""Users, relations, groups, conversation rows, version lists, outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# What both databases can hold, and how they compare it, is the same.
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _people()
    _groups()
    _conversations()
    _versions()


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("user_id", TEXT, nullable=False, unique=True),
        sa.Column("nickname", TEXT, nullable=False),
        sa.Column("face_url", TEXT, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("app_manager_level", INTEGER, nullable=False),
        sa.Column("global_recv_msg_opt", INTEGER, nullable=False),
    )
    op.create_table(
        "friends",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("owner_user_id", TEXT, nullable=False),
        sa.Column("friend_user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("remark", TEXT, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("add_source", INTEGER, nullable=False),
        sa.Column("operator_user_id", TEXT, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("is_pinned", sa.Boolean, nullable=False),
        sa.UniqueConstraint("owner_user_id", "friend_user_id"),
    )
    op.create_index("friends_friend", "friends", ["friend_user_id"])
    op.create_table(
        "blacks",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("owner_user_id", TEXT, nullable=False),
        sa.Column("blocked_user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("add_source", INTEGER, nullable=False),
        sa.Column("operator_user_id", TEXT, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.UniqueConstraint("owner_user_id", "blocked_user_id"),
    )


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("group_id", TEXT, primary_key=True),
        sa.Column("group_name", TEXT, nullable=False),
        sa.Column("notification", TEXT, nullable=False),
        sa.Column("introduction", TEXT, nullable=False),
        sa.Column("face_url", TEXT, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("status", INTEGER, nullable=False),
        sa.Column("creator_user_id", TEXT, nullable=False),
        sa.Column("group_type", INTEGER, nullable=False),
        sa.Column("need_verification", INTEGER, nullable=False),
        sa.Column("look_member_info", INTEGER, nullable=False),
        sa.Column("apply_member_friend", INTEGER, nullable=False),
        sa.Column("notification_update_time", sa.BigInteger, nullable=False),
        sa.Column("notification_user_id", TEXT, nullable=False),
    )
    op.create_table(
        "group_members",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("group_id", TEXT, sa.ForeignKey("groups.group_id"), nullable=False),
        sa.Column("user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("role_level", INTEGER, nullable=False),
        sa.Column("join_time", sa.BigInteger, nullable=False),
        sa.Column("nickname", TEXT, nullable=False),
        sa.Column("face_url", TEXT, nullable=False),
        sa.Column("join_source", INTEGER, nullable=False),
        sa.Column("operator_user_id", TEXT, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("mute_end_time", sa.BigInteger, nullable=False),
        sa.Column("inviter_user_id", TEXT, nullable=False),
        sa.UniqueConstraint("group_id", "user_id"),
    )
    op.create_index("group_members_user", "group_members", ["user_id"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("owner_user_id", TEXT, nullable=False),
        sa.Column("conversation_id", TEXT, nullable=False),
        sa.Column("conversation_type", INTEGER, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("recv_msg_opt", INTEGER, nullable=False),
        sa.Column("is_pinned", sa.Boolean, nullable=False),
        sa.Column("attached_info", TEXT, nullable=False),
        sa.Column("is_private_chat", sa.Boolean, nullable=False),
        sa.Column("group_at_type", INTEGER, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("burn_duration", INTEGER, nullable=False),
        sa.Column("min_seq", sa.BigInteger, nullable=False),
        sa.Column("max_seq", sa.BigInteger, nullable=False),
        sa.Column("msg_destruct_time", sa.BigInteger, nullable=False),
        sa.Column("latest_msg_destruct_time", sa.BigInteger, nullable=False),
        sa.Column("is_msg_destruct", sa.Boolean, nullable=False),
        sa.UniqueConstraint("owner_user_id", "conversation_id"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("home_key", TEXT, nullable=False),
        sa.Column("effect", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_log", "outbox", ["home_key", "id"])


def _versions() -> None:
    op.create_table(
        "version_lists",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("kind", INTEGER, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("version_id", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("floor", sa.BigInteger, nullable=False),
        sa.Column("sort_version", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("kind", "owner"),
    )
    op.create_table(
        "version_changes",
        sa.Column("list_id", INTEGER, sa.ForeignKey("version_lists.id"), primary_key=True),
        sa.Column("element_id", TEXT, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("change", INTEGER, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("version_changes_version", "version_changes", ["list_id", "version"])
