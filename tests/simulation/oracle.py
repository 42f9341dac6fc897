"""
What must hold in every world, checked at the moment it could be broken, and once more when everything is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core.row_changes import CONVERSATION_CHANGED
from openim_ray.domain.conversation import is_notification_stream, notification_stream_id, single_chat_id
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.read_position import ReadPosition
from tests.simulation.archive import Archive, Key, key_of
from tests.simulation.groups import CHAT, CLONES, INFO_SET, STREAM, GroupLedger
from tests.simulation.messages import RECEIPT, Seen, chat_of, seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openim_ray.core.items import Accepted
    from openim_ray.domain.message import LogWrite, StoredMessage
    from openim_ray.domain.sequence import InboxPosition
    from openim_ray.ports import ConversationState
    from openim_ray.protocol.pb.sdkws_pb2 import MsgData
    from tests.simulation.clients.device import Device
    from tests.simulation.gateways import Connection
    from tests.simulation.sockets import Socket
    from tests.simulation.world import World

ALL = 1 << 40
OF_GROUP = (CHAT, STREAM)
SAID_BY_SERVER = (RECEIPT, INFO_SET, *CLONES)


class Violation(AssertionError):
    """
    A promise was broken.
    """


class Command(NamedTuple):
    """
    A read mark or a set position of a user.
    """

    number: int
    user_id: str
    conversation_id: str
    seq: int
    exact: bool


class _Login:
    """
    A token that was asked for; when it was given out is not known if the answer was lost.
    """

    def __init__(self, user_id: str, platform_id: int, digest: str, asked_at: float) -> None:
        self.owner = (user_id, platform_id)
        self.digest = digest
        self.asked_at = asked_at
        self.issued_at = float("inf")

    def ends(self, other: _Login, *, clocks_agree: bool) -> bool:
        """Tell whether this login may rightly end another one; where clocks don't agree, gateways take either for the later one."""
        follows = self.issued_at >= other.asked_at or not clocks_agree
        return self is not other and self.owner == other.owner and follows


class Oracle:
    """
    Judge of a world: knows what was sent, stored, answered, pushed and read, and compares it with the stores.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.archive = Archive()
        self.group = GroupLedger(world)
        self._again: set[Key] = set()
        """Messages that were sent again when the message store had them no more: beyond that horizon they may be stored twice."""
        self._sent: dict[Key, bool] = {}
        self._answered: dict[Key, str] = {}
        self._foreign: set[Key] = set()
        self._refused: set[Key] = set()
        self._server_ids: dict[tuple[str, int], str] = {}
        self._order: dict[tuple[int, str], list[tuple[int, Key]]] = {}
        self._commands: list[Command] = []
        self._done: set[int] = set()
        self._logins: list[_Login] = []
        self._logging_out: set[tuple[str, int]] = set()
        self._logged_out: set[str] = set()
        self._positions: dict[str, InboxPosition] = {}
        self.pushes = 0

    def violated(self, text: str) -> None:
        """Report a broken promise: the world ends."""
        raise Violation(f"{text} (at {self._world.scheduler.now:.3f} s)")

    # --- sending

    def sending(self, message: MsgData) -> None:
        """Note a message before its first attempt."""
        key = _key(message)
        self._sent[key] = message.options.get("history", True)
        if not self._owns(message.sendID, key[0]):
            self._foreign.add(key)

    def refused(self, message: MsgData) -> None:
        """Check that a message was refused for good because another pair of users makes the same conversation id."""
        key = _key(message)
        if len(self._world.pairs_of(key[0])) < 2:
            self.violated(f"{key} was refused")
        self._refused.add(key)

    def accepted(self, message: MsgData, reply: Accepted) -> None:
        """Check an answer that is being written: the message must be durable now."""
        key = _key(message)
        if key in self._foreign:
            self.violated(f"{key} was accepted into the conversation of another pair")
        if not self._sent[key]:
            if reply.seq:
                self.violated(f"online-only {key} got seq {reply.seq}")
            return
        row = self._row(key[0], reply.seq)
        if row is None:
            self.violated(f"{key} is answered and not durable")
        elif (*key_of(row), row.server_id, row.send_time) != (*key, reply.server_id, reply.send_time):
            self.violated(f"{key} is answered as {reply} and stored as {row}")
        else:
            self._check_kept(row)

    def answered(self, message: MsgData, server_id: str, socket: Socket | None, number: int) -> None:
        """Note that a client got its answer; `socket` is given if it came to the first attempt."""
        key = _key(message)
        if not self._sent[key]:
            return
        first = self._answered.setdefault(key, server_id)
        if first != server_id and key not in self._again:
            self.violated(f"{key} was answered as {first} and as {server_id}")
        if socket is not None:
            self._order.setdefault((id(socket), key[0]), []).append((number, key))
            self._world.sockets_seen.append(socket)

    # --- the stores

    def wrote(self, writes: Sequence[LogWrite]) -> None:
        """Check what stands of a commit, whatever became of it."""
        messages = self._world.stores.tables.messages
        for write in writes:
            for row in write.rows:
                for there in messages.read_seqs(row.conversation_id, [row.seq]):
                    self._became_durable(there)

    def _became_durable(self, row: StoredMessage) -> None:
        conversation_id, key = str(row.conversation_id), key_of(row)
        before = self._row(conversation_id, row.seq)
        if before is not None:
            if before != row:
                self.violated(f"{conversation_id} {row.seq} was {before} and became {row}")
            return
        if row.seq != self.archive.max_seq(conversation_id) + 1:
            self.violated(f"{conversation_id} {row.seq} follows {self.archive.max_seq(conversation_id)}")
        if conversation_id in OF_GROUP:
            self.group.became_durable(row)
        elif row.seq == 1:
            self._check_conversation_rows(conversation_id)
        earlier = self.archive.place(key)
        if earlier is not None:
            if earlier.seq >= self._floor(conversation_id):
                self.violated(f"{key} is stored twice")
            self._again.add(key)
        self.archive.add(row)

    def _check_conversation_rows(self, conversation_id: str) -> None:
        pairs = self._world.pairs_of(conversation_id)
        chats = {single_chat_id(*pair) for pair in pairs}
        rows = self._world.stores.tables.rows
        if not any(chat in rows.get(one, ()) and chat in rows.get(other, ()) for chat in chats for one, other in pairs):
            self.violated(f"{conversation_id} has a message, and its users have no rows of the conversation")

    def forgot(self, conversation_id: ConversationID) -> None:
        """Check what a step of retention left: the head as high as ever, and what is gone both below the floor and in the history."""
        tables = self._world.stores.tables
        if self._head(conversation_id) < self.archive.max_seq(conversation_id):
            self.violated(f"the head of {conversation_id} fell to {self._head(conversation_id)}")
        kept = {row.seq for row in tables.messages.read_range(conversation_id, 1, ALL, ALL)}
        gone = [row for row in self.archive.rows(conversation_id) if row.seq not in kept]
        floor = self._floor(conversation_id)
        confirmed = tables.history.confirmed([conversation_id]).get(conversation_id, 0)
        copied = {row.seq: row for row in tables.history.read_seqs(conversation_id, [row.seq for row in gone])}
        for row in gone:
            if row.seq >= floor:
                self.violated(f"{conversation_id} {row.seq} left the message store before the floor was raised")
            if row.seq > confirmed or copied.get(row.seq) != row:
                self.violated(f"{conversation_id} {row.seq} left the message store before the history had it")

    def _check_kept(self, row: StoredMessage) -> None:
        """Check that a message is where its readers look for it."""
        tables = self._world.stores.tables
        found = tables.messages.read_seqs(row.conversation_id, [row.seq])
        if not found and row.seq < self._floor(row.conversation_id):
            found = tables.history.read_seqs(row.conversation_id, [row.seq])
        if found != [row]:
            self.violated(f"{row.conversation_id} {row.seq} is {found}, not {row}")

    def not_copied(self) -> str:
        """Say which conversation the history lacks something of; empty if none."""
        history = self._world.stores.tables.history
        for conversation_id in map(ConversationID, self.archive.conversations()):
            confirmed = history.confirmed([conversation_id]).get(conversation_id, 0)
            if confirmed < self.archive.max_seq(conversation_id):
                return f"the history of {conversation_id} is known up to {confirmed}"
        return ""

    def check_history(self) -> None:
        """Check that the history holds every message as it was stored."""
        history = self._world.stores.tables.history
        for conversation_id in map(ConversationID, self.archive.conversations()):
            if history.read_range(conversation_id, 1, ALL, ALL) != self.archive.rows(conversation_id):
                self.violated(f"the history of {conversation_id} is not what was stored")

    def untold(self, user_id: str, conversation_id: str, found: Sequence[Seen]) -> list[int]:
        """Check what a user found of a whole conversation, and return the messages that she was not told of."""
        self.pulled(user_id, conversation_id, found)
        told = {message.seq for message in found}
        first, last = self.bounds(user_id, conversation_id)
        return [row.seq for row in self.archive.rows(conversation_id, first, last) if row.seq not in told]

    def bounds(self, user_id: str, conversation_id: str) -> tuple[int, int]:
        """Return first and last seq that a user may read."""
        newest = self._max_seq(conversation_id)
        if conversation_id in OF_GROUP:
            return self.group.bounds(user_id, conversation_id, newest)
        return (1, newest)

    # --- pushes and pulls

    def pushed(self, connection: Connection, conversation_id: str, body: bytes) -> None:
        """Check a push that is being written."""
        self.pushes += 1
        message, user_id = seen(body), connection.login.user_id
        self._check_sender(user_id, conversation_id, message.sender_id)
        if message.sender_id == user_id and message.client_id in connection.unanswered:
            self.violated(f"echo of {message.client_id} is pushed before its answer")
        if message.seq == 0:
            if message.content_type == CONVERSATION_CHANGED:
                self.group.told_of_row(user_id, message.client_id)
            return
        self._check_part(user_id, conversation_id)
        self._check_stored(conversation_id, message)
        if conversation_id in OF_GROUP:
            self.group.was_told(user_id, conversation_id, message.seq)
        last = connection.pushed.get(conversation_id)
        connection.pushed[conversation_id] = message.seq
        if last is None:
            return
        where = f"{conversation_id} on connection {connection.number} of {connection.login}"
        if message.seq <= last:
            self.violated(f"{message.seq} follows {last} in {where}")
        missing = self.visible(user_id, conversation_id, last + 1, message.seq - 1)
        if missing:
            self.violated(f"{message.seq} follows {last} in {where}, lacks {missing}")

    def pulled(self, user_id: str, conversation_id: str, found: Sequence[Seen]) -> None:
        """Check what a client pulled."""
        if found:
            self._check_part(user_id, conversation_id)
        for message in found:
            if conversation_id in OF_GROUP and not message.deleted:
                self.group.was_told(user_id, conversation_id, message.seq)
            if message.deleted:
                if self._row(conversation_id, message.seq) is not None:
                    self.violated(f"{conversation_id} {message.seq} came as a placeholder and exists")
            else:
                self._check_sender(user_id, conversation_id, message.sender_id)
                self._check_stored(conversation_id, message)

    def _check_part(self, user_id: str, conversation_id: str) -> None:
        if not self._is_part_of(user_id, conversation_id):
            self.violated(f"{user_id} heard of {conversation_id}")

    def _is_part_of(self, user_id: str, conversation_id: str) -> bool:
        return self._world.hears_of(user_id, conversation_id) and self._owns(user_id, conversation_id)

    def _owns(self, user_id: str, conversation_id: str) -> bool:
        """Tell whether a conversation is a user's own; an id that two pairs make is that of the pair whose message came first."""
        pairs = self._world.pairs_of(conversation_id)
        if len(pairs) < 2:
            return True
        first = self._row(single_chat_id(*pairs[0]), 1)
        return first is None or any(user_id in pair and first.sender_id in pair for pair in pairs)

    def _check_sender(self, user_id: str, conversation_id: str, sender_id: str) -> None:
        pairs = self._world.pairs_of(conversation_id)
        if pairs and not any(user_id in pair and sender_id in pair for pair in pairs):
            self.violated(f"{user_id} got a message of {sender_id} in {conversation_id}")

    def _check_stored(self, conversation_id: str, message: Seen) -> None:
        row = self._row(conversation_id, message.seq)
        if row is None:
            self.violated(f"{conversation_id} {message.seq} was seen and is not durable")
        elif (row.server_id, row.send_time, row.sender_id) != (message.server_id, message.send_time, message.sender_id):
            self.violated(f"{conversation_id} {message.seq} was seen as {message} and is stored as {row}")
        first = self._server_ids.setdefault((conversation_id, message.seq), message.server_id)
        if first != message.server_id:
            self.violated(f"{conversation_id} {message.seq} was {first} and became {message.server_id}")

    # --- read positions

    def marking(self, user_id: str, conversation_id: str, seq: int) -> Command:
        """Note a read mark that is on its way."""
        return self._command(user_id, conversation_id, seq, exact=False)

    def setting(self, user_id: str, conversation_id: str, seq: int) -> Command:
        """Note an exact position that is on its way."""
        return self._command(user_id, conversation_id, seq, exact=True)

    def _command(self, user_id: str, conversation_id: str, seq: int, *, exact: bool) -> Command:
        command = Command(len(self._commands), user_id, conversation_id, seq, exact)
        self._commands.append(command)
        return command

    def marked(self, command: Command) -> None:
        """Note that a command succeeded: what it did must be durable now."""
        self._done.add(command.number)
        if command.exact or self._was_set(command.user_id, command.conversation_id) or self._world.had_zombies:
            return
        positions = self._world.stores.tables.state.positions.get(command.user_id, {})
        position = positions.get(ConversationID(command.conversation_id), ReadPosition())
        own = self._own_newest(command.user_id, command.conversation_id, ALL)
        if position.effective(own) < command.seq:
            self.violated(f"{command} was answered and is not durable: {position}")

    def floor_of(self, user_id: str) -> dict[str, int]:
        """Return the least read position of each conversation that has been promised."""
        floors: dict[str, int] = {}
        for command in self._commands:
            if command.user_id == user_id and command.number in self._done and not command.exact:
                floors[command.conversation_id] = max(floors.get(command.conversation_id, 0), command.seq)
        for command in self._commands:
            if command.user_id == user_id and command.exact:
                floors.pop(command.conversation_id, None)
        return floors

    def told_states(self, user_id: str, floors: Mapping[str, int], states: Mapping[str, ConversationState]) -> None:
        """Check what an inbox said; `floors` is what had been promised when it was asked."""
        for conversation_id, state in states.items():
            if not state.max_seq:
                continue  # a row that was ensured for a message which was never stored: whose the id is was decided later
            self._check_part(user_id, conversation_id)
            if conversation_id in OF_GROUP and state.max_seq >= state.min_seq:
                self.group.was_told(user_id, conversation_id, state.max_seq)
            if state.max_seq > self._max_seq(conversation_id):
                self.violated(f"inbox of {user_id} knows {conversation_id} {state}, which isn't durable")
            floor = min(floors.get(conversation_id, 0), state.max_seq)
            promised = not self._world.had_zombies and not self._was_set(user_id, conversation_id)
            if state.read_seq < floor and promised:
                self.violated(f"{user_id} had read {conversation_id} up to {floor}, inbox says {state}")
            self._check_own(user_id, conversation_id, state)
            read_at_most = max(self._read_at_most(user_id, conversation_id), state.min_seq - 1)
            if state.read_seq > read_at_most:
                self.violated(f"{user_id} has not read {conversation_id} so far: {state}")
            if not 0 <= state.unread <= state.max_seq:
                self.violated(f"{state.unread} messages of {conversation_id} are unread: {state}")

    def _read_at_most(self, user_id: str, conversation_id: str) -> int:
        """Return up to where a user may have read a conversation: what she said, or what she wrote."""
        said = (one.seq for one in self._commands if (one.user_id, one.conversation_id) == (user_id, conversation_id))
        return max((self._own_newest(user_id, conversation_id, ALL), *said))

    def _check_own(self, user_id: str, conversation_id: str, state: ConversationState) -> None:
        if is_notification_stream(conversation_id) or self._was_set(user_id, conversation_id):
            return
        own = self._own_newest(user_id, conversation_id, state.max_seq)
        if state.read_seq < own:
            self.violated(f"own message {conversation_id} {own} of {user_id} is unread: {state}")

    def _was_set(self, user_id: str, conversation_id: str) -> bool:
        return any(
            one.exact and one.user_id == user_id and one.conversation_id == conversation_id for one in self._commands
        )

    def _own_newest(self, user_id: str, conversation_id: str, up_to: int) -> int:
        rows = self._rows(conversation_id, 1, up_to)
        return max((int(row.seq) for row in rows if row.sender_id == user_id), default=0)

    def unread_range(self, user_id: str, conversation_id: str) -> tuple[int, int]:
        """Return the least and the greatest number of unread messages that would be right."""
        if not self._owns(user_id, conversation_id):
            return (0, 0)
        first, maximum = self.bounds(user_id, conversation_id)
        mine = [one for one in self._commands if (one.user_id, one.conversation_id) == (user_id, conversation_id)]
        if any(one.exact for one in mine):
            return (0, maximum)
        own = max(self._own_newest(user_id, conversation_id, maximum), first - 1)
        surely = max([own, *(one.seq for one in mine if one.number in self._done)])
        perhaps = max([own, *(one.seq for one in mine)])
        return (maximum - perhaps, maximum - surely)

    # --- inboxes

    def moved_on(self, positions: Mapping[str, InboxPosition]) -> dict[str, InboxPosition]:
        """Return those positions of inboxes (by user) that are other ones than were last seen."""
        last = self._positions.get
        return {user_id: position for user_id, position in positions.items() if last(user_id) != position}

    def positioned(self, user_id: str, position: InboxPosition) -> None:
        """Check that the position of an inbox never goes backwards, whoever owns it."""
        before = self._positions.get(user_id)
        if before is not None and position < before and not self._world.had_zombies:
            self.violated(f"inbox of {user_id} went from {before} to {position}")
        self._positions[user_id] = position

    # --- logins

    def issuing(self, device: Device, digest: str) -> None:
        """Note a token that a client asks for."""
        self._logins.append(_Login(device.user_id, device.platform_id, digest, self._world.scheduler.now))

    def issued(self, digest: str) -> None:
        """Note that the client got it."""
        login = next(one for one in self._logins if one.digest == digest)
        login.issued_at = self._world.scheduler.now

    def kicked(self, user_id: str, platform_id: int, digest: str) -> None:
        """Check that who is kicked was followed by another login, or met by one at the same time."""
        if (user_id, platform_id) in self._logging_out:
            return
        mine = next(one for one in self._logins if one.digest == digest)
        if not any(one.ends(mine, clocks_agree=not self._world.clock_skew_ms) for one in self._logins):
            self.violated(f"{digest} of {user_id} on {platform_id} was kicked by nobody")

    def logging_out(self, user_id: str, platform_id: int) -> None:
        """Note that an administrator ends the tokens of a user on a platform."""
        self._logging_out.add((user_id, platform_id))

    def logged_out(self, digests: Sequence[str]) -> None:
        """Note tokens of which the administrator was told that they have ended, and their connections with them."""
        self._logged_out.update(digests)

    def is_logged_out(self, digest: str) -> bool:
        """Tell whether a connection with this token must be kicked."""
        return digest in self._logged_out

    # --- what is stored

    def maxima_of(self, user_id: str) -> dict[str, int]:
        """Return the max seq of each conversation and stream of a user that holds messages."""
        own = (one for one in self._world.conversations_of(user_id) if self._owns(user_id, one))
        found = {one: self.bounds(user_id, one)[1] for one in own}
        return {key: seq for key, seq in found.items() if seq}

    def visible(self, user_id: str, conversation_id: str, begin: int, end: int) -> list[int]:
        """Return the seqs of a range that are pushed to a user's devices."""
        if begin > end:
            return []
        rows = self._rows(conversation_id, begin, end)
        if conversation_id in OF_GROUP:
            first, _ = self.bounds(user_id, conversation_id)
            rows = [row for row in rows if row.seq >= first and self.group.is_pushed(user_id, conversation_id, row.seq)]
        return [int(row.seq) for row in rows if row.sender_sync or row.sender_id != user_id]

    def visible_up_to(self, user_id: str, conversation_id: str, end: int) -> int:
        """Return the highest seq that is pushed to a user's devices."""
        return max(self.visible(user_id, conversation_id, 1, end), default=0)

    def _rows(self, conversation_id: str, begin: int, end: int) -> Sequence[StoredMessage]:
        return self.archive.rows(conversation_id, begin, end)

    def _row(self, conversation_id: str, seq: int) -> StoredMessage | None:
        return self.archive.row(conversation_id, seq)

    def _max_seq(self, conversation_id: str) -> int:
        return self.archive.max_seq(conversation_id)

    def _head(self, conversation_id: str) -> int:
        heads = self._world.stores.tables.messages.heads([ConversationID(conversation_id)])
        return int(heads[ConversationID(conversation_id)].max_seq) if heads else 0

    def _floor(self, conversation_id: str) -> int:
        heads = self._world.stores.tables.messages.heads([ConversationID(conversation_id)])
        return int(heads[ConversationID(conversation_id)].floor) if heads else 1

    # --- the end

    def check_store(self) -> None:
        """Check that everything answered is stored once, dense, in order, and nothing else."""
        keys: set[Key] = set()
        for chat in dict.fromkeys(single_chat_id(one, other) for one, other in self._world.pairs):
            for conversation_id in (chat, notification_stream_id(chat)):
                self._check_rows(conversation_id, self._rows(conversation_id, 1, ALL), keys)
                if self._head(conversation_id) != self._max_seq(conversation_id):
                    self.violated(f"the head of {conversation_id} is {self._head(conversation_id)}")
        if self._world.settings.group:
            for conversation_id in OF_GROUP:
                self._check_rows(conversation_id, self._rows(conversation_id, 1, ALL), keys)
            self.group.check_log()
            self.group.check_marks()
        for key in self._answered:
            if key not in keys:
                self.violated(f"{key} was answered and is not stored")
        if both := self._refused & keys:
            self.violated(f"{min(both)} was refused and is stored")
        self._check_order(keys)

    def _check_rows(self, conversation_id: str, rows: Sequence[StoredMessage], keys: set[Key]) -> None:
        time = 0
        for number, row in enumerate(rows, 1):
            key = (conversation_id, str(row.sender_id), str(row.client_id))
            if row.seq != number:
                self.violated(f"{conversation_id}: row {number} has seq {row.seq}")
            if row.send_time < time:
                self.violated(f"{conversation_id} {row.seq} was sent before its predecessor")
            if key in keys and key not in self._again:
                self.violated(f"{key} is stored twice")
            self._check_kept(row)
            if not self._owns(row.sender_id, conversation_id):
                self.violated(f"{key} is stored in the conversation of another pair")
            if row.content_type not in SAID_BY_SERVER and not self._sent.get(key):
                self.violated(f"{key} is stored and was never sent")
            peer = self._peer(conversation_id, row.sender_id) if conversation_id not in OF_GROUP else ""
            if (peer, row.sender_id) in self._world.stores.tables.blocked and row.content_type != RECEIPT:
                self.violated(f"{key} is stored and its sender is blocked")
            if self._answered.get(key, row.server_id) != row.server_id and key not in self._again:
                self.violated(f"{key} was answered as {self._answered[key]} and is stored as {row.server_id}")
            keys.add(key)
            time = row.send_time

    def _peer(self, conversation_id: str, user_id: str) -> str:
        pair = next(pair for pair in self._world.pairs_of(conversation_id) if user_id in pair)
        return pair[1] if pair[0] == user_id else pair[0]

    def _check_order(self, keys: set[Key]) -> None:
        for sent in self._order.values():
            before = 0
            for _, key in sorted(sent):
                reference = self.archive.place(key)
                assert reference is not None
                if key in self._again or key[2] in self.group.refusals:
                    continue
                if reference.seq < before:
                    self.violated(
                        f"{key} was sent later than seq {before} on the same connection, and has {reference.seq}"
                    )
                before = int(reference.seq)

    @property
    def answered_count(self) -> int:
        """Return how many messages were answered."""
        return len(self._answered)


def _key(message: MsgData) -> Key:
    return (chat_of(message), message.sendID, message.clientMsgID)
