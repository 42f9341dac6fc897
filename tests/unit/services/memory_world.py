"""
Services over the stores in memory, with a broker that does what the actors would do, one call at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.config import AuthSection, Config, GroupsSection, Secret
from openim_ray.core.logs.admission import refusal_of
from openim_ray.core.shard_loads import EnsureRows
from openim_ray.domain import errors
from openim_ray.domain.conversation import (
    Conversation,
    SessionType,
    home_key,
    is_group_chat,
    notification_stream_id,
    self_stream_id,
    single_chat_id,
)
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import LogWrite, MessageRef, StoredMessage, StreamHead
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import ConversationState
from openim_ray.protocol.messages import encode_unplaced, with_position
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.services.assembly import Services, build_services
from openim_ray.storage.memory import MemoryDirectoryStore, MemoryMessageStore, MemoryStateStore, MemoryTables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.message import Outgoing
    from openim_ray.ports import DirectoryStore, MessageReader, PresentDevice, TokenRecord

SECRET = "correct horse battery"
START_MS = 1_800_000_000_000


class Clock:
    """A clock that stands until it is moved; Unix milliseconds."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms


class MemoryBroker:
    """
    `ports.Broker` over the tables; notes what it was told.
    """

    def __init__(self, tables: MemoryTables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self.sent: list[tuple[Outgoing, str]] = []
        self.kicked: list[tuple[str, int]] = []
        self.marked: list[tuple[str, str, int, list[int], str]] = []
        self.positions_set: list[tuple[str, str, int, str, bool]] = []
        self.poked: list[str] = []
        self.forgotten: list[str] = []
        """Users of whom it is to be read anew what they receive."""

        self.online: dict[str, list[PresentDevice]] = {}
        self.watched: dict[str, dict[str, None]] = {}
        self.fails = False

    async def conversation_states(
        self, user_id: str, conversation_ids: Sequence[str] | None = None
    ) -> dict[str, ConversationState]:
        """See `ports.Broker`."""
        self._check()
        states = self._states(user_id)
        return states if conversation_ids is None else {one: states[one] for one in conversation_ids if one in states}

    async def send(self, message: Outgoing, operation_id: str) -> MessageRef:
        """See `ports.Broker`."""
        self._check()
        directory = self._tables.directory
        is_group = is_group_chat(message.conversation_id)
        facts = (
            directory.group_chat_facts(message.receiver_id, message.sender_id)
            if is_group
            else directory.single_chat_facts(message.sender_id, message.receiver_id)
        )
        if (refusal := refusal_of(facts, self._clock())) is not None:
            raise refusal
        self.sent.append((message, operation_id))
        if not message.stored:
            return MessageRef(ConversationSeq(0), ServerMessageID(message.server_id), self._clock())
        if not is_group:
            participants = (message.sender_id, message.receiver_id)
            is_chat = message.conversation_id.startswith("si_")
            notified = () if is_chat else (message.receiver_id,)
            directory.ensure_conversations(EnsureRows("", participants, is_chat, notified).rows())
        return self._append(message, operation_id)

    def _append(self, message: Outgoing, operation_id: str) -> MessageRef:
        conversation_id, client_id = ConversationID(message.conversation_id), ClientMessageID(message.client_id)
        if (known := self._tables.messages.find(conversation_id, message.sender_id, client_id)) is not None:
            return known
        head = self._tables.messages.heads([conversation_id]).get(conversation_id)
        place = MessageRef(
            ConversationSeq((head.max_seq if head else 0) + 1), ServerMessageID(message.server_id), self._clock()
        )
        row = StoredMessage(
            conversation_id,
            place.seq,
            UserID(message.sender_id),
            client_id,
            place.server_id,
            place.send_time,
            message.content_type,
            message.sender_sync,
            operation_id,
            with_position(message.body, place.seq, place.send_time),
        )
        self.store([row])
        return place

    async def mark_read(
        self, user_id: str, conversation_id: str, has_read_seq: int, seqs: Sequence[int], operation_id: str
    ) -> None:
        """See `ports.Broker`; writes no notification."""
        self._check_position(user_id, conversation_id, has_read_seq)
        self.marked.append((user_id, conversation_id, has_read_seq, list(seqs), operation_id))
        self._write(LogWrite("p", self._epoch(), home_key(conversation_id), (), (), {user_id: has_read_seq}))
        self._set(user_id, conversation_id, has_read_seq)

    async def set_read_position(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, notify: bool
    ) -> None:
        """See `ports.Broker`."""
        self._check_position(user_id, conversation_id, has_read_seq)
        self.positions_set.append((user_id, conversation_id, has_read_seq, operation_id, notify))
        self._set(user_id, conversation_id, has_read_seq)

    async def save_tokens(self, records: Sequence[TokenRecord]) -> None:
        """See `ports.Broker`."""
        self._check()
        self._tables.state.save(records, [], 0)

    async def force_logout(self, user_id: str, platform_id: int) -> None:
        """See `ports.Broker`."""
        self._check()
        self.kicked.append((user_id, platform_id))

    async def apply_effects(self, home_keys: Sequence[str]) -> None:
        """See `ports.Broker`; the effects stay in the outbox, for a test to look at."""
        self.poked += home_keys

    async def forget_receiver(self, user_id: str) -> None:
        """See `ports.Broker`."""
        self.forgotten.append(user_id)

    async def present_devices(self, user_ids: Sequence[str]) -> dict[str, list[PresentDevice]]:
        """See `ports.Broker`."""
        self._check()
        return {user_id: self.online.get(user_id, []) for user_id in user_ids}

    async def subscribe_presence(self, user_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> None:
        """See `ports.Broker`; as if the user had a connection."""
        self._check()
        watched = self.watched.setdefault(user_id, {})
        watched.update(dict.fromkeys(subscribe))
        for one in unsubscribe:
            watched.pop(one, None)

    async def watched_users(self, user_id: str) -> list[str]:
        """See `ports.Broker`."""
        return sorted(self.watched.get(user_id, {}))

    # --- for tests

    def store(self, rows: Sequence[StoredMessage]) -> None:
        """Write rows of one log."""
        self._write(LogWrite("p", self._epoch(), home_key(rows[0].conversation_id), (), tuple(rows), {}))

    def _states(self, user_id: str) -> dict[str, ConversationState]:
        """Return what an inbox would know: its user's rows, their streams, and her own stream."""
        rows = self._tables.directory.conversations(UserID(user_id))
        ids = [row.conversation_id for row in rows]
        ids += [*(notification_stream_id(one) for one in ids), self_stream_id(user_id)]
        heads = self._tables.messages.heads(ids)
        positions = self._tables.state.read_positions(UserID(user_id))
        cleared = {row.conversation_id: row.min_seq for row in rows}
        return {
            one: _state(user_id, heads.get(one), positions.get(one, ReadPosition()), cleared.get(one, 0)) for one in ids
        }

    def _set(self, user_id: str, conversation_id: str, seq: int) -> None:
        head = self._tables.messages.heads([ConversationID(conversation_id)]).get(ConversationID(conversation_id))
        sent = head.sent.get(user_id, 0) if head else 0
        before = self._tables.state.read_positions(UserID(user_id)).get(ConversationID(conversation_id))
        min_seq = before.min_seq if before else 0
        positions = {ConversationID(conversation_id): ReadPosition(seq, sent, min_seq)}
        self._tables.state.save([], [(UserID(user_id), positions)], 0)

    def _check_position(self, user_id: str, conversation_id: str, has_read_seq: int) -> None:
        self._check()
        state = self._states(user_id).get(conversation_id)
        if state is None:
            raise errors.RecordNotFound("no such conversation")
        if has_read_seq > state.max_seq:
            raise errors.ArgsError("hasReadSeq, or the highest of seqs, is above the newest message")

    def _check(self) -> None:
        if self.fails:
            raise errors.Unavailable("the actors don't answer")

    def _epoch(self) -> int:
        return self._tables.messages.claim(["p"], "test")["p"]

    def _write(self, write: LogWrite) -> None:
        self._tables.messages.write([write])


class MemoryWorld:
    """
    A server's services with everything behind them in memory.

    Args:
        auth: settings of `[auth]`; the secret is always `SECRET`.
        reader: stands in front of the message store, to make holes in it.
        directory: stands in place of the directory in memory; the helpers below don't fill it.
        groups: settings of `[groups]`.
    """

    def __init__(
        self,
        auth: AuthSection | None = None,
        reader: MessageReader | None = None,
        directory: DirectoryStore | None = None,
        groups: GroupsSection | None = None,
    ) -> None:
        self.tables = MemoryTables()
        self.clock = Clock()
        self.broker = MemoryBroker(self.tables, self.clock)
        settings = auth or AuthSection()
        fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
        self.config = Config(
            auth=AuthSection(**{**fields, "admin_secret": Secret(SECRET)}), groups=groups or GroupsSection()
        )
        self.directory = MemoryDirectoryStore(self.tables.directory)
        self.messages = MemoryMessageStore(self.tables.messages)
        self.state = MemoryStateStore(self.tables.state)
        self.services: Services = build_services(
            config=self.config,
            directory=directory or self.directory,
            tokens=self.state,
            messages=reader or self.messages,
            broker=self.broker,
            now_ms=self.clock,
        )

    def add_users(self, *user_ids: str) -> None:
        """Create accounts whose nicknames are their capitalized ids."""
        users = [User(user_id=UserID(one), nickname=one.capitalize(), create_time=START_MS) for one in user_ids]
        self.tables.directory.register(users)

    def add_chat(self, one: str, other: str) -> str:
        """Give both users the row of their chat; returns its id."""
        chat_id = single_chat_id(one, other)
        self.tables.directory.ensure_conversations([_row(one, other, chat_id), _row(other, one, chat_id)])
        return chat_id

    def send(self, sender: str, receiver: str, *texts: str, content_type: int = 101, sender_sync: bool = True) -> str:
        """Store one message per text in the chat of two users, a second apart; returns the chat's id."""
        chat_id = self.add_chat(sender, receiver)
        for text in texts:
            self.store(chat_id, sender, receiver, text, content_type=content_type, sender_sync=sender_sync)
        return chat_id

    def notify(self, sender: str, receiver: str, content_type: int, *contents: str) -> str:
        """Store one notification per content in the stream of two users' chat; returns the stream's id."""
        stream_id = notification_stream_id(self.add_chat(sender, receiver))
        for content in contents:
            self.store(stream_id, sender, receiver, content, content_type=content_type)
        return stream_id

    def store(
        self,
        conversation_id: str,
        sender: str,
        receiver: str,
        text: str,
        *,
        content_type: int = 101,
        sender_sync: bool = True,
    ) -> None:
        """Store one message as its log's owner does."""
        self.clock.now_ms += 1000
        head = self.tables.messages.heads([ConversationID(conversation_id)]).get(ConversationID(conversation_id))
        seq = (head.max_seq if head else 0) + 1
        name = f"{conversation_id}-{seq}"
        message = MsgData(
            sendID=sender,
            recvID=receiver,
            clientMsgID=f"client-{name}",
            serverMsgID=f"server-{name}",
            sessionType=SessionType.SINGLE,
            msgFrom=100,
            contentType=content_type,
            content=text.encode(),
            status=2,
        )
        self.broker.store(
            [
                StoredMessage(
                    ConversationID(conversation_id),
                    ConversationSeq(seq),
                    UserID(sender),
                    ClientMessageID(message.clientMsgID),
                    ServerMessageID(message.serverMsgID),
                    self.clock.now_ms,
                    content_type,
                    sender_sync,
                    "operation",
                    with_position(encode_unplaced(message), seq, self.clock.now_ms),
                )
            ]
        )

    def clear(self, user_id: str, conversation_id: str, min_seq: int) -> None:
        """Let a user see nothing below a seq."""
        position = self.tables.state.read_positions(UserID(user_id)).get(ConversationID(conversation_id))
        changed = (position or ReadPosition())._replace(min_seq=min_seq)
        self.tables.state.save([], [(UserID(user_id), {ConversationID(conversation_id): changed})], 0)


def _state(user_id: str, head: StreamHead | None, position: ReadPosition, first: int) -> ConversationState:
    min_seq = max(position.min_seq, first, 1)
    if head is None:
        return ConversationState(min_seq, 0, 0, 0)
    read_seq = max(position.effective(head.sent.get(user_id, 0)), first - 1)
    return ConversationState(min_seq, head.max_seq, min(read_seq, head.max_seq), head.max_time)


def _row(owner: str, peer: str, chat_id: ConversationID) -> Conversation:
    return Conversation(
        owner_user_id=UserID(owner),
        conversation_id=chat_id,
        conversation_type=SessionType.SINGLE,
        user_id=peer,
    )
