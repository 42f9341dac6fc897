"""
What a log's owner must keep to in a write, whatever the backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.conversation import home_key

if TYPE_CHECKING:
    from openim_ray.domain.message import LogWrite


def check_write(write: LogWrite) -> None:
    """
    Raise ValueError if a write contradicts itself.

    That is the owner's fault and no outcome of the store: a row of another log, seqs of a stream that aren't dense and
    ascending, one (conversation, sender, clientMsgID) twice, a NUL in the id.
    """
    newest: dict[str, int] = {}
    keys: set[tuple[str, str, str]] = set()
    for row in write.rows:
        if home_key(row.conversation_id) != write.home_key:
            raise ValueError(f"{row.conversation_id} is no stream of log {write.home_key}")
        before = newest.get(row.conversation_id, row.seq - 1)
        if row.seq < 1 or row.seq != before + 1:
            raise ValueError(f"seq {row.seq} of {row.conversation_id} follows {before}")
        newest[row.conversation_id] = row.seq
        keys.add((row.conversation_id, row.sender_id, row.client_id))
    if "\0" in write.home_key:
        raise ValueError("a NUL in a conversation id")
    if len(keys) != len(write.rows):
        raise ValueError(f"a message stands twice in one write of log {write.home_key}")
