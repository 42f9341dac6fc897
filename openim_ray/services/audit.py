"""
What is wrong with stored conversations, positions and rows of people, judged from what was read of them.

Nothing here reads: `openim_ray.check` does. A fault that two looks find alike is one; what changed between them was somebody at work.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain.conversation import SessionType, is_notification_chat, is_single_chat
from openim_ray.domain.message import DamagedRow, StoredMessage
from openim_ray.domain.sequence import is_skipped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from openim_ray.domain.conversation import Conversation
    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StreamHead
    from openim_ray.domain.read_position import ReadPosition

    Row = StoredMessage | DamagedRow

DAMAGED = "damaged"
DUPLICATE = "duplicate"
FILE = "file"
HEAD = "head"
HISTORY = "history"
HOLE = "hole"
NOTE = "note"
ORPHAN = "orphan"
POSITION = "position"

KEYS_MAX = 200_000
"""So many messages of a conversation are compared with each other at once; a longer one is read several times."""

FAULTS_MAX = 1000
"""So many faults of one conversation are named; the others are only said to be there."""

_DIGEST_BYTES = 16


class Fault(NamedTuple):
    """
    One thing that is not as it has to be; of the kind NOTE: worth knowing, but no fault.

    `context` says how it looked around it at that moment. It is no part of what the fault is.
    """

    kind: str
    where: str
    what: str
    context: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What is equal when the same fault is found again."""
        return self.kind, self.where, self.what

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.what}" + (f", {self.context}" if self.context else "")


def lasting(first: Iterable[Fault], second: Iterable[Fault]) -> list[Fault]:
    """
    Return those faults of the second look that the first one found, too.
    """
    before = {fault.identity for fault in first}
    return [fault for fault in second if fault.identity in before]


class Span(NamedTuple):
    """
    All that both stores hold of `first`..`last` of a stream, each ascending.

    Read in this order: rows of the message store, floor, confirmed position, rows of the history.
    """

    first: int
    last: int
    messages: Sequence[Row]
    history: Sequence[Row]
    floor: int
    confirmed: int


class Part(NamedTuple):
    """
    Which of the messages are compared with each other: those whose key falls into part `number` (from 0).
    """

    number: int = 0
    of: int = 1

    @classmethod
    def all_of(cls, messages: int) -> list[Part]:
        """Return the parts that so many messages have to be looked at in."""
        of = 1 + max(0, messages - 1) // KEYS_MAX
        return [cls(number, of) for number in range(of)]


_WHOLE = Part()


class StreamAudit:
    """
    Looks at one stream from seq 1 to its head, span by span. Memory: the keys of a part, `FAULTS_MAX` faults, one entry a sender.

    Args:
        head: as it was read before the rows.
        confirmed: up to which seq the history is complete, read after the head; 0 where there is no history.
        has_history: whether messages are copied to one.
        part: of the messages' keys; all other faults are judged in part 0 only.
    """

    def __init__(self, head: StreamHead, confirmed: int, *, has_history: bool, part: Part = _WHOLE) -> None:
        self._head = head
        self._has_history = has_history
        self._part = part
        self._runs: dict[tuple[str, str, str], _Run] = {}
        self._found: list[tuple[int, Fault]] = []
        self._left_out = 0
        self._seqs: dict[bytes, int] = {}
        self._newest: dict[str, int] = {}
        self._last: StoredMessage | None = None
        self.messages = 0
        """How many seqs have a row in one of the stores."""
        self._judges = part.number == 0
        if self._judges:
            self._judge_floor(confirmed)

    def add(self, span: Span) -> None:
        """Look at the next seqs."""
        messages: dict[int, Row] = {row.seq: row for row in span.messages}
        history: dict[int, Row] = {row.seq: row for row in span.history}
        for seq in range(span.first, span.last + 1):
            row, copy = messages.get(seq), history.get(seq)
            self.messages += row is not None or copy is not None
            if self._judges:
                self._judge(seq, row, copy, span)
            self._compare_keys(row if isinstance(row, StoredMessage) else copy)

    def finish(self) -> list[Fault]:
        """Return the faults, in order of seqs; those of the whole stream come last."""
        for key, run in self._runs.items():
            self._close(key, run)
        self._runs.clear()
        found = sorted(self._found, key=lambda one: one[0])
        faults = [fault for _, fault in found]
        if self._judges:
            faults += self._judge_head()
        if self._left_out:
            faults.append(self._fault(NOTE, f"more than {FAULTS_MAX} faults, the others are not named"))
        return faults

    # --- rows

    def _judge(self, seq: int, row: Row | None, copy: Row | None, span: Span) -> None:
        if isinstance(row, DamagedRow):
            self._add_seq(DAMAGED, "damaged row in the message store at seq {}", seq)
        if isinstance(copy, DamagedRow):
            self._add_seq(DAMAGED, "damaged row in the history at seq {}", seq)
        if row is None:
            self._judge_absent(seq, copy, span)
        elif copy is None and seq <= span.confirmed and isinstance(row, StoredMessage):
            self._add_seq(HISTORY, "no row in the history at seq {}", seq, f"it is confirmed up to {span.confirmed}")
        if isinstance(row, StoredMessage) and isinstance(copy, StoredMessage) and row.rev == copy.rev and row != copy:
            self._add_seq(HISTORY, "another row in the history than in the message store at seq {}", seq)
        newest = row if isinstance(row, StoredMessage) else copy
        if isinstance(newest, StoredMessage):
            self._newest[newest.sender_id] = seq
            self._last = newest

    def _judge_absent(self, seq: int, copy: Row | None, span: Span) -> None:
        if copy is None and is_skipped(seq, self._head.skipped):
            return
        if seq >= span.floor:
            what = "no row at seq {}" if copy is None else "no row in the message store at seq {}, but in the history"
            self._add_seq(HOLE, what, seq, f"head is {self._head.max_seq}")
        elif copy is None and seq <= span.confirmed:
            self._add_seq(HOLE, "no row in the history at seq {}", seq, f"the message store begins at {span.floor}")

    def _compare_keys(self, row: Row | None) -> None:
        if not isinstance(row, StoredMessage):
            return
        self._compare_key(row.seq, f"clientMsgID {row.client_id!r} of {row.sender_id}", "client", row)
        self._compare_key(row.seq, f"serverMsgID {row.server_id!r}", "server", row)

    def _compare_key(self, seq: int, name: str, kind: str, row: StoredMessage) -> None:
        key = (kind, row.sender_id, row.client_id) if kind == "client" else (kind, row.server_id)
        digest = blake2b(repr(key).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
        if int.from_bytes(digest[:4]) % self._part.of != self._part.number:
            return
        first = self._seqs.setdefault(digest, seq)
        if first != seq:
            self._add(seq, self._fault(DUPLICATE, f"{name} stands at seq {first} and {seq}"))

    # --- head

    def _judge_floor(self, confirmed: int) -> None:
        gone = self._head.floor - 1
        if gone > confirmed:
            known = f"the history confirms {confirmed}" if self._has_history else "there is no history"
            self._add(0, self._fault(HISTORY, f"rows up to seq {gone} may have been deleted, {known}"))

    def _judge_head(self) -> list[Fault]:
        head, last, faults = self._head, self._last, []
        if last is not None and last.seq == head.max_seq and last.send_time > head.max_time:
            faults.append(
                self._fault(HEAD, f"max_time is {head.max_time}, seq {last.seq} was sent at {last.send_time}")
            )
        for sender, seq in self._newest.items():
            noted = head.sent.get(sender, 0)
            if noted < seq:
                faults.append(self._fault(HEAD, f"newest seq of {sender} is noted as {noted}, but is {seq}"))
        for sender, noted in head.sent.items():
            if noted > head.max_seq:
                context = f"head is {head.max_seq}"
                faults.append(self._fault(HEAD, f"newest seq of {sender} is noted as {noted}", context))
        return faults[:FAULTS_MAX]

    # --- faults

    def _add_seq(self, kind: str, what: str, seq: int, context: str = "") -> None:
        """Note a fault of a seq; neighbours with the same become one."""
        key = (kind, what, context)
        run = self._runs.get(key)
        if run is not None and run.last == seq - 1:
            self._runs[key] = run._replace(last=seq)
            return
        if run is not None:
            self._close(key, run)
        self._runs[key] = _Run(seq, seq)

    def _close(self, key: tuple[str, str, str], run: _Run) -> None:
        kind, what, context = key
        self._add(run.first, self._fault(kind, what.format(run), context))

    def _add(self, seq: int, fault: Fault) -> None:
        if len(self._found) < FAULTS_MAX:
            self._found.append((seq, fault))
        else:
            self._left_out += 1

    def _fault(self, kind: str, what: str, context: str = "") -> Fault:
        return Fault(kind, self._head.conversation_id, what, context)


class _Run(NamedTuple):
    """Seqs without one missing between them."""

    first: int
    last: int

    def __format__(self, _spec: str) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"


def row_above_head(conversation_id: ConversationID, seq: int, max_seq: int) -> Fault:
    """
    Return the fault of a head that does not reach to a row which was there before the head was read.
    """
    return Fault(HEAD, conversation_id, f"head is {max_seq}, but a row stands at seq {seq}")


def history_above_head(conversation_id: ConversationID, confirmed: int, max_seq: int) -> Fault:
    """
    Return the fault of a history that was further than the head before the head was read: the message store was put back to an older state.
    """
    return Fault(HISTORY, conversation_id, f"the history confirms {confirmed}, but head is {max_seq}")


def orphans(head: StreamHead, owners: Collection[str]) -> list[Fault]:
    """
    Return a fault for each user of what two users have, with messages for her, who doesn't own a row of it: they are lost to view.
    """
    lost = [user_id for user_id in _readers(head) if user_id not in owners]
    return [Fault(ORPHAN, head.conversation_id, f"{user_id} has no row of this conversation") for user_id in lost]


def _readers(head: StreamHead) -> list[str]:
    """Return who must own a row of what two users have."""
    if is_single_chat(head.conversation_id):
        return list(dict.fromkeys(head.participants))
    if is_notification_chat(head.conversation_id):
        return [one for one in head.participants if any(sender_id != one for sender_id in head.sent)]
    return []


def positions_above_head(
    user_id: str, positions: Mapping[ConversationID, ReadPosition], newest: Mapping[ConversationID, int]
) -> list[Fault]:
    """
    Return a fault for each position beyond the newest seq, which must have been read after the positions.
    """
    faults = []
    for conversation_id, position in positions.items():
        seq = newest.get(conversation_id, 0)
        said = {
            f"{user_id} has read up to {position.has_read_seq}": position.has_read_seq > seq,
            f"own messages of {user_id} are seen up to {position.sent_seen}": position.sent_seen > seq,
            # All is cleared: the first that she may see is the next one.
            f"{user_id} sees only from {position.min_seq} on": position.min_seq > seq + 1,
        }
        context = f"newest seq is {seq}"
        faults += [Fault(POSITION, conversation_id, what, context) for what, is_above in said.items() if is_above]
    return faults


def cuts_above_head(rows: Iterable[Conversation], newest: Mapping[ConversationID, int], origin: int) -> list[Fault]:
    """
    Return a fault for each row that shows its owner nothing of what comes next: it must begin behind the newest seq, which was read after it, at most.

    `origin` is behind what a stream begins that isn't there yet (`ports.MessageReader.origin`).
    """
    faults = []
    for row in rows:
        seq = newest.get(row.conversation_id, 0)
        if row.min_seq > max(seq, origin) + 1:
            what = f"the row of {row.owner_user_id} shows only from {row.min_seq} on"
            faults.append(Fault(POSITION, row.conversation_id, what, f"newest seq is {seq}"))
    return faults


def marks_above_head(conversation_id: ConversationID, marks: Mapping[str, int], max_seq: int) -> list[Fault]:
    """
    Return a fault for each reader whose mark, by which her peer sees what she has read, is beyond the newest seq.
    """
    return [
        Fault(POSITION, conversation_id, f"read mark of {reader} is {seq}", f"newest seq is {max_seq}")
        for reader, seq in marks.items()
        if seq > max_seq
    ]


def strangers(rows: Iterable[Conversation], accounts: Collection[str]) -> list[Fault]:
    """
    Return a note for each row of a single chat whose other user has no account.
    """
    return [
        Fault(NOTE, row.conversation_id, f"the row of {row.owner_user_id} names {row.user_id}, who has no account")
        for row in rows
        if row.conversation_type == SessionType.SINGLE and row.user_id not in accounts
    ]
