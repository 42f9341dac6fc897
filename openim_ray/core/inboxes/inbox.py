"""
The inbox: one user's own view, the unit that the actor model addresses by user id.

It owns the inbox's seq counter and a bounded buffer of recent deliveries, the max seq of each of the user's conversations,
her read positions, and her live device sessions. Promises:

- The position (partition epoch, seq) never goes backwards, whatever crashes: a new owner has a higher epoch.
- What was delivered while the inbox was being loaded is not lost: both are merged by maximum.
- Own messages never count as unread: the read position is at least the seq of the user's own newest message.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core.multi_login_policy import rival_platforms
from openim_ray.domain.conversation import (
    group_chat_id,
    home_key,
    is_group_chat,
    is_notification_stream,
    notification_stream_id,
)
from openim_ray.domain.ids import ConversationID, GroupID
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import InboxPosition, InboxSeq, SeqRange, skipped_above
from openim_ray.ports import ConversationState
from openim_ray.protocol.identifiers import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from openim_ray.core.items import Address, Fanout, GroupFanout
    from openim_ray.domain.message import StreamHead

SYNC_PAUSE_MS = 10_000
"""
A Go SDK that connected, or asked a 1001, so long ago syncs at the next connect for certain.

It starts no sync within 5 s of the last one's start (OpenIM wire, §8.1), which is somewhat later than either is heard of here.
"""


DESCRIBED_MAX = 10
"""A description names so many of the newest deliveries."""

HANDSHAKE_SECONDS_MAX = 60.0
"""A connection is registered so long at most after its token was looked at (`[gateway] handshake_seconds` allows no more)."""


@dataclass(slots=True)
class DeviceSession:
    """
    A live connection of the user.
    """

    gateway: str
    connection: int
    platform_id: int
    token_digest: str
    token_expires_at: int
    client: str
    accepted_ms: int
    order: int
    background: bool = False

    @property
    def quiet(self) -> bool:
        """Tell whether nothing is pushed to it: an iOS app in the background counts as offline for pushes (OpenIM wire, §1.7)."""
        return self.background and self.platform_id == Platform.IOS

    @property
    def address(self) -> Address:
        """Return where the connection is."""
        return (self.gateway, self.connection)


class RowCut(NamedTuple):
    """
    What a row says of the messages that its owner may see: `first`..`last`, 0 = no bound. Who left a group has a `last`.
    """

    first: int = 0
    last: int = 0


NO_CUT = RowCut()
_NOTHING_READ = ReadPosition()


@dataclass(slots=True)
class _Entry:
    max_seq: int = 0
    max_time: int = 0
    sent_seq: int = 0
    learnt_ms: int = 0
    position: ReadPosition = _NOTHING_READ
    staged: ReadPosition | None = None
    skipped: tuple[SeqRange, ...] = ()
    cut: RowCut = NO_CUT
    told: int = 0
    """The newest seq of which devices were told, or may be: unlike `max_seq`, it never counts what she may have left before."""

    came_at: int = 0
    """The user just came with this message, and the sessions that are there have not been told; 0 = they have."""

    def merge(self, max_seq: int, max_time: int, sent_seq: int, learnt_ms: int) -> None:
        if max_seq > self.max_seq:
            self.max_seq, self.max_time, self.learnt_ms = max_seq, max_time, learnt_ms
        self.sent_seq = max(self.sent_seq, sent_seq)

    @property
    def last(self) -> int:
        """The newest seq that the user may see."""
        return min(self.max_seq, self.cut.last) if self.cut.last else self.max_seq

    @property
    def first(self) -> int:
        """The first seq that the user may see; above the newest one if she may see nothing."""
        return max(self.position.min_seq, self.cut.first, 1)

    def state(self) -> ConversationState:
        cut = self.cut
        if cut is NO_CUT and not self.skipped:  # nearly all of the thousands that a sync asks for
            position, last = self.position, self.max_seq
            read_seq = position.effective(self.sent_seq)
            return ConversationState(position.min_seq or 1, last, min(last, read_seq), self.max_time)
        read_seq = min(self.position.effective(self.sent_seq), self.last)
        if self.skipped:  # clients count what lies between; seqs that no message ever had are not unread
            read_seq += skipped_above(read_seq, self.skipped)
        if cut.first:  # nor are those that she does not see
            read_seq = max(read_seq, min(cut.first - 1, self.last))
        return ConversationState(self.first, self.last, read_seq, self.max_time)


class Inbox:
    """
    State of one inbox at its owner.

    Limit: `buffer_max` recent deliveries are kept, for who asks what the inbox was told lately.
    """

    def __init__(self, user_id: str, epoch: int, first_seq: int, *, buffer_max: int = 256) -> None:
        self.user_id = user_id
        self.loaded = False
        self.positions_known = False
        self.last_used = 0.0
        self.sessions: dict[Address, DeviceSession] = {}
        self._last_sync_ms: dict[int, int] = {}
        self._closed_unsynced: set[int] = set()
        self._logged_out: dict[int, float] = {}
        self._epoch = epoch
        self._seq = first_seq
        self._entries: dict[str, _Entry] = {}
        self.groups: set[str] = set()
        """Groups of which she is a member now, or whose last message for her is still to come."""
        self._buffer: deque[tuple[InboxSeq, str, int]] = deque(maxlen=buffer_max)

    # --- loading

    def load(
        self,
        conversation_ids: Iterable[str],
        positions: Mapping[ConversationID, ReadPosition],
        heads: Mapping[ConversationID, StreamHead],
        wall_ms: int,
        cuts: Mapping[ConversationID, RowCut] | None = None,
    ) -> None:
        """
        Merge what the stores know into what was delivered meanwhile.

        Positions are taken over once: from then on nobody else writes them, and a load may be older than what was saved since.
        A conversation of another pair of users is left out, whoever has a row of it. `cuts` are those of the rows that have one.
        """
        conversation_ids = list(conversation_ids)
        cuts = cuts or {}
        gone = {str(notification_stream_id(one)) for one, cut in cuts.items() if cut.last}
        for stream_id in gone:
            self._entries.pop(stream_id, None)
        foreign = gone | {str(one) for one, head in heads.items() if not head.belongs_to(self.user_id)}
        for conversation_id in conversation_ids:
            if conversation_id in foreign:
                continue
            entry = self._entries.setdefault(conversation_id, _Entry())
            entry.cut = self._not_before_told(entry, cuts.get(ConversationID(conversation_id), NO_CUT))
            if not self.positions_known:
                entry.position = positions.get(ConversationID(conversation_id), entry.position)
        for conversation_id, head in heads.items():
            if conversation_id in foreign:
                continue
            entry = self._entries.setdefault(conversation_id, _Entry())
            learnt_ms = wall_ms if self.positions_known else head.max_time
            entry.merge(head.max_seq, head.max_time, head.sent.get(self.user_id, 0), learnt_ms)
            entry.skipped = head.skipped
            entry.told = entry.last
        self.groups = {home_key(one) for one in conversation_ids if is_group_chat(one) and one not in foreign}
        self.groups -= {home_key(one) for one in gone}
        self.positions_known = True
        self.loaded = True

    @staticmethod
    def _not_before_told(entry: _Entry, cut: RowCut) -> RowCut:
        """
        Return a row's cut, but not before what a member was told while she was one: a client may be pulling it just now.

        Until the log's owner has the exact cut, the row says where the log ended shortly before she left (`services.groups.seats`).
        """
        return RowCut(cut.first, max(cut.last, entry.cut.last, entry.told)) if cut.last else cut

    def merge_head(self, conversation_id: str, max_seq: int, max_time: int, sent_seq: int, wall_ms: int) -> None:
        """Take over where a conversation stands; what is known better stays."""
        entry = self._entries.setdefault(conversation_id, _Entry())
        entry.merge(max_seq, max_time, sent_seq, wall_ms)

    # --- groups

    def join(self, group_id: str, newest: int, first: int, sent_seq: int) -> None:
        """Become a member: `newest` is the seq before the message that says so, `first` the first one she may see (0 = what she could)."""
        entry = self._entries.setdefault(group_chat_id(GroupID(group_id)), _Entry())
        entry.merge(newest, entry.max_time, sent_seq, entry.learnt_ms)
        entry.cut = RowCut(first or entry.cut.first, 0)
        entry.came_at = newest + 1
        self.groups.add(group_id)

    def leave(self, group_id: str, last: int) -> bool:
        """
        Stop being a member: `last` is the last seq she may see, and is still to come perhaps.

        True if less was passed on to her until now: she was read when her row ended where the log did shortly before she left.
        """
        chat = group_chat_id(GroupID(group_id))
        entry = self._entries.setdefault(chat, _Entry())
        saw_less = 0 < entry.cut.last < last and entry.cut.first <= last
        entry.cut = RowCut(entry.cut.first, last)
        self._entries.pop(notification_stream_id(chat), None)
        self.groups.add(group_id)
        return saw_less

    def clear(self, conversation_id: str, first: int) -> bool:
        """
        Let her see nothing below `first` any more, all of which was durable; unread is what comes from there on.

        False if she has no such conversation yet, as far as is known here: it is to be looked for.
        """
        entry = self._entries.get(conversation_id)
        if entry is None:
            return False
        entry.merge(first - 1, entry.max_time, 0, entry.learnt_ms)
        entry.cut = RowCut(max(first, entry.cut.first), entry.cut.last)
        return True

    def has_cleared(self, conversation_id: str, seq: int) -> bool:
        """Tell whether a message comes late, after she has cleared what it belongs to."""
        entry = self._entries.get(conversation_id)
        return entry is not None and seq < entry.cut.first

    def has_left(self, group_id: str) -> bool:
        """Tell whether what is not stored, and the notification stream, are no longer for her."""
        entry = self._entries.get(group_chat_id(GroupID(group_id)))
        return entry is None or bool(entry.cut.last)

    def may_see(self, conversation_id: str, seq: int) -> bool:
        """Tell whether a message of a group's chat is for her."""
        entry = self._entries.get(conversation_id)
        return entry is not None and entry.cut.first <= seq and not 0 < entry.cut.last < seq

    def tell(self, conversation_id: str, seq: int, *, pushes: bool) -> int:
        """
        Note that devices are told of a group's message; return, once, the one with which she came if they don't know, else 0.

        `pushes` is False for her own message that only its answer tells of: with what is pushed next they learn where she came.
        """
        entry = self._entries[conversation_id]
        entry.told = max(entry.told, seq)
        if not pushes:
            return 0
        came_at, entry.came_at = entry.came_at, 0
        return came_at

    def hides_before(self, conversation_id: str, seq: int) -> bool:
        """Tell whether she may not see what was before a message."""
        entry = self._entries.get(conversation_id)
        return entry is not None and entry.cut.first == seq

    def beginnings(self, conversation_ids: Iterable[str]) -> dict[str, int]:
        """Return the messages with which she came, where sessions that are there have not been told."""
        came = ((one, self._entries[one].came_at) for one in conversation_ids)
        return {conversation_id: came_at for conversation_id, came_at in came if came_at}

    def minima(self, conversation_ids: Iterable[str]) -> dict[str, int]:
        """Return the first seqs that she may see, where they are above 1."""
        firsts = ((one, self._entries[one].cut.first) for one in conversation_ids)
        return {conversation_id: first for conversation_id, first in firsts if first > 1}

    # --- deliveries

    @property
    def position(self) -> InboxPosition:
        """Return the position after the newest delivery."""
        return InboxPosition(self._epoch, InboxSeq(self._seq))

    def continues(self, conversation_id: str, seq: int) -> bool:
        """Tell whether a delivery follows what is known; if not, deliveries were lost, perhaps of own messages."""
        entry = self._entries.get(conversation_id)
        return seq <= (entry.max_seq if entry else 0) + 1

    def deliver(self, fanout: Fanout | GroupFanout, wall_ms: int) -> InboxSeq:
        """Count a stored message in; returns its inbox seq."""
        conversation_id, seq = fanout.conversation_id, fanout.seq
        entry = self._entries.setdefault(conversation_id, _Entry())
        if not entry.max_seq and seq > 1:
            # What came before it nobody has told: until the store has, it does not count as unread.
            entry.skipped = (SeqRange(1, seq - 1),)
        sent_seq = seq if fanout.sender_id == self.user_id else 0
        entry.merge(seq, fanout.send_time, sent_seq, max(wall_ms, fanout.send_time))
        self._seq += 1
        inbox_seq = InboxSeq(self._seq)
        self._buffer.append((inbox_seq, conversation_id, seq))
        return inbox_seq

    # --- questions

    def states(self, conversation_ids: Sequence[str] | None = None) -> dict[str, ConversationState]:
        """Return the state of those of her conversations that are asked for, or of all."""
        if conversation_ids is None:
            return {conversation_id: entry.state() for conversation_id, entry in self._entries.items()}
        entries = self._entries
        return {
            conversation_id: entries[conversation_id].state()
            for conversation_id in conversation_ids
            if conversation_id in entries
        }

    def maxima_since(self, since_ms: int) -> dict[str, int]:
        """Return the max seqs of conversations whose newest message became known at or after `since_ms`."""
        return {
            conversation_id: entry.last
            for conversation_id, entry in self._entries.items()
            if entry.last >= max(entry.cut.first, 1) and entry.learnt_ms >= since_ms
        }

    def describe(self) -> dict[str, object]:
        """Return what a script is shown: position, buffer, devices, conversations."""
        return {
            "user_id": self.user_id,
            "position": {"epoch": self._epoch, "seq": self._seq},
            "buffer": {
                "deliveries": len(self._buffer),
                "limit": self._buffer.maxlen,
                "newest": [
                    {"seq": inbox_seq, "conversation_id": conversation_id, "conversation_seq": seq}
                    for inbox_seq, conversation_id, seq in list(self._buffer)[-DESCRIBED_MAX:]
                ],
            },
            "devices": [
                {
                    "gateway": session.gateway,
                    "connection": session.connection,
                    "platform": session.platform_id,
                    "client": session.client,
                    "background": session.background,
                    "connected_at_ms": session.accepted_ms,
                }
                for session in sorted(self.sessions.values(), key=lambda one: (one.accepted_ms, one.order))
            ],
            "conversations": [
                _describe_entry(conversation_id, entry.state())
                for conversation_id, entry in sorted(self._entries.items())
                if entry.max_seq or not is_notification_stream(conversation_id)
            ],
        }

    # --- positions

    def has(self, conversation_id: str) -> bool:
        """Tell whether she has this conversation."""
        return conversation_id in self._entries

    def max_seq(self, conversation_id: str) -> int:
        """Return the newest seq that she may see of a conversation she has."""
        return self._entries[conversation_id].last

    def stage_position(self, conversation_id: str, has_read_seq: int, *, exact: bool) -> ReadPosition | None:
        """
        Work out the position after a read mark, on top of what is on its way to the store; None if nothing changes.

        `exact` sets it, higher or lower: then own messages sent so far no longer raise it. It counts from `position_stored` on.
        """
        entry = self._entries[conversation_id]
        old = entry.staged or entry.position
        if exact:
            new = ReadPosition(has_read_seq, entry.sent_seq, old.min_seq)
        else:
            new = ReadPosition(max(old.has_read_seq, has_read_seq), old.sent_seen, old.min_seq)
        if new == old and entry.staged is None:
            return None
        entry.staged = new
        return new

    def position_stored(self, conversation_id: str, position: ReadPosition) -> None:
        """Take over a position that is durable."""
        entry = self._entries[conversation_id]
        entry.position = position
        if entry.staged == position:
            entry.staged = None

    # --- sessions

    def register(self, session: DeviceSession, policy: int) -> list[DeviceSession]:
        """
        Add a session (again) and return those that the multi-terminal policy ends (OpenIM wire, §1.6).

        Registrations may arrive in another order than logins after a restart: the later login wins.
        """
        self.sessions[session.address] = session
        rivals = [one for one in self.sessions.values() if _are_rivals(one, session, policy)]
        newest = max([session, *rivals], key=lambda one: (one.accepted_ms, one.order))
        kicked = [one for one in [session, *rivals] if one is not newest and one.token_digest != newest.token_digest]
        for one in kicked:
            del self.sessions[one.address]
        return kicked

    def unregister(self, address: Address) -> None:
        """Forget a session."""
        self.sessions.pop(address, None)

    def note_connect(self, platform_id: int, now_ms: int) -> None:
        """Note a connect of a platform."""
        self._last_sync_ms[platform_id] = now_ms

    def note_sync(self, platform_id: int, now_ms: int) -> None:
        """Note a 1001 of a platform."""
        self._last_sync_ms[platform_id] = now_ms
        self._closed_unsynced.discard(platform_id)

    def note_closed_unsynced(self, platform_id: int) -> None:
        """
        Note that a connection was closed because it did not sync.

        Who does so twice in a row is no Go SDK and may stay: otherwise a client that never syncs would be closed every few seconds.
        """
        if platform_id in self._closed_unsynced:
            self._last_sync_ms.pop(platform_id, None)
        self._closed_unsynced ^= {platform_id}

    def synced_lately(self, platform_id: int, now_ms: int) -> bool:
        """Tell whether a Go SDK on this platform may skip its sync."""
        return now_ms - self._last_sync_ms.get(platform_id, -SYNC_PAUSE_MS) < SYNC_PAUSE_MS

    def log_out(self, platform_id: int, now: float) -> list[DeviceSession]:
        """Forget the sessions on a platform and return them."""
        self._logged_out[platform_id] = now
        ended = [one for one in self.sessions.values() if one.platform_id == platform_id]
        for one in ended:
            del self.sessions[one.address]
        return ended

    def logged_out_lately(self, platform_id: int, now: float) -> bool:
        """
        Tell whether a connection that comes now may have been let in before a platform was logged out.

        Known as long as the inbox stays in memory.
        """
        return now - self._logged_out.get(platform_id, float("-inf")) <= HANDSHAKE_SECONDS_MAX


def _are_rivals(one: DeviceSession, other: DeviceSession, policy: int) -> bool:
    return one is not other and one.platform_id in rival_platforms(policy, Platform(other.platform_id))


def _describe_entry(conversation_id: str, state: ConversationState) -> dict[str, object]:
    return {
        "conversation_id": conversation_id,
        "max_seq": state.max_seq,
        "read_seq": state.read_seq,
        "unread": state.unread if not is_notification_stream(conversation_id) else 0,
        "newest_at_ms": state.max_time,
    }
