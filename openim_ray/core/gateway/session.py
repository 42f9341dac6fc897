"""
The session: what one connection was written, and therefore what may be written to it next.

Promise: on one connection each stored seq of a conversation is written once, ascending, without a gap. No official client
repairs all of it by itself: Go pulls at most ten messages on a gap, JS counts a repeat as unread twice and never learns of a gap,
PyPI takes the newest pushed seq as its position (OpenIM wire, §7.3, §11). So a push that does not continue its conversation is held, as a
maximum, while the missing run is read from the log.

What a conversation's notification stream says (a receipt, a revocation) is not written before the messages it is about: clients
drop what names a seq they don't have. So the stream is held while its conversation is.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain.conversation import chats_of, is_notification_stream, notification_stream_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openim_ray.domain.message import StoredMessage

RUN_MAX = 500
"""A longer missing run closes the connection: the client's own sync is cheaper then."""

GO_GAP_PULL_MAX = 10
"""So many messages a Go SDK pulls on a gap (OpenIM wire, §7.3)."""

CHECK_SECONDS = 0.2
SYNC_ASKED_WITHIN_CHECKS = 10
PULLS_QUIET_CHECKS = 5
SYNC_PAUSE_SECONDS = 5.0


class ClientKind(Enum):
    """
    The families of clients, by how they sync (OpenIM wire, §8, §10, §11).
    """

    GO = "go"
    JS = "js"
    PYPI = "pypi"

    @property
    def syncs_first(self) -> bool:
        """Tell whether its position comes from an answer it asks for after connecting."""
        return self is not ClientKind.GO


class Verdict(Enum):
    """
    What is to be done with a push.
    """

    WRITE = "write"
    SKIP = "skip"
    HOLD = "hold"
    READ = "read"
    """Hold it, and read the missing run (`Session.next_run`)."""


class Run(NamedTuple):
    """
    Seqs begin..end (inclusive) of a conversation that a session lacks.
    """

    conversation_id: str
    begin: int
    end: int

    @property
    def too_long(self) -> bool:
        """Tell whether the connection is closed instead."""
        return self.end - self.begin >= RUN_MAX


class Session:
    """
    State of one connection. Its owner performs what it says in the order it was said.

    Args:
        origin: behind which seq a conversation begins that wasn't there when the client synced (`ports.MessageReader.origin`).
    """

    def __init__(self, connection: int, user_id: str, kind: ClientKind, origin: int = 0) -> None:
        self.connection = connection
        self.user_id = user_id
        self.kind = kind
        self._origin = origin
        self.asked_newest = False
        self.must_sync = False
        self.unsynced = False
        self._quiet = False
        self._written: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._first_seen: dict[str, int] = {}
        self._begun: dict[str, tuple[int, bool]] = {}
        """Conversation -> seq before the message with which the user came to it, and whether what was before is hidden from her."""
        self._reading: set[str] = set()
        self._unanswered: set[str] = set()
        self._echoes: dict[str, str] = {}
        """Conversation -> clientMsgID whose answer must be written before anything more of it."""
        self.is_registered = False
        self._begun_at: float | None = None
        self._holding = kind.syncs_first
        self._sync_asked = False
        self._starts: Mapping[str, int] | None = None
        self._pulls = 0
        self._quiet_checks = 0

    # --- pushes

    def deliver(self, conversation_id: str, seq: int, sender_id: str, client_id: str) -> Verdict:
        """Decide about a push; WRITE means it counts as written now."""
        if seq == 0:
            return Verdict.SKIP if self._quiet else Verdict.WRITE
        if self._holding:
            self._first_seen.setdefault(conversation_id, seq)
            self._hold(conversation_id, seq)
            return Verdict.HOLD
        last = self._last_written_or_start(conversation_id, seq)
        if seq <= last:
            return Verdict.SKIP
        if self._quiet or conversation_id in self._held or self._waits_for_chat(conversation_id):
            self._hold(conversation_id, seq)
            return Verdict.HOLD
        if sender_id == self.user_id and client_id in self._unanswered:
            # The echo must not overtake the answer (OpenIM wire, §7.4); `answered` lets it go.
            self._hold(conversation_id, seq)
            self._echoes[conversation_id] = client_id
            return Verdict.HOLD
        if seq == last + 1:
            self._written[conversation_id] = seq
            return Verdict.WRITE
        self._hold(conversation_id, seq)
        return Verdict.READ

    def begin(self, conversation_id: str, first_seq: int, *, hides: bool) -> None:
        """
        Learn that the user came to a group with the message `first_seq`: a session that has nothing of it begins there.

        One that has, from when she was there before, is given what it lacks; unless what was before `hides`.
        """
        if self._holding:
            # Who went and came again meanwhile still lacks what followed her first coming, unless that is hidden now.
            earlier = self._begun.get(conversation_id)
            self._begun[conversation_id] = earlier if earlier and not hides else (first_seq - 1, hides)
        else:
            self._begin_after(conversation_id, first_seq - 1, hides=hides)

    def _begin_after(self, conversation_id: str, seq: int, *, hides: bool) -> None:
        last = self._written.setdefault(conversation_id, seq)
        if hides:
            self._written[conversation_id] = max(seq, last)

    def repair(self, maxima: Mapping[str, int], minima: Mapping[str, int] | None = None) -> list[Run]:
        """
        Learn max seqs of conversations in which pushes may be lost; return what is to be read.

        `minima` are the first seqs that the user may see, where they are above 1.
        """
        for conversation_id, max_seq in maxima.items():
            hidden = (minima or {}).get(conversation_id, 1) - 1
            if self._holding:
                self._first_seen.setdefault(conversation_id, max_seq)
                if hidden:
                    self._begun[conversation_id] = (hidden, True)
                self._hold(conversation_id, max_seq)
                continue
            first = max(self._first_of_repair(max_seq), hidden + 1)
            last = max(hidden, self._last_written_or_start(conversation_id, first))
            if max_seq > last:
                self._written[conversation_id] = last
                self._hold(conversation_id, max_seq)
        return self._next_runs(maxima)

    def next_run(self, conversation_id: str) -> Run | None:
        """
        Return the run to be read for a held conversation; None if nothing is missing or it is being read already.

        Once nothing of a chat is missing any more, that of its notification stream.
        """
        held = self._held.get(conversation_id)
        if held is None or self._holding or self._quiet or self._must_wait(conversation_id):
            return None
        last = self._written.get(conversation_id, 0)
        if held <= last:
            del self._held[conversation_id]
            return self.next_run(notification_stream_id(conversation_id))
        self._reading.add(conversation_id)
        return Run(conversation_id, last + 1, held)

    def fill(self, run: Run, rows: list[StoredMessage]) -> list[StoredMessage]:
        """
        Take the rows of a run (ascending; what is not among them can't be had) and return those to be written.

        They end before an echo whose answer isn't written yet; `answered` goes on.
        """
        conversation_id = run.conversation_id
        self._reading.discard(conversation_id)
        if self._quiet:
            return []
        last = self._written.get(conversation_id, 0)
        wanted: list[StoredMessage] = []
        end = run.end
        for row in rows:
            if row.sender_id == self.user_id and row.client_id in self._unanswered:
                self._echoes[conversation_id] = row.client_id
                end = row.seq - 1
                break
            if last < row.seq <= run.end and self._sees(row):
                wanted.append(row)
        self._written[conversation_id] = max(last, end)
        return wanted

    # --- background

    @property
    def quiet(self) -> bool:
        """Tell whether nothing is written but what the client asks for: its app is in the background."""
        return self._quiet

    def fall_quiet(self) -> None:
        """Write no pushes until `wake`: stored ones are held as maxima, the others are lost to it, as to who is offline."""
        self._quiet = True

    def wake(self) -> list[Run]:
        """Write pushes again; return what is to be read of those held meanwhile. The rest a repair brings."""
        self._quiet = False
        return self._next_runs(list(self._held))

    # --- own sends

    def sending(self, client_id: str) -> None:
        """Note that a message of this connection waits for its answer."""
        self._unanswered.add(client_id)

    def answered(self, conversation_id: str, client_id: str) -> Run | None:
        """Note that the answer was written; return what is to be read if its echo was held."""
        self._unanswered.discard(client_id)
        if self._echoes.get(conversation_id) != client_id:
            return None
        del self._echoes[conversation_id]
        return self.next_run(conversation_id)

    # --- syncs

    def newest_asked(self) -> None:
        """Note a 1001."""
        self.asked_newest = True
        self._sync_asked = self._sync_asked or self.kind is ClientKind.PYPI

    def states_asked(self) -> None:
        """Note a 1006."""
        self._sync_asked = self._sync_asked or self.kind is ClientKind.JS

    def sync_refused(self) -> None:
        """Note that what was to set the client's position is refused for good: it is taken as plain, unless it asks again."""
        self._sync_asked = False
        self._quiet_checks = 0

    def synced(self, maxima: Mapping[str, int]) -> None:
        """Note that the first answer that sets the client's position was written; later ones never move it."""
        if self._starts is None and self._holding:
            self._starts = dict(maxima)
            self._quiet_checks = 0

    def pull_started(self) -> None:
        """Note a 1002."""
        self._pulls += 1

    def pull_finished(self) -> None:
        """Note that a 1002 was answered."""
        self._pulls -= 1
        self._quiet_checks = 0

    def registered(self) -> None:
        """Note that the inbox knows of it: from now on its requests are read."""
        self.is_registered = True

    def release(self) -> list[Run]:
        """
        End the holding of a client that syncs first, once it is over; return what is to be read.

        To be called every `CHECK_SECONDS`. Calls are counted, not time: after a stall of this process, what the client had sent
        meanwhile is read before the stall counts as quiet.
        """
        if not self._holding or not self._may_release():
            return []
        self._holding = False
        if self._starts is not None:
            self._written.update({one: seq or self._origin for one, seq in self._starts.items()})
        for conversation_id, (seq, hides) in self._begun.items():
            self._begin_after(conversation_id, seq, hides=hides)
        for conversation_id, seq in list(self._held.items()):
            first = self._first_seen.get(conversation_id, seq)
            if seq <= self._last_written_or_start(conversation_id, first):
                del self._held[conversation_id]
        self._first_seen.clear()
        self._begun.clear()
        return self._next_runs(list(self._held))

    @property
    def holding(self) -> bool:
        """Tell whether pushes are held until the client has synced."""
        return self._holding

    def age(self, now: float) -> float:
        """Return for how many seconds its requests have been read; to be called regularly."""
        if self._begun_at is None and self.is_registered:
            self._begun_at = now
        return 0.0 if self._begun_at is None else now - self._begun_at

    def sync_overdue(self, age: float) -> bool:
        """
        Tell whether a Go SDK that may have skipped its sync has had its time (OpenIM wire, §8.1).

        It is closed then: the next connect syncs.
        """
        return self.must_sync and not self.asked_newest and age >= SYNC_PAUSE_SECONDS

    # --- parts

    def _next_runs(self, conversation_ids: Iterable[str]) -> list[Run]:
        runs = (self.next_run(conversation_id) for conversation_id in conversation_ids)
        return [run for run in runs if run is not None]

    def _must_wait(self, conversation_id: str) -> bool:
        being_read = conversation_id in self._reading or conversation_id in self._echoes
        return being_read or self._waits_for_chat(conversation_id)

    def _waits_for_chat(self, conversation_id: str) -> bool:
        if not self._held or not is_notification_stream(conversation_id):
            return False
        return any(chat_id in self._held for chat_id in chats_of(conversation_id))

    def _may_release(self) -> bool:
        if not self.is_registered or self._pulls > 0:
            return False
        self._quiet_checks += 1
        if self._starts is None:
            return not self._sync_asked and self._quiet_checks > SYNC_ASKED_WITHIN_CHECKS
        return self._quiet_checks > PULLS_QUIET_CHECKS

    def _last_written_or_start(self, conversation_id: str, first_seq: int) -> int:
        """Return the last seq written; a conversation without one starts so that `first_seq` is its first push."""
        last = self._written.get(conversation_id)
        if last is None:
            last = self._written[conversation_id] = self._start(conversation_id, first_seq)
        return last

    def _first_of_repair(self, max_seq: int) -> int:
        """Where nothing was written yet, Go is given what it would pull on a gap: the newest one may be no message for this user."""
        return max(max_seq - GO_GAP_PULL_MAX + 1, 1) if self.kind is ClientKind.GO else max_seq

    def _start(self, conversation_id: str, first_seq: int) -> int:
        plain = self._starts is None
        pushes_only = self.kind is ClientKind.JS and is_notification_stream(conversation_id)
        return first_seq - 1 if plain or pushes_only else min(self._origin, first_seq - 1)

    def _hold(self, conversation_id: str, seq: int) -> None:
        self._held[conversation_id] = max(seq, self._held.get(conversation_id, 0))

    def _sees(self, row: StoredMessage) -> bool:
        return row.sender_sync or row.sender_id != self.user_id
