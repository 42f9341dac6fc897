"""
What a shard asks its process to read or ensure in the stores; each is answered by a call of the shard's method of the same name.
"""

from __future__ import annotations

from typing import NamedTuple


class LoadLog(NamedTuple):
    """
    Read a log's state; answered by `Shard.log_loaded`.
    """

    home_key: str


class LoadInbox(NamedTuple):
    """
    Read a user's conversation ids, positions and heads; answered by `Shard.inbox_loaded`.
    """

    user_id: str


class LoadFacts(NamedTuple):
    """
    Read what admission must know of sender and receiver; answered by `Shard.facts_loaded`.
    """

    sender_id: str
    receiver_id: str


class EnsureRows(NamedTuple):
    """
    Make sure that both users of a single chat own its row; answered by `Shard.rows_ensured`.
    """

    home_key: str
    participants: tuple[str, ...]


class LoadToken(NamedTuple):
    """
    Read the state of the token that a connection was registered with; answered by `Shard.token_read`.
    """

    user_id: str
    platform_id: int
    digest: str
    gateway: str
    connection: int


Load = LoadLog | LoadInbox | LoadFacts | EnsureRows | LoadToken
