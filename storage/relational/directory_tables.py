"""
Tables of the directory: people, what they own, and the version lists of it. Times are Unix milliseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
)

from openim_ray.storage.relational.dialects import INTEGER, TEXT

METADATA = MetaData()

USERS = Table(
    "users",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("user_id", TEXT, nullable=False, unique=True),
    Column("nickname", TEXT, nullable=False),
    Column("face_url", TEXT, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("app_manager_level", INTEGER, nullable=False),
    Column("global_recv_msg_opt", INTEGER, nullable=False),
)

FRIENDS = Table(
    "friends",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("owner_user_id", TEXT, nullable=False),
    Column("friend_user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("remark", TEXT, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("add_source", INTEGER, nullable=False),
    Column("operator_user_id", TEXT, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("is_pinned", Boolean, nullable=False),
    UniqueConstraint("owner_user_id", "friend_user_id"),
    Index("friends_friend", "friend_user_id"),
)

BLACKS = Table(
    "blacks",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("owner_user_id", TEXT, nullable=False),
    Column("blocked_user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("add_source", INTEGER, nullable=False),
    Column("operator_user_id", TEXT, nullable=False),
    Column("ex", TEXT, nullable=False),
    UniqueConstraint("owner_user_id", "blocked_user_id"),
)

GROUPS = Table(
    "groups",
    METADATA,
    Column("group_id", TEXT, primary_key=True),
    Column("group_name", TEXT, nullable=False),
    Column("notification", TEXT, nullable=False),
    Column("introduction", TEXT, nullable=False),
    Column("face_url", TEXT, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("status", INTEGER, nullable=False),
    Column("creator_user_id", TEXT, nullable=False),
    Column("group_type", INTEGER, nullable=False),
    Column("need_verification", INTEGER, nullable=False),
    Column("look_member_info", INTEGER, nullable=False),
    Column("apply_member_friend", INTEGER, nullable=False),
    Column("notification_update_time", BigInteger, nullable=False),
    Column("notification_user_id", TEXT, nullable=False),
)

MEMBERS = Table(
    "group_members",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("group_id", TEXT, ForeignKey("groups.group_id"), nullable=False),
    Column("user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("role_level", INTEGER, nullable=False),
    Column("join_time", BigInteger, nullable=False),
    Column("nickname", TEXT, nullable=False),
    Column("face_url", TEXT, nullable=False),
    Column("join_source", INTEGER, nullable=False),
    Column("operator_user_id", TEXT, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("mute_end_time", BigInteger, nullable=False),
    Column("inviter_user_id", TEXT, nullable=False),
    UniqueConstraint("group_id", "user_id"),
    Index("group_members_user", "user_id"),
)

CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("owner_user_id", TEXT, nullable=False),
    Column("conversation_id", TEXT, nullable=False),
    Column("conversation_type", INTEGER, nullable=False),
    Column("user_id", TEXT, nullable=False),
    Column("group_id", TEXT, nullable=False),
    Column("recv_msg_opt", INTEGER, nullable=False),
    Column("is_pinned", Boolean, nullable=False),
    Column("attached_info", TEXT, nullable=False),
    Column("is_private_chat", Boolean, nullable=False),
    Column("group_at_type", INTEGER, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("burn_duration", INTEGER, nullable=False),
    Column("min_seq", BigInteger, nullable=False),
    Column("max_seq", BigInteger, nullable=False),
    Column("msg_destruct_time", BigInteger, nullable=False),
    Column("latest_msg_destruct_time", BigInteger, nullable=False),
    Column("is_msg_destruct", Boolean, nullable=False),
    UniqueConstraint("owner_user_id", "conversation_id"),
)

VERSION_LISTS = Table(
    "version_lists",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("kind", INTEGER, nullable=False),
    Column("owner", TEXT, nullable=False),
    Column("version_id", TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("sort_version", BigInteger, nullable=False),
    UniqueConstraint("kind", "owner"),
)

VERSION_CHANGES = Table(
    "version_changes",
    METADATA,
    Column("list_id", INTEGER, ForeignKey("version_lists.id"), primary_key=True),
    Column("element_id", TEXT, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("change", INTEGER, nullable=False),
    Index("version_changes_version", "list_id", "version"),
    sqlite_with_rowid=False,
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("home_key", TEXT, nullable=False),
    Column("effect", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("outbox_log", "home_key", "id"),
    sqlite_autoincrement=True,
)
