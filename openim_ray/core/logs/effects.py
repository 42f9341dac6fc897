"""
The effects of a shard's logs, on their way out of the outbox (`core/effects.py` says what one is).

Promises: effects of one log are applied in the order of their numbers, one after the other. A clone and a stored notification are appended
once, however often an effect is read. Who comes or goes is cut durably, at the clone's seq, before the clone is passed on; what the
log says after it waits behind it. Without a clone the cut is at the newest message, and all that becomes durable after it waits; only who
is still the owner cuts there, and who applies the effect again cuts at the same seq. What comes with cuts is deleted before anything later is applied, so that an old cut never replaces a newer one. A poke
is answered when everything is applied that was committed before it was sent.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from openim_ray.core import items
from openim_ray.core.effects import UNSTORED_SECONDS, Effect, decode_effect, encode_effect
from openim_ray.core.logs.conversation_log import Waiter
from openim_ray.core.logs.passing_on import PassingOn, Place, ToInboxes, of_message
from openim_ray.core.shard_loads import DeleteEffects, FindEffects, LoadEffects, WriteCuts
from openim_ray.domain.conversation import group_chat_id, notification_stream_id
from openim_ray.domain.group import Cut
from openim_ray.domain.ids import ClientMessageID, ConversationID, GroupID, ServerMessageID, UserID
from openim_ray.domain.message import Draft, MessageRef, StoredMessage
from openim_ray.protocol.messages import with_position
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.core.logs.conversation_log import ConversationLog
    from openim_ray.core.shard_outbox import Outbox
    from openim_ray.transactions import WaitingEffect

SWEEP_SECONDS = 2.0
FOUND_MAX = 1_000
"""A sweep looks at so many logs that wait, the longest first; the others have their turn when those are done."""

READ_MAX = 100
"""So many effects of a log are read at once."""

WAITERS_MAX = 10_000
"""So many pokes of a log wait for an answer; beyond it they are answered at once, before what they speak of is applied."""

EFFECTS = ""
"""Stands for this machine among the peers that wait for a message (`Waiter.peer`)."""


class Logs(Protocol):
    """
    What this machine needs of the logs beside it.
    """

    def log(self, key: str) -> ConversationLog:
        """Return a log, whether it has been read or not; if not, `Effects.log_read` follows."""
        ...

    def stage(self, log: ConversationLog, draft: Draft, waiter: Waiter) -> bool:
        """Have a message appended; False if too many wait."""
        ...

    def confirm(self, log: ConversationLog) -> None:
        """Have the store say that a log is still ours; `Effects.confirmed` follows, unless it is not."""
        ...

    def forget_facts(self, key: str) -> None:
        """Have admission look at the directory again."""
        ...


class _Step(Enum):
    READ = "the outbox is being read"
    LOG = "the log is being read"
    OWNER = "the store is asked whether the log is still ours"
    CLONE = "the clone is being appended"
    CUT = "cuts are being written"
    NOTIFICATION = "the notification is being appended"
    DELETE = "what was applied is being deleted"
    FAILED = "a fault of ours: with the next sweep the outbox is read again"


class _Message(NamedTuple):
    conversation_id: str
    participants: tuple[str, ...]
    draft: Draft


class _Application:
    """What is being done for one log."""

    def __init__(self) -> None:
        self.step = _Step.READ
        self.effects: deque[WaitingEffect] = deque()
        self.has_more = False
        self.effect = Effect()
        self.clone: MessageRef | None = None
        self.first = 0
        """The first seq for who comes: the clone's, which is the last one for who goes, or else the one after what was newest once."""

        self.marked = 0
        """The effect whose place is marked among what is held."""

        self.is_passed_on = False
        self.is_due = False
        self.is_going_on = False
        self.awaited: WriteCuts | DeleteEffects | None = None
        """The only load whose answer counts."""

        self.applied = 0
        self.waiters: dict[tuple[str, int], None] = {}
        """Who is answered once what is being read is applied."""

        self.later: dict[tuple[str, int], None] = {}
        """Who poked after the reading began: another one follows."""

        self.is_poked = False
        self.holds = False
        """The log said nothing since it was read: it may be that a cut is missing."""

    @property
    def number(self) -> int:
        return self.effects[0].number

    @property
    def last(self) -> int:
        """The last seq for who goes; a row says nothing with 0."""
        return self.first if self.clone is not None else max(self.first - 1, 1)

    def awaits(self, load: WriteCuts | DeleteEffects) -> bool:
        """Tell, once, whether the answer to a load is waited for."""
        if self.awaited != load:
            return False
        self.awaited = None
        return True

    def fail(self) -> None:
        """Forget what was read: it is not known how far it came."""
        self.step = _Step.FAILED
        self.is_due = False
        self.effects.clear()
        self.has_more = True
        self.awaited = None


class Effects:
    """
    Applies what waits in the outbox for the logs of a shard.

    Limits: one effect of a log is under way, `READ_MAX` of them are in memory; `WAITERS_MAX` pokes wait. An effect in which something
    of ours fails is tried again with the next sweep; those behind it wait, and so does what is held.
    """

    def __init__(self, outbox: Outbox, logs: Logs, passing_on: PassingOn) -> None:
        self._outbox = outbox
        self._logs = logs
        self._passing_on = passing_on
        self._applications: dict[str, _Application] = {}
        self._crowded: set[str] = set()
        """Logs whose queue was full when something was to be appended."""
        self._failed: set[str] = set()
        self._next_sweep = 0.0
        self._sweeps = False
        self.wall_ms = 0

    def concerns(self, key: str) -> bool:
        """Tell whether something is being done for a log."""
        return key in self._applications

    def concerned(self) -> set[str]:
        """Return the home keys of logs for which something is being done."""
        return set(self._applications)

    # --- what starts it

    def poke(self, key: str, peer: str = "", call: int = 0) -> None:
        """Apply what waits for a log, and answer `peer` then."""
        application = self._applications.get(key)
        if application is None:
            application = self._applications[key] = _Application()
            self._outbox.load(LoadEffects(key, READ_MAX))
            waiters = application.waiters
        else:
            application.is_poked = True
            waiters = application.later
        if not peer:
            return
        if len(waiters) < WAITERS_MAX:
            waiters[peer, call] = None
        elif (peer, call) not in waiters:
            self._outbox.send(peer, items.Reply(call))

    def log_read(self, key: str, *, is_group: bool) -> None:
        """
        Note that a log has been read from the store.

        Of a group, nothing is passed on before it is known that no cut is missing, which whoever owned it before may have left undone.
        """
        if is_group:
            if key not in self._applications:
                self.poke(key)
            self._applications[key].holds = True
            self._passing_on.hold(key)
        application = self._applications.get(key)
        if application is not None and application.step is _Step.LOG:
            self._attempt(self._begin, key, application)

    def tick(self) -> None:
        """Go on where there was no room."""
        if not self._crowded:
            return
        crowded, self._crowded = self._crowded, set()
        for key in crowded:
            application = self._applications.get(key)
            if application is not None and application.step is _Step.LOG:
                self._attempt(self._begin, key, application)

    def sweep(self, now: float) -> None:
        """Look for what was left to be done, every few seconds."""
        if now >= self._next_sweep and not self._sweeps:
            self._sweeps = True
            self._next_sweep = now + SWEEP_SECONDS
            self._outbox.load(FindEffects(FOUND_MAX))
            failed, self._failed = self._failed, set()
            for key in failed:
                if (application := self._applications.get(key)) is not None:
                    self._attempt(self._next, key, application)

    def found(self, keys: Sequence[str]) -> None:
        """Take the logs of this shard for which something waits; none if that could not be read."""
        self._sweeps = False
        for key in keys:
            if key not in self._applications:
                self.poke(key)

    # --- what the stores answer

    def read(self, key: str, effects: Sequence[WaitingEffect]) -> None:
        """Take what the outbox holds for a log."""
        application = self._applications.get(key)
        if application is None or application.step is not _Step.READ:
            return
        application.effects = deque(effects)
        application.has_more = len(effects) >= READ_MAX
        self._attempt(self._next, key, application)

    def appended(self, key: str, reference: MessageRef) -> None:
        """Take the place of a message that was appended for an effect, now or before."""
        application = self._applications.get(key)
        if application is not None:
            self._attempt(self._appended, key, application, reference)

    def holds_at(self, key: str, message: StoredMessage) -> bool:
        """Tell whether members come or go with a message that is durable now: it must wait until their inboxes know."""
        application = self._applications.get(key)
        if application is None or application.step is not _Step.CLONE:
            return False
        effect = application.effect
        is_clone = (message.conversation_id, message.client_id) == (effect.clone_id, effect.client_id)
        return is_clone and _needs_membership(effect)

    def cuts_written(self, load: WriteCuts) -> None:
        """Note that the members' rows say what they may see."""
        application = self._applications.get(load.home_key)
        if application is not None and application.awaits(load):
            self._attempt(self._pass_on, load.home_key, application)

    def cuts_refused(self, load: WriteCuts) -> None:
        """Note that another owner is at an effect: what it left to be done is read anew."""
        application = self._applications.get(load.home_key)
        if application is not None and application.awaits(load):
            application.effects.clear()
            application.has_more = True
            self._attempt(self._next, load.home_key, application)

    def confirmed(self, key: str) -> None:
        """Note that a log is still ours, and what was staged before is durable."""
        application = self._applications.get(key)
        if application is not None and application.step is _Step.OWNER:
            self._attempt(self._cut, key, application)

    def deleted(self, load: DeleteEffects) -> None:
        """Note that what was applied is deleted."""
        application = self._applications.get(load.home_key)
        if application is not None and application.awaits(load):
            self._attempt(self._next, load.home_key, application)

    def _attempt(self, step: Callable[..., None], key: str, application: _Application, *answer: MessageRef) -> None:
        """Go on; after a fault of ours, not before the next sweep, and from the outbox."""
        if not self._outbox.failures.attempt("Effect", step, key, application, *answer):
            application.fail()
            self._failed.add(key)

    # --- step by step

    def _next(self, key: str, application: _Application) -> None:
        """Go on with the next effect; in turn, not one within the other, however many need nothing of the stores."""
        application.is_due = True
        if application.is_going_on:
            return
        application.is_going_on = True
        try:
            while application.is_due:
                application.is_due = False
                self._take_next(key, application)
        finally:
            application.is_going_on = False

    def _take_next(self, key: str, application: _Application) -> None:
        application.clone, application.first, application.is_passed_on = None, 0, False
        if application.effects:
            self._go_on(key, application)
            return
        if application.applied:
            through, application.applied = application.applied, 0
            self._delete(key, application, through)
            return
        if application.has_more:
            application.step = _Step.READ
            self._outbox.load(LoadEffects(key, READ_MAX))
            return
        for peer, call in application.waiters:
            self._outbox.send(peer, items.Reply(call))
        application.holds = False
        self._passing_on.release(key)
        if not application.is_poked:
            del self._applications[key]
            return
        application.waiters, application.later = application.later, {}
        application.is_poked = False
        application.step = _Step.READ
        self._outbox.load(LoadEffects(key, READ_MAX))

    def _go_on(self, key: str, application: _Application) -> None:
        if not self._outbox.failures.attempt("Effect", self._decode, application):
            # Nobody can apply it, now or later; those behind it must not wait for it.
            application.applied = application.number
            application.effects.popleft()
            self._next(key, application)
            return
        if application.effect.forget_facts:
            self._logs.forget_facts(key)
        self._begin(key, application)

    @staticmethod
    def _decode(application: _Application) -> None:
        effect = decode_effect(application.effects[0].payload)
        for body in (effect.clone, effect.notification):
            MsgData.FromString(body)
        application.effect = effect

    def _begin(self, key: str, application: _Application) -> None:
        effect = application.effect
        application.step = _Step.LOG
        self._crowded.discard(key)
        needs_log = effect.clone or effect.stored or _needs_membership(effect)
        if needs_log and not self._logs.log(key).loaded:
            return
        if application.is_passed_on:
            application.step = _Step.NOTIFICATION
            self._append(key, application, effect.stream, effect.notification)
        elif effect.clone:
            application.step = _Step.CLONE
            self._append(key, application, effect.clone_id, effect.clone)
        elif _needs_membership(effect):
            # Who was superseded would cut at an old seq, and tell those who no longer listen to it.
            application.step = _Step.OWNER
            log = self._logs.log(key)
            log.claim_participants((key,))
            self._logs.confirm(log)
        else:
            self._cut(key, application)

    def _appended(self, key: str, application: _Application, reference: MessageRef) -> None:
        if application.step is _Step.CLONE:
            application.clone = reference
            self._cut(key, application)
        elif application.step is _Step.NOTIFICATION:
            self._finish(key, application)

    def _append(self, key: str, application: _Application, conversation_id: str, body: bytes) -> None:
        log = self._logs.log(key)
        message = _message_of(key, application.effect, conversation_id, body)
        if not log.claim_participants(message.participants):
            # Another pair of users has this log, or a group: the line has no place, the rest has.
            application.effect = _without_messages(application.effect)
            self._begin(key, application)
        elif (known := log.known(message.draft)) is not None:
            self._appended(key, application, known)
        elif not self._logs.stage(log, message.draft, Waiter(EFFECTS, 0, is_submit=False)):
            application.step = _Step.LOG
            self._crowded.add(key)

    def _cut(self, key: str, application: _Application) -> None:
        if _needs_membership(application.effect):
            # Once: what becomes durable while the cut is written is not for who goes, and it is for who comes.
            application.first = self._first_of(key, application)
        cuts = self._cuts(application)
        if not cuts:
            self._pass_on(key, application)
            return
        application.step = _Step.CUT
        if application.clone is None:
            self._mark(key, application)
        else:
            self._passing_on.hold(key)
        before = after = application.effects[0].payload
        if application.clone is None:
            after = encode_effect(msgspec.structs.replace(application.effect, cut_at=application.first))
        chat = group_chat_id(GroupID(key))
        application.awaited = WriteCuts(key, application.number, chat, cuts, before, after)
        self._outbox.load(application.awaited)

    def _mark(self, key: str, application: _Application) -> None:
        """Keep the place of a change without a clone: all that is held was said after it, if an earlier owner has cut it."""
        if application.marked != application.number:
            application.marked = application.number
            self._passing_on.mark(key, in_front=bool(application.effect.cut_at))

    def _first_of(self, key: str, application: _Application) -> int:
        if application.clone is not None:
            return application.clone.seq
        if application.effect.cut_at:
            return application.effect.cut_at
        return self._logs.log(key).max_seq(group_chat_id(GroupID(key))) + 1

    @staticmethod
    def _cuts(application: _Application) -> tuple[Cut, ...]:
        """
        Return what the members' rows are to say.

        Also of who sees everything: her row has said so since the commit, but an older cut may have been written since.
        """
        effect = application.effect
        if not effect.left and not effect.joined:
            return ()
        if not effect.left and effect.with_history and application.first <= 1:
            return ()  # nobody can have left before
        left = [Cut(user_id=UserID(user_id), max_seq=application.last) for user_id in effect.left]
        min_seq = 0 if effect.with_history else application.first
        return (*left, *(Cut(user_id=UserID(user_id), min_seq=min_seq) for user_id in effect.joined))

    def _pass_on(self, key: str, application: _Application) -> None:
        effect = application.effect
        after = [] if effect.stored else self._unstored(key, application)
        if effect.cleared:
            # Before devices are told: then nothing of it is written to them any more.
            after = [_cleared(effect), *after]
        if _needs_membership(effect):
            self._say_membership(key, application, after)
        else:
            for item in after:
                self._passing_on.say(key, item)
        if _needs_membership(effect) and not application.holds:
            self._passing_on.release(key)
        application.is_passed_on = True
        if effect.stored:
            application.step = _Step.NOTIFICATION
            self._append(key, application, effect.stream, effect.notification)
        else:
            self._finish(key, application)

    def _say_membership(self, key: str, application: _Application, after: Sequence[ToInboxes]) -> None:
        effect, clone, chat = application.effect, application.clone, group_chat_id(GroupID(key))
        membership = self._membership(key, application)
        changed = [*effect.joined, *effect.left]
        if changed:
            after = [*after, items.RowsChanged(changed, chat, effect.operation_id, effect.client_id)]
        if effect.dissolved:
            after = [*after, items.Membership(key, membership.seq, membership.last, [], [], is_over=True)]
        if clone is None:
            if effect.cut_at:
                membership = msgspec.structs.replace(membership, is_late=True)
            self._passing_on.say_at_mark(key, [membership, *after])
            return
        place = Place(effect.clone_id, clone.seq)
        if not self._passing_on.has(key, place):
            # It was appended before: whoever owned the log then may have passed on what follows it.
            membership = msgspec.structs.replace(membership, is_late=True)
        draft = _message_of(key, effect, effect.clone_id, effect.clone).draft
        self._passing_on.insert(key, place, [membership], of_message((key,), _stored_message(draft, clone)), after)

    def _membership(self, key: str, application: _Application) -> items.Membership:
        effect, log, chat = application.effect, self._logs.log(key), group_chat_id(GroupID(key))
        return items.Membership(
            key,
            application.first,
            application.last,
            effect.joined,
            effect.left,
            0 if effect.with_history else application.first,
            {one: sent for one in effect.joined if (sent := log.sent_seq(chat, one))},
            *log.newest(notification_stream_id(chat)),
        )

    def _unstored(self, key: str, application: _Application) -> list[ToInboxes]:
        effect = application.effect
        age_ms = self.wall_ms - application.effects[0].created_ms
        if not effect.notification or age_ms > UNSTORED_SECONDS * 1000:
            return []
        head = (effect.stream, 0, effect.sender_id, effect.client_id, effect.operation_id, self.wall_ms)
        body = with_position(effect.notification, 0, self.wall_ms)
        if effect.receivers is None:
            return [items.GroupFanout(key, *head, body, effect.sender_sync, effect.also)]
        receivers = list(dict.fromkeys([*effect.receivers, *effect.also]))
        return [items.Fanout(receivers, *head, body, effect.sender_sync)]

    def _finish(self, key: str, application: _Application) -> None:
        effect, number = application.effect, application.number
        application.effects.popleft()
        if _needs_membership(effect) or not application.effects:
            application.applied = 0
            self._delete(key, application, number)
            return
        application.applied = number
        self._next(key, application)

    def _delete(self, key: str, application: _Application, through: int) -> None:
        application.step = _Step.DELETE
        application.awaited = DeleteEffects(key, through)
        self._outbox.load(application.awaited)


def _needs_membership(effect: Effect) -> bool:
    return bool(effect.left or effect.joined or effect.dissolved)


def _cleared(effect: Effect) -> items.RowsChanged:
    return items.RowsChanged(
        effect.cleared, effect.clears, effect.operation_id, effect.client_id, max(effect.cut_at, 1)
    )


def _without_messages(effect: Effect) -> Effect:
    return msgspec.structs.replace(
        effect, clone_id="", clone=b"", stored=False, also=[], joined=[], left=[], dissolved=False
    )


def _message_of(key: str, effect: Effect, conversation_id: str, body: bytes) -> _Message:
    message = MsgData.FromString(body)
    pair = tuple(sorted((message.sendID, message.recvID)))
    draft = Draft(
        ConversationID(conversation_id),
        UserID(effect.sender_id),
        ClientMessageID(effect.client_id),
        ServerMessageID(message.serverMsgID),
        effect.content_type,
        effect.sender_sync,
        effect.operation_id,
        body,
    )
    return _Message(conversation_id, (key,) if message.groupID else pair, draft)


def _stored_message(draft: Draft, reference: MessageRef) -> StoredMessage:
    body = with_position(draft.body, reference.seq, reference.send_time)
    return StoredMessage(
        draft.conversation_id,
        reference.seq,
        draft.sender_id,
        draft.client_id,
        draft.server_id,
        reference.send_time,
        draft.content_type,
        draft.sender_sync,
        draft.operation_id,
        body,
    )
