"""
The group of a world: how it is changed, and what its log says of who may see what.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain.conversation import Conversation, SessionType, group_chat_id, notification_stream_id
from openim_ray.domain.errors import NotInGroupYet
from openim_ray.domain.group import AT_ALL, AtType, Cut, Group, GroupStatus, Member, Role
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
CREATED, QUIT, ENTERED, MUTED, INFO_SET, DISMISSED = 1501, 1504, 1510, 1514, 1502, 1511
KICKED, INVITED = 1508, 1509
"""Here they come without a line in the chat."""
VANISHED = 0
"""A group is over, and nobody is told."""
CLONES = frozenset({CREATED, QUIT, ENTERED, MUTED, DISMISSED})
COMES, GOES, ENDS = frozenset({CREATED, ENTERED, INVITED}), frozenset({QUIT, KICKED}), frozenset({DISMISSED, VANISHED})
NOTHING_YET = 1 << 40
"""What the row of who comes without history says until the log's owner knows from where on she may read."""


class _Span(NamedTuple):
    """
    From the message that says that somebody came to the one that says that she went; `last` 0 = she is there.
    """

    first: int
    last: int = 0


class _Change(NamedTuple):
    """
    What was committed: who comes or goes, who is a member afterwards, and where the log ended before.
    """

    number: int
    content_type: int
    user_ids: tuple[str, ...]
    members: frozenset[str]
    head: int

    @property
    def is_silent(self) -> bool:
        """Tell whether no line in the chat says when it happened."""
        return self.content_type not in CLONES


class GroupChanges:
    """
    Changes of the group, as services make them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._committed: list[tuple[Effect, frozenset[str]]] = []

    def commit(self, decide: Callable[[GroupChanges, DirectoryTransaction], None]) -> None:
        """Run a use case in one transaction; what it commits, the group's log must say in this order."""
        self._committed = []
        self._world.stores.tables.directory.change(lambda tx: decide(self, tx))
        for effect, members in self._committed:
            self._world.oracle.group.committed(effect, members)

    def create(self, tx: DirectoryTransaction, members: Sequence[str]) -> None:
        """Make the group, unless it is there."""
        if tx.groups([GROUP]):
            return
        tx.put_group(Group(group_id=GROUP))
        self._add(tx, members, min_seq=0)
        self._put(tx, CREATED, members[0], joined=list(members))

    def come_or_go(self, tx: DirectoryTransaction, user_id: str, head: int, *, silent: bool) -> None:
        """Let a member quit, or anybody else enter; `silent`: without a line in the chat."""
        members = tx.member_ids(GROUP)
        if members in ([], [user_id]):
            return
        if user_id not in members:
            history = self._world.settings.group_history
            self._add(tx, [user_id], min_seq=0 if history else NOTHING_YET)
            joined = [user_id]
            self._put(
                tx, INVITED if silent else ENTERED, user_id, joined=joined, with_history=history, forget_facts=True
            )
            return
        tx.delete_member(GROUP, user_id)
        tx.cut(CHAT, GROUP, [Cut(user_id=UserID(user_id), max_seq=max(head, 1))])
        self._put(tx, KICKED if silent else QUIT, user_id, left=[user_id], also=[user_id], forget_facts=True)

    def mention(self, tx: DirectoryTransaction, content_type: int, *, stored: bool) -> None:
        """Change something that members are told of; `stored`: the notification has a seq."""
        members = tx.member_ids(GROUP)
        if members:
            self._put(tx, content_type, members[0], forget_facts=True, stored=stored)

    def dismiss(self, tx: DirectoryTransaction, *, silent: bool) -> None:
        """End the group for good; its members keep what was said."""
        members = tx.member_ids(GROUP)
        if not members:
            return
        tx.put_group(replace(tx.groups([GROUP])[GROUP], status=GroupStatus.DISMISSED))
        tx.delete_members(GROUP, members)
        self._put(tx, VANISHED if silent else DISMISSED, members[0], forget_facts=True, dissolved=True)

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
        body = b""
        if content_type:
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
        self._committed.append((effect, frozenset(tx.member_ids(GROUP))))


class _Mention(NamedTuple):
    """
    A message that names members (`AT_ALL` = everybody), and how many processes had died when it became durable.
    """

    seq: int
    sender_id: str
    client_id: str
    named: frozenset[str]
    crashes: int

    def names(self, user_id: str) -> bool:
        """Tell whether it is to catch a member's eye."""
        return user_id != self.sender_id and bool(self.named & {user_id, AT_ALL})


class GroupLedger:
    """
    What was committed, and what the log says: who may see which message.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._promised: dict[str, list[str]] = {CHAT: [], STREAM: []}
        self._said: dict[str, list[str]] = {CHAT: [], STREAM: []}
        self.refusals: set[str] = set()
        self._changes: dict[str, _Change] = {}
        self._cut_at: dict[int, int] = {}
        """Silent changes that were cut: the first seq behind each."""
        self._coming: dict[str, int] = {}
        """Who has come, and the log does not say so yet."""
        self._spans: dict[str, list[_Span]] = {}
        self._founders: set[str] = set()
        """Who was there from the beginning: what was said before the log says so, is theirs as well."""
        self._mentions: list[_Mention] = []
        self.is_over = False

    # --- what happens

    def committed(self, effect: Effect, members: frozenset[str]) -> None:
        """Note a change that is durable in the directory."""
        user_ids = (*effect.joined, *effect.left)
        head = self._world.oracle.archive.max_seq(CHAT)
        number = len(self._changes) + 1
        self._changes[effect.client_id] = _Change(number, effect.content_type, user_ids, members, head)
        if effect.clone:
            self._promised[CHAT].append(effect.client_id)
        if effect.stored:
            self._promised[STREAM].append(effect.client_id)
        if effect.content_type == CREATED:
            self._founders.update(user_ids)
        for user_id in effect.joined:
            self._coming[user_id] = self._coming.get(user_id, 0) + 1
        self.is_over = self.is_over or effect.dissolved

    def became_durable(self, row: StoredMessage) -> None:
        """Note a message of the group or of its stream; a line that stands there again, beyond the horizon, says nothing new."""
        said = self._said[row.conversation_id]
        if row.client_id in said:
            return
        change = self._changes.get(row.client_id)
        if change is not None:
            said.append(row.client_id)
            if row.conversation_id == CHAT:
                self._happens(change, row.seq, row.seq)
        elif row.conversation_id == STREAM or not (self._is_coming(row.sender_id) or self._is_member(row.sender_id)):
            self._world.oracle.violated(f"{row.sender_id} wrote {row.conversation_id} {row.seq} and is no member")
        elif named := frozenset(MsgData.FromString(row.body).atUserIDList):
            mention = _Mention(row.seq, row.sender_id, row.client_id, named, self._world.crashes)
            self._mentions.append(mention)

    def cut(self, number: int, cuts: Sequence[Cut]) -> None:
        """Check what the log's owner writes into a row for an effect: without a line in the chat, that is when it happens."""
        change = list(self._changes.values())[number - 1]
        if not change.is_silent:
            return
        newest = self._world.oracle.archive.max_seq(CHAT)
        bound = cuts[0].max_seq + 1 if change.content_type in GOES else cuts[0].min_seq
        first = self._cut_at.get(number, bound or newest + 1)
        if bound and (bound != first or not change.head < first <= newest + 1):
            self._world.oracle.violated(f"{change} is cut at {bound}, was at {first}, and {newest} is the newest")
        if number not in self._cut_at:
            self._cut_at[number] = first
            self._happens(change, first, first - 1)

    def _happens(self, change: _Change, first: int, last: int) -> None:
        user_ids = list(self._spans) if change.content_type in ENDS else change.user_ids
        for user_id in user_ids:
            spans = self._spans.setdefault(user_id, [])
            if change.content_type in COMES:
                self._coming[user_id] -= 1
                spans.append(_Span(first))
            elif change.content_type in GOES | ENDS and not spans[-1].last:
                spans[-1] = _Span(spans[-1].first, last)

    def refused(self, client_id: str) -> None:
        """Note a message that was refused since its sender was no member; if the answer is lost, it may come again and be taken then."""
        self.refusals.add(client_id)

    # --- what is checked

    def check_log(self) -> None:
        """Check that chat and stream say what was committed, in the order of the commits."""
        for conversation_id, said in self._said.items():
            if said != self._promised[conversation_id]:
                promised = self._promised[conversation_id]
                self._world.oracle.violated(f"{conversation_id} has {said}, committed were {promised}")

    def was_told(self, user_id: str, conversation_id: str, seq: int) -> None:
        """Check that a user may see a message of the group or of its stream."""
        if not (self._may_see(user_id, seq) if conversation_id == CHAT else self._may_know(user_id, seq)):
            self._world.oracle.violated(f"{user_id} heard of {conversation_id} {seq}: {self._spans.get(user_id)}")

    def told_of_row(self, user_id: str, client_id: str) -> None:
        """Check that a user who is told that her row changed came or went with this effect, or was named in a message."""
        change = self._changes.get(client_id)
        is_mention = any(one.client_id == client_id for one in self._mentions)
        caused = user_id in change.user_ids if change else is_mention and any(self._mentions_of(user_id))
        if not caused:
            self._world.oracle.violated(f"{user_id} is told of a row that {client_id} does not change")

    def unmarked(self) -> str:
        """
        Say whose row lacks the mark of a message that names her; empty if nobody's.

        With a process that dies marks may get lost.
        """
        if self.is_over:
            return ""
        for mention in self._mentions:
            if mention.crashes == self._world.crashes:
                for user_id in self._world.settings.users:
                    was_there = self._is_member(user_id) and self._spans[user_id][-1].first <= mention.seq
                    if mention.names(user_id) and was_there and not self._at_type(user_id):
                        return f"{user_id} is not marked for {mention}"
        return ""

    def check_marks(self) -> None:
        """Check that rows are marked as messages name their owners."""
        for user_id in self._world.settings.users:
            mentions = self._mentions_of(user_id)
            by_name = any(user_id in one.named for one in mentions)
            by_all = any(AT_ALL in one.named for one in mentions)
            right = {AtType.NONE, *[AtType.ME] * by_name, *[AtType.ALL] * by_all}
            right |= {AtType.ALL_AND_ME} if by_name and by_all else set()
            if (at_type := self._at_type(user_id)) not in right:
                self._world.oracle.violated(f"the row of {user_id} has {at_type}, of {right}")

    def _mentions_of(self, user_id: str) -> list[_Mention]:
        return [one for one in self._mentions if one.names(user_id)]

    def _at_type(self, user_id: str) -> int:
        rows = self._world.stores.tables.directory.view(lambda view: view.rows_of(CHAT, [user_id]))
        return rows[user_id].group_at_type if user_id in rows else AtType.NONE

    def _may_see(self, user_id: str, seq: int) -> bool:
        if not self._world.settings.group_history:
            # Who came back may hear of what she saw before from a shard that doesn't know yet.
            was_there = self.is_pushed(user_id, CHAT, seq) or self._is_founders(user_id, seq)
            return was_there or self._was_back(user_id, seq)
        if self._is_coming(user_id) or self._is_member(user_id):
            return True
        spans = self._spans.get(user_id, [])
        return bool(spans) and seq <= spans[-1].last

    def _may_know(self, user_id: str, seq: int) -> bool:
        """Tell whether a stored notification is for somebody who was there, or came later."""
        change = self._of_stream(seq)
        return user_id in change.members or self._came_with(user_id) > change.number

    def _came_with(self, user_id: str) -> int:
        """Return the number of the change with which a user came last."""
        came = (one.number for one in self._changes.values() if one.content_type in COMES and user_id in one.user_ids)
        return max(came, default=0)

    def _of_stream(self, seq: int) -> _Change:
        row = self._world.oracle.archive.row(STREAM, seq)
        assert row is not None
        return self._changes[row.client_id]

    # --- what a user sees

    def is_pushed(self, user_id: str, conversation_id: str, seq: int) -> bool:
        """Tell whether a message came while a user was a member; of the stream, since she came last: who is gone does not hear of it."""
        if conversation_id == STREAM:
            change = self._of_stream(seq)
            return user_id in change.members and change.number > self._came_with(user_id)
        return any(one.first <= seq <= (one.last or seq) for one in self._spans.get(user_id, ()))

    def bounds(self, user_id: str, conversation_id: str, newest: int) -> tuple[int, int]:
        """Return first and last seq that a user may read in the end; nothing if the last one is 0."""
        spans = self._spans.get(user_id)
        if not spans:
            return 1, 0
        if conversation_id == STREAM:
            # Of a group that is over it may be read still, and need not be.
            return 1, newest if self._is_member(user_id) and not self.is_over else 0
        sees_all = self._world.settings.group_history or (len(spans) < 2 and self._is_founders(user_id, 1))
        return 1 if sees_all else spans[-1].first, spans[-1].last or newest

    def _is_founders(self, user_id: str, seq: int) -> bool:
        spans = self._spans.get(user_id, [])
        return user_id in self._founders and (not spans or seq <= spans[0].first)

    def _is_member(self, user_id: str) -> bool:
        spans = self._spans.get(user_id)
        return bool(spans) and not spans[-1].last

    def _was_back(self, user_id: str, seq: int) -> bool:
        """
        Tell whether a message followed the commit with which a user came back, though not yet what the log says of it.

        Until then her row may say where she came the time before: that cut can be written after the commit.
        """
        came = [one for one in self._changes.values() if one.content_type in COMES and user_id in one.user_ids]
        is_gone = not self._is_coming(user_id) and 0 < self._spans[user_id][-1].last < seq
        return len(came) > 1 and seq > came[-1].head and not is_gone

    def _is_coming(self, user_id: str) -> bool:
        return self._coming.get(user_id, 0) > 0


NOT_A_MEMBER = NotInGroupYet.code
