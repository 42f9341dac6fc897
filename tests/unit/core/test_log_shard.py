"""The conversation logs of a shard."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.log_shard import LogShard
from openim_ray.core.outbox import Outbox
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain import errors
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import LogState, StreamHead
from openim_ray.domain.sequence import ConversationSeq

CHAT, STREAM = ConversationID("si_alice_bob"), ConversationID("n_alice_bob")
WALL_MS = 1_800_000_000_000


class Shard:
    """
    A log shard whose stores are played by the test.
    """

    def __init__(self, settings: ShardSettings | None = None) -> None:
        self.outbox = Outbox(0)
        self.logs = LogShard(self.outbox, {}, ("persistence-0",), settings or ShardSettings(), lambda _fanout: None)

    def load(self, max_seq: int) -> None:
        """Let the chat of alice and bob, and its notifications, be there with so many messages."""
        heads = {key: StreamHead(key, ConversationSeq(max_seq), WALL_MS, {"alice": max_seq}) for key in (CHAT, STREAM)}
        self.logs.log_loaded("alice_bob", LogState(("alice", "bob"), heads, {}, ()), 0.0, WALL_MS)

    def answers(self) -> list[items.AnyItem]:
        """Return what was sent to the gateway."""
        return [item for peer, item in self.outbox.take_items() if peer == "gateway-0"]


def mark(conversation_id: str, has_read_seq: int, *seqs: int) -> items.MarkRead:
    """Return what bob says he has read."""
    return items.MarkRead(7, "bob", conversation_id, has_read_seq, list(seqs), "op", "command")


def test_notifications_can_not_be_marked_as_read() -> None:
    """Their seqs would be taken for seqs of the chat: what is not even written yet would count as read."""
    shard = Shard()
    shard.logs.mark_read("gateway-0", mark(STREAM, 3), 0.0, WALL_MS)
    shard.load(3)
    assert [(item.call, item.code) for item in shard.answers() if isinstance(item, items.Reply)] == [
        (7, errors.RecordNotFound.code)
    ]
