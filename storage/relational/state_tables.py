"""
Tables of the state: what is hot and must survive.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, Table

from openim_ray.storage.relational.dialects import INTEGER, TEXT

METADATA = MetaData()

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", INTEGER, primary_key=True),
    Column("digest", TEXT, nullable=False, unique=True),
    Column("user_id", TEXT, nullable=False),
    Column("platform_id", INTEGER, nullable=False),
    Column("state", INTEGER, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("tokens_owner", "user_id", "platform_id"),
    Index("tokens_expiry", "expires_at"),
)

POSITIONS = Table(
    "read_positions",
    METADATA,
    Column("user_id", TEXT, primary_key=True),
    Column("conversation_id", TEXT, primary_key=True),
    Column("has_read_seq", BigInteger, nullable=False),
    Column("sent_seen", BigInteger, nullable=False),
    Column("min_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
