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
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
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
    Column("status", INTEGER, nullable=False, server_default=text("0")),
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
    Index("friends_friend", "friend_user_id", "owner_user_id"),
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

FRIEND_REQUESTS = Table(
    "friend_requests",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("from_user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("to_user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("handle_result", INTEGER, nullable=False),
    Column("req_msg", TEXT, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("handler_user_id", TEXT, nullable=False),
    Column("handle_msg", TEXT, nullable=False),
    Column("handle_time", BigInteger, nullable=False),
    Column("ex", TEXT, nullable=False),
    UniqueConstraint("from_user_id", "to_user_id"),
    Index("friend_requests_sent", "from_user_id", "create_time", "id"),
    Index("friend_requests_received", "to_user_id", "create_time", "id"),
)

USER_COMMANDS = Table(
    "user_commands",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("kind", INTEGER, nullable=False),
    Column("uuid", TEXT, nullable=False),
    Column("value", TEXT, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("create_time", BigInteger, nullable=False),  # Unix seconds, as on the wire
    UniqueConstraint("user_id", "kind", "uuid"),
)

CLIENT_CONFIG = Table(
    "client_config",
    METADATA,
    Column("user_id", TEXT, primary_key=True),  # "" = of everybody
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
    sqlite_with_rowid=False,
)

PROFILE_ANNOUNCEMENTS = Table(
    "profile_announcements",
    METADATA,
    Column("user_id", TEXT, ForeignKey("users.user_id"), primary_key=True),
    Column("operation_id", TEXT, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("moved_ms", BigInteger, nullable=False),
    Column("is_nickname_new", Boolean, nullable=False),
    Column("is_face_new", Boolean, nullable=False),
    Column("are_friends_told", Boolean, nullable=False),
    Column("told_through", TEXT, nullable=False),
    Index("profile_announcements_next", "moved_ms", "user_id"),
    sqlite_with_rowid=False,
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
    Column(
        "member_count", INTEGER, nullable=False, server_default=text("0")
    ),  # of group_members: kept by whoever changes them
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
    Index("group_members_user", "user_id", "group_id"),
)
Index(
    "group_members_list",  # the order of a member list, with what a list of ids needs
    MEMBERS.c.group_id,
    MEMBERS.c.role_level.desc(),
    MEMBERS.c.join_time,
    MEMBERS.c.id,
    MEMBERS.c.user_id,
)

GROUP_REQUESTS = Table(
    "group_requests",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("group_id", TEXT, ForeignKey("groups.group_id"), nullable=False),
    Column("user_id", TEXT, ForeignKey("users.user_id"), nullable=False),
    Column("handle_result", INTEGER, nullable=False),
    Column("req_msg", TEXT, nullable=False),
    Column("handle_msg", TEXT, nullable=False),
    Column("req_time", BigInteger, nullable=False),
    Column("handle_user_id", TEXT, nullable=False),
    Column("handle_time", BigInteger, nullable=False),
    Column("ex", TEXT, nullable=False),
    Column("join_source", INTEGER, nullable=False),
    Column("inviter_user_id", TEXT, nullable=False),
    UniqueConstraint("group_id", "user_id"),
    Index("group_requests_received", "group_id", "req_time", "id"),
    Index("group_requests_sent", "user_id", "req_time", "id"),
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

OUTBOX_LOGS = Table(
    "outbox_logs",
    METADATA,
    Column("home_key", TEXT, primary_key=True),
    Column("number", BigInteger, nullable=False),  # the last one given
    Column("waiting_since", BigInteger),  # when the first effect that is left was put; NULL if none is
)
Index(
    "outbox_logs_waiting",
    OUTBOX_LOGS.c.waiting_since,
    OUTBOX_LOGS.c.home_key,
    sqlite_where=OUTBOX_LOGS.c.waiting_since.is_not(None),
    postgresql_where=OUTBOX_LOGS.c.waiting_since.is_not(None),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("home_key", TEXT, ForeignKey("outbox_logs.home_key"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("home_key", "number"),
)

ERASURES = Table(
    "erasures",
    METADATA,
    Column("user_id", TEXT, ForeignKey("users.user_id"), primary_key=True),
    Column("phase", INTEGER, nullable=False),
    Column("conversation_id", TEXT, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger, nullable=False),
)
Index(
    "erasures_unfinished",
    ERASURES.c.user_id,
    sqlite_where=ERASURES.c.finished_ms == text("0"),
    postgresql_where=ERASURES.c.finished_ms == text("0"),
)
