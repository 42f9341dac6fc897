"""Status of accounts, applications, what users keep; the outbox numbered per log; indexes for lists in their order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("users", sa.Column("status", INTEGER, nullable=False, server_default=sa.text("0")))
    _requests()
    _kept_by_users()
    _lists()
    _outbox()


def _requests() -> None:
    op.create_table(
        "friend_requests",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("from_user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("to_user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("handle_result", INTEGER, nullable=False),
        sa.Column("req_msg", TEXT, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("handler_user_id", TEXT, nullable=False),
        sa.Column("handle_msg", TEXT, nullable=False),
        sa.Column("handle_time", sa.BigInteger, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.UniqueConstraint("from_user_id", "to_user_id"),
    )
    op.create_index("friend_requests_sent", "friend_requests", ["from_user_id", "create_time", "id"])
    op.create_index("friend_requests_received", "friend_requests", ["to_user_id", "create_time", "id"])
    op.create_table(
        "group_requests",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("group_id", TEXT, sa.ForeignKey("groups.group_id"), nullable=False),
        sa.Column("user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("handle_result", INTEGER, nullable=False),
        sa.Column("req_msg", TEXT, nullable=False),
        sa.Column("handle_msg", TEXT, nullable=False),
        sa.Column("req_time", sa.BigInteger, nullable=False),
        sa.Column("handle_user_id", TEXT, nullable=False),
        sa.Column("handle_time", sa.BigInteger, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("join_source", INTEGER, nullable=False),
        sa.Column("inviter_user_id", TEXT, nullable=False),
        sa.UniqueConstraint("group_id", "user_id"),
    )
    op.create_index("group_requests_received", "group_requests", ["group_id", "req_time", "id"])
    op.create_index("group_requests_sent", "group_requests", ["user_id", "req_time", "id"])


def _kept_by_users() -> None:
    op.create_table(
        "user_commands",
        sa.Column("id", INTEGER, primary_key=True),
        sa.Column("user_id", TEXT, sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("kind", INTEGER, nullable=False),
        sa.Column("uuid", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("ex", TEXT, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("user_id", "kind", "uuid"),
    )
    op.create_table(
        "client_config",
        sa.Column("user_id", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )


def _lists() -> None:
    op.drop_index("friends_friend", "friends")
    op.create_index("friends_friend", "friends", ["friend_user_id", "owner_user_id"])
    op.drop_index("group_members_user", "group_members")
    op.create_index("group_members_user", "group_members", ["user_id", "group_id"])
    in_order: list[str | sa.TextClause] = ["group_id", sa.text("role_level DESC"), "join_time", "id", "user_id"]
    op.create_index("group_members_list", "group_members", in_order)
    op.add_column("groups", sa.Column("member_count", INTEGER, nullable=False, server_default=sa.text("0")))
    op.execute(
        "UPDATE groups SET member_count ="
        " (SELECT count(*) FROM group_members WHERE group_members.group_id = groups.group_id)"
    )


def _outbox() -> None:
    # Nothing was ever put into the old one: no server before this revision wrote effects.
    op.drop_index("outbox_log", "outbox")
    op.drop_table("outbox")
    op.create_table(
        "outbox_logs",
        sa.Column("home_key", TEXT, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("waiting_since", sa.BigInteger),
    )
    is_waiting = sa.text("waiting_since IS NOT NULL")
    op.create_index(
        "outbox_logs_waiting",
        "outbox_logs",
        ["waiting_since", "home_key"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
    op.create_table(
        "outbox",
        sa.Column("home_key", TEXT, sa.ForeignKey("outbox_logs.home_key"), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("home_key", "number"),
    )
