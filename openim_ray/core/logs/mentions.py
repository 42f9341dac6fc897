"""
Whose rows are to be marked because a message of their group names them (OpenIM wire, §4.6 step 9): what waits for the directory.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from openim_ray.core import items
from openim_ray.core.shard_loads import MarkMentions
from openim_ray.domain.conversation import is_group_chat
from openim_ray.domain.group import AT_ALL
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.core.logs.passing_on import PassingOn
    from openim_ray.core.shard_outbox import Outbox
    from openim_ray.domain.message import StoredMessage

MARKS_AT_ONCE: Final = 2
"""Pages that a shard has marked at the same time, each of another group; whatever else is read has room of its own."""

MARKS_MAX: Final = 1_000
"""So many marks wait or are under way; one more is dropped: the message is there, its row says nothing."""

NAMED_MAX: Final = 1_000
"""So many are named in one mark, the first by id; the others of the message are not marked as named."""

ATTEMPTS_MAX: Final = 10
"""A page that fails so often in a row ends its mark: members behind it are not marked."""

RETRY_SECONDS_MAX: Final = 30.0


@dataclass
class _GroupMarks:
    """
    Marks of one group, one after another: which one is under way, how often its page failed, what waits behind it.
    """

    running: MarkMentions | None = None
    failures: int = 0
    waiting: deque[MarkMentions] = field(default_factory=deque)


class Mentions:
    """
    Marks that the logs of a shard want made, a page at a time; groups take turns.

    Of a group one mark is under way and at most one for everybody waits: a later one takes up what waits. Kept in memory only: a mark
    that an ended process had under way is lost.
    """

    def __init__(self, outbox: Outbox, passing_on: PassingOn, retry_seconds: float) -> None:
        self._outbox = outbox
        self._passing_on = passing_on
        self._retry_seconds = retry_seconds
        self._groups: dict[str, _GroupMarks] = {}
        self._turns: deque[str] = deque()
        self._delayed: list[tuple[float, str]] = []
        self._out = 0
        self._marks = 0
        self.dropped = 0
        """Marks that were not made, or not to their end."""

    def of_message(self, key: str, message: StoredMessage) -> None:
        """Have rows marked where a durable message of a log (its home key) is to catch the eye (`groupAtType`)."""
        if not is_group_chat(message.conversation_id):
            return
        mark = _mark_of(key, message)
        if mark is not None:
            self._add(mark)
            self._go_on()

    def marked(self, load: MarkMentions, user_ids: Sequence[str], after: str) -> None:
        """Tell members whose rows say now that they are named, and go on behind the id `after`; empty: that was the last page."""
        if user_ids:
            self._passing_on.say(
                load.home_key,
                items.RowsChanged(list(user_ids), load.conversation_id, load.operation_id, load.command_id),
            )
        self._out -= 1
        marks = self._groups[load.home_key]
        marks.failures = 0
        if after:
            marks.running = load._replace(after=after)
            self._turns.append(load.home_key)
        else:
            self._end(load.home_key)
        self._go_on()

    def failed(self, load: MarkMentions, now: float) -> None:
        """Have a page marked again later, or give its mark up."""
        self._out -= 1
        marks = self._groups[load.home_key]
        marks.failures += 1
        if marks.failures < ATTEMPTS_MAX:
            delay = min(self._retry_seconds * 2.0**marks.failures, RETRY_SECONDS_MAX)
            self._delayed.append((now + delay, load.home_key))
        else:
            self.dropped += 1
            self._end(load.home_key)
        self._go_on()

    def tick(self, now: float) -> None:
        """Repeat what is due."""
        if self._delayed:
            self._turns += [key for at, key in self._delayed if at <= now]
            self._delayed = [(at, key) for at, key in self._delayed if at > now]
        self._go_on()

    def _add(self, mark: MarkMentions) -> None:
        marks = self._groups.get(mark.home_key)
        if marks is not None and (absorbed := _absorbed(marks.waiting, mark)):
            for _ in range(absorbed):
                mark = _joined(marks.waiting.pop(), mark)
            self._marks -= absorbed
        elif self._marks >= MARKS_MAX:
            self.dropped += 1
            return
        if marks is None:
            marks = self._groups[mark.home_key] = _GroupMarks()
            self._turns.append(mark.home_key)
        marks.waiting.append(mark)
        self._marks += 1

    def _end(self, key: str) -> None:
        marks = self._groups[key]
        self._marks -= 1
        marks.running, marks.failures = None, 0
        if marks.waiting:
            self._turns.append(key)
        else:
            del self._groups[key]

    def _go_on(self) -> None:
        while self._turns and self._out < MARKS_AT_ONCE:
            marks = self._groups[self._turns.popleft()]
            if marks.running is None:
                marks.running = marks.waiting.popleft()
            self._out += 1
            self._outbox.load(marks.running)


def _mark_of(key: str, message: StoredMessage) -> MarkMentions | None:
    chat, sender_id = message.conversation_id, message.sender_id
    cause = (message.operation_id, message.client_id)
    if message.content_type == ContentType.GROUP_ANNOUNCEMENT_SET:
        return MarkMentions(key, chat, "", (), True, *cause, is_notice=True)
    if message.content_type != ContentType.AT_TEXT:
        return None
    named = set(MsgData.FromString(message.body).atUserIDList) - {sender_id}
    if not named:
        return None
    return MarkMentions(key, chat, sender_id, _first(named - {AT_ALL}), AT_ALL in named, *cause)


def _first(named: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(sorted(named), NAMED_MAX))


def _absorbed(waiting: Sequence[MarkMentions], later: MarkMentions) -> int:
    """Return how many of the marks that wait, from the last one on, a later one can take up."""
    if later.everybody:
        return len(waiting)
    if not waiting or waiting[-1].everybody:
        return 0
    return 1 if len({*waiting[-1].user_ids, *later.user_ids}) <= NAMED_MAX else 0


def _joined(earlier: MarkMentions, later: MarkMentions) -> MarkMentions:
    """
    Return one mark for two.

    Whoever one of them names is named; an announcement counts for more than what came before it. Who wrote the later one is left out if
    the earlier one doesn't mark her either.
    """
    user_ids = () if later.is_notice else _first({*earlier.user_ids, *later.user_ids})
    return later._replace(user_ids=user_ids, sender_id="" if _marks(earlier, later.sender_id) else later.sender_id)


def _marks(mark: MarkMentions, user_id: str) -> bool:
    return user_id in mark.user_ids or (mark.everybody and user_id != mark.sender_id)
