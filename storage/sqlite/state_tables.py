"""
Tables of `state.db`: what is hot and must survive.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

METADATA = MetaData()

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("user_id", Text, nullable=False),
    Column("platform_id", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("tokens_owner", "user_id", "platform_id"),
    Index("tokens_expiry", "expires_at"),
)

POSITIONS = Table(
    "read_positions",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("conversation_id", Text, primary_key=True),
    Column("has_read_seq", BigInteger, nullable=False),
    Column("sent_seen", BigInteger, nullable=False),
    Column("min_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
