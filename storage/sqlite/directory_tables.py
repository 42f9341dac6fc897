"""
Tables of `directory.db`: people, what they own, and the version lists of it. Times are Unix milliseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

USERS = Table(
    "users",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("user_id", Text, nullable=False, unique=True),
    Column("nickname", Text, nullable=False),
    Column("face_url", Text, nullable=False),
    Column("ex", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("app_manager_level", Integer, nullable=False),
    Column("global_recv_msg_opt", Integer, nullable=False),
)

FRIENDS = Table(
    "friends",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("owner_user_id", Text, nullable=False),
    Column("friend_user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("remark", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("add_source", Integer, nullable=False),
    Column("operator_user_id", Text, nullable=False),
    Column("ex", Text, nullable=False),
    Column("is_pinned", Boolean, nullable=False),
    UniqueConstraint("owner_user_id", "friend_user_id"),
    Index("friends_friend", "friend_user_id"),
)

BLACKS = Table(
    "blacks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("owner_user_id", Text, nullable=False),
    Column("blocked_user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("add_source", Integer, nullable=False),
    Column("operator_user_id", Text, nullable=False),
    Column("ex", Text, nullable=False),
    UniqueConstraint("owner_user_id", "blocked_user_id"),
)

GROUPS = Table(
    "groups",
    METADATA,
    Column("group_id", Text, primary_key=True),
    Column("group_name", Text, nullable=False),
    Column("notification", Text, nullable=False),
    Column("introduction", Text, nullable=False),
    Column("face_url", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("ex", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("creator_user_id", Text, nullable=False),
    Column("group_type", Integer, nullable=False),
    Column("need_verification", Integer, nullable=False),
    Column("look_member_info", Integer, nullable=False),
    Column("apply_member_friend", Integer, nullable=False),
    Column("notification_update_time", BigInteger, nullable=False),
    Column("notification_user_id", Text, nullable=False),
)

MEMBERS = Table(
    "group_members",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("group_id", Text, ForeignKey("groups.group_id"), nullable=False),
    Column("user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("role_level", Integer, nullable=False),
    Column("join_time", BigInteger, nullable=False),
    Column("nickname", Text, nullable=False),
    Column("face_url", Text, nullable=False),
    Column("join_source", Integer, nullable=False),
    Column("operator_user_id", Text, nullable=False),
    Column("ex", Text, nullable=False),
    Column("mute_end_time", BigInteger, nullable=False),
    Column("inviter_user_id", Text, nullable=False),
    UniqueConstraint("group_id", "user_id"),
    Index("group_members_user", "user_id"),
)

CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("owner_user_id", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("conversation_type", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("recv_msg_opt", Integer, nullable=False),
    Column("is_pinned", Boolean, nullable=False),
    Column("attached_info", Text, nullable=False),
    Column("is_private_chat", Boolean, nullable=False),
    Column("group_at_type", Integer, nullable=False),
    Column("ex", Text, nullable=False),
    Column("burn_duration", Integer, nullable=False),
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
    Column("id", Integer, primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("sort_version", BigInteger, nullable=False),
    UniqueConstraint("kind", "owner"),
)

VERSION_CHANGES = Table(
    "version_changes",
    METADATA,
    Column("list_id", Integer, ForeignKey("version_lists.id"), primary_key=True),
    Column("element_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("change", Integer, nullable=False),
    Index("version_changes_version", "list_id", "version"),
    sqlite_with_rowid=False,
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("home_key", Text, nullable=False),
    Column("effect", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("outbox_log", "home_key", "id"),
    sqlite_autoincrement=True,
)
