"""
Tables of the history: every message, and how far each conversation is complete.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table

from openim_ray.storage.relational.dialects import INTEGER, TEXT

METADATA = MetaData()

MESSAGES = Table(
    "history_messages",
    METADATA,
    Column("conversation_id", TEXT, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("sender_id", TEXT, nullable=False),
    Column("client_id", LargeBinary, nullable=False),  # chosen by clients: may hold what a text can't
    Column("server_id", TEXT, nullable=False),
    Column("send_time", BigInteger, nullable=False),
    Column("rev", INTEGER, nullable=False),
    Column("envelope", LargeBinary, nullable=False),  # storage/envelope.py
)

POSITIONS = Table(
    "history_positions",
    METADATA,
    Column("conversation_id", TEXT, primary_key=True),
    Column("confirmed", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
