"""
The group of a world: how it is changed, and what its log says of who may see what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain.conversation import Conversation, SessionType, group_chat_id, notification_stream_id
from openim_ray.domain.errors import NotInGroupYet
from openim_ray.domain.group import Cut, Group, Member, Role
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.domain.message import StoredMessage
    from openim_ray.transactions import DirectoryTransaction
    from tests.simulation.world import World

GROUP = GroupID("g")
CHAT = group_chat_id(GROUP)
STREAM = notification_stream_id(CHAT)
CREATED, QUIT, ENTERED, MUTED, INFO_SET = 1501, 1504, 1510, 1514, 1502
CLONES = frozenset({CREATED, QUIT, ENTERED, MUTED})
NOTHING_YET = 1 << 40
"""What the row of who comes without history says until the log's owner knows from where on she may read."""


class _Span(NamedTuple):
    """
    From the message that says that somebody came to the one that says that she went; `last` 0 = she is there.
    """

    first: int
    last: int = 0


class GroupChanges:
    """
    Changes of the group, as services make them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._committed: list[tuple[str, int, tuple[str, ...]]] = []

    def commit(self, decide: Callable[[GroupChanges, DirectoryTransaction], None]) -> None:
        """Run a use case in one transaction; what it commits, the group's log must say in this order."""
        self._committed = []
        self._world.stores.tables.directory.change(lambda tx: decide(self, tx))
        for client_id, content_type, user_ids in self._committed:
            self._world.oracle.group.committed(client_id, content_type, user_ids)

    def create(self, tx: DirectoryTransaction, members: Sequence[str]) -> None:
        """Make the group, unless it is there."""
        if tx.groups([GROUP]):
            return
        tx.put_group(Group(group_id=GROUP))
        self._add(tx, members, min_seq=0)
        self._put(tx, CREATED, members[0], joined=list(members))

    def come_or_go(self, tx: DirectoryTransaction, user_id: str, head: int) -> None:
        """Let a member quit, or anybody else enter."""
        members = tx.member_ids(GROUP)
        if not tx.groups([GROUP]) or members == [user_id]:
            return
        if user_id not in members:
            history = self._world.settings.group_history
            self._add(tx, [user_id], min_seq=0 if history else NOTHING_YET)
            self._put(tx, ENTERED, user_id, joined=[user_id], with_history=history, forget_facts=True)
            return
        tx.delete_member(GROUP, user_id)
        tx.cut(CHAT, GROUP, [Cut(user_id=UserID(user_id), max_seq=max(head, 1))])
        self._put(tx, QUIT, user_id, left=[user_id], also=[user_id], forget_facts=True)

    def mention(self, tx: DirectoryTransaction, content_type: int) -> None:
        """Change something that members are told of."""
        members = tx.member_ids(GROUP)
        if members:
            self._put(tx, content_type, members[0], forget_facts=True)

    def _add(self, tx: DirectoryTransaction, user_ids: Sequence[str], min_seq: int) -> None:
        users = tx.users(user_ids)
        for user_id in user_ids:
            tx.put_member(Member(group_id=GROUP, user=users[user_id], role_level=Role.MEMBER))
            tx.put_conversation(
                Conversation(
                    owner_user_id=UserID(user_id),
                    conversation_id=CHAT,
                    conversation_type=SessionType.GROUP,
                    group_id=GROUP,
                    min_seq=min_seq,
                )
            )

    def _put(self, tx: DirectoryTransaction, content_type: int, sender_id: str, **changes: object) -> None:
        client_id = f"effect-{self._world.next_number()}"
        body = MsgData(
            sendID=sender_id,
            groupID=GROUP,
            clientMsgID=client_id,
            serverMsgID=client_id,
            contentType=content_type,
            sessionType=SessionType.GROUP,
        ).SerializeToString()
        effect = Effect(
            sender_id=sender_id,
            client_id=client_id,
            content_type=content_type,
            operation_id=client_id,
            stream=STREAM,
            notification=body,
            clone_id=CHAT if content_type in CLONES else "",
            clone=body if content_type in CLONES else b"",
        )
        effect = msgspec.structs.replace(effect, **changes)
        tx.put_effect(GROUP, encode_effect(effect), self._world.wall_ms())
        if effect.clone:
            self._committed.append((client_id, content_type, (*effect.joined, *effect.left)))


class GroupLedger:
    """
    What was committed, and what the log says: who may see which message.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._clones: list[str] = []
        self._said: list[str] = []
        self.refusals: set[str] = set()
        self._changes: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._coming: dict[str, int] = {}
        """Who has come, and the log does not say so yet."""
        self._spans: dict[str, list[_Span]] = {}
        self._founders: set[str] = set()
        """Who was there from the beginning: what was said before the log says so, is theirs as well."""

    def committed(self, client_id: str, content_type: int, user_ids: tuple[str, ...]) -> None:
        """Note a change that is durable in the directory."""
        self._clones.append(client_id)
        self._changes[client_id] = (content_type, user_ids)
        if content_type == CREATED:
            self._founders.update(user_ids)
        if content_type != QUIT:
            for user_id in user_ids:
                self._coming[user_id] = self._coming.get(user_id, 0) + 1

    def became_durable(self, row: StoredMessage) -> None:
        """Note a message of the group; a line that stands there again, beyond the horizon, says nothing new."""
        if row.client_id in self._said:
            return
        content_type, user_ids = self._changes.get(row.client_id, (0, ()))
        if content_type:
            self._said.append(row.client_id)
        if not content_type and not self._is_coming(row.sender_id) and not self._is_member(row.sender_id):
            self._world.oracle.violated(f"{row.sender_id} wrote {CHAT} {row.seq} and is no member")
        for user_id in user_ids:
            spans = self._spans.setdefault(user_id, [])
            if content_type == QUIT:
                spans[-1] = _Span(spans[-1].first, row.seq)
            else:
                self._coming[user_id] -= 1
                spans.append(_Span(row.seq))

    def check_log(self) -> None:
        """Check that the log says what was committed, in the order of the commits."""
        if self._said != self._clones:
            self._world.oracle.violated(f"{CHAT} has {self._said}, committed were {self._clones}")

    def refused(self, client_id: str) -> None:
        """Note a message that was refused since its sender was no member; if the answer is lost, it may come again and be taken then."""
        self.refusals.add(client_id)

    def was_told(self, user_id: str, seq: int) -> None:
        """Check that a user may see a message."""
        if not self._may_see(user_id, seq):
            self._world.oracle.violated(f"{user_id} heard of {CHAT} {seq}: {self._spans.get(user_id)}")

    def _may_see(self, user_id: str, seq: int) -> bool:
        if not self._world.settings.group_history:
            # Who came back may hear of what she saw before from a shard that doesn't know yet.
            return self.is_pushed(user_id, seq) or self._is_founders(user_id, seq)
        if self._is_coming(user_id) or self._is_member(user_id):
            return True
        spans = self._spans.get(user_id, [])
        return bool(spans) and seq <= spans[-1].last

    def is_pushed(self, user_id: str, seq: int) -> bool:
        """Tell whether a message came while a user was a member."""
        return any(one.first <= seq <= (one.last or seq) for one in self._spans.get(user_id, ()))

    def bounds(self, user_id: str, newest: int) -> tuple[int, int]:
        """Return first and last seq that a user may read in the end; nothing if the last one is 0."""
        spans = self._spans.get(user_id)
        if not spans:
            return 1, 0
        sees_all = self._world.settings.group_history or (len(spans) < 2 and self._is_founders(user_id, 1))
        return 1 if sees_all else spans[-1].first, spans[-1].last or newest

    def _is_founders(self, user_id: str, seq: int) -> bool:
        spans = self._spans.get(user_id, [])
        return user_id in self._founders and (not spans or seq <= spans[0].first)

    def _is_member(self, user_id: str) -> bool:
        spans = self._spans.get(user_id)
        return bool(spans) and not spans[-1].last

    def _is_coming(self, user_id: str) -> bool:
        return self._coming.get(user_id, 0) > 0


NOT_A_MEMBER = NotInGroupYet.code
