"""Effects on their way out of the outbox. The stores are played by the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
import pytest

from openim_ray.core import items
from openim_ray.core.effects import Effect, encode_effect
from openim_ray.core.logs import effects as effects_module
from openim_ray.core.logs.effects import READ_MAX, SWEEP_SECONDS
from openim_ray.core.logs.log_shard import LogShard
from openim_ray.core.shard_loads import (
    DeleteEffects,
    EnsureRows,
    FindEffects,
    LoadEffects,
    LoadFacts,
    LoadLog,
    MarkMentions,
    WriteCuts,
)
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain.group import Cut, GroupChatFacts, Role
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import LogState, StoredMessage, StreamHead
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.transactions import WaitingEffect

if TYPE_CHECKING:
    from openim_ray.core.logs.passing_on import ToInboxes
    from openim_ray.core.shard_loads import Load

L = TypeVar("L")

GROUP, CHAT, STREAM = "g1", ConversationID("sg_g1"), "n_g1"
GATEWAY, WRITER = "gateway-0", "persistence-0"
WALL_MS = 1_800_000_000_000
MEMBER = GroupChatFacts(exists=True, role_level=Role.MEMBER)


def body(client_id: str, **fields: str) -> bytes:
    """Return the MsgData of a notification to the group."""
    return MsgData(clientMsgID=client_id, serverMsgID=f"server {client_id}", **fields).SerializeToString()


def group_effect(client_id: str, **changes: object) -> Effect:
    """Return an effect with a clone and a notification."""
    fields = {"sendID": "ann", "groupID": GROUP}
    effect = {
        "sender_id": "ann",
        "client_id": client_id,
        "content_type": 1504,
        "operation_id": "op",
        "stream": STREAM,
        "notification": body(client_id, **fields),
        "clone_id": CHAT,
        "clone": body(client_id, **fields),
    }
    return Effect(**{**effect, **changes})  # type: ignore[arg-type]


def silent_effect(client_id: str, **changes: object) -> Effect:
    """Return an effect with a notification only."""
    return group_effect(client_id, clone_id="", clone=b"", **changes)


class Owner:
    """
    The logs of a shard, with an outbox table and a message store that the test answers for.
    """

    def __init__(self, queue_max: int = 4096) -> None:
        self.outbox = Outbox(0)
        self.passed_on: list[ToInboxes] = []
        settings = ShardSettings(log_queue_max=queue_max)
        self.logs = LogShard(self.outbox, {}, (WRITER,), settings, self.passed_on.append)
        self.loads: list[Load] = []
        self.replies: list[items.AnyItem] = []
        self.writes: list[items.StoreLog] = []
        self.turn()

    def turn(self) -> None:
        """Let the machine go on, and collect what it wants done."""
        self.logs.flush(WALL_MS)
        self.loads += self.outbox.take_loads()
        for peer, item in self.outbox.take_items():
            if isinstance(item, items.StoreLog):
                self.writes.append(item)
            elif peer == GATEWAY:
                self.replies.append(item)

    def poke(self, call: int, key: str = GROUP) -> None:
        """Play a gateway that says that something waits."""
        self.logs.effects.poke(key, GATEWAY, call)
        self.turn()

    def take(self, kind: type[L]) -> L:
        """Return the one load of a kind."""
        (found,) = (load for load in self.loads if isinstance(load, kind))
        self.loads.remove(found)  # type: ignore[arg-type]
        return found

    def wants(self, kind: type[Load]) -> bool:
        """Tell whether the machine asks for a load of a kind."""
        return any(isinstance(load, kind) for load in self.loads)

    def read(self, *effects: Effect, first: int = 1, age_ms: int = 0) -> None:
        """Answer what the outbox holds."""
        load = self.take(LoadEffects)
        rows = [
            WaitingEffect(number, encode_effect(effect), WALL_MS - age_ms)
            for number, effect in enumerate(effects, first)
        ]
        self.logs.effects.read(load.home_key, rows)
        self.turn()

    def load_log(self, state: LogState | None = None) -> None:
        """Answer what a log holds."""
        self.logs.log_loaded(self.take(LoadLog).home_key, state, 0.0, WALL_MS)
        self.turn()

    def store(self) -> items.StoreLog:
        """Answer a write: it is durable."""
        write = self.writes.pop(0)
        self.logs.stored(items.StoredLog(write.call, "stored"), 0.0)
        self.turn()
        return write

    def confirm(self) -> None:
        """Answer a write that only asks whether the log is still ours."""
        assert not self.store().rows

    def cut(self) -> WriteCuts:
        """Answer the writing of cuts."""
        load = self.take(WriteCuts)
        self.logs.effects.cuts_written(load)
        self.turn()
        return load

    def delete(self) -> int:
        """Answer a deletion; returns up to which number."""
        load = self.take(DeleteEffects)
        self.logs.effects.deleted(load)
        self.turn()
        return load.through

    def lose_write(self) -> None:
        """Answer a write: somebody else's stands there, the log is to be read anew."""
        self.logs.stored(items.StoredLog(self.writes.pop(0).call, "conflict"), 0.0)
        self.turn()

    def sweep(self, now: float) -> None:
        """Let the machine look for what was left."""
        self.logs.effects.sweep(now)
        self.turn()

    def said(self) -> list[tuple[str, str, int]]:
        """Return and forget what inboxes were told: kind, clientMsgID or users, seq."""
        passed_on, self.passed_on[:] = list(self.passed_on), []
        return [_brief(item) for item in passed_on]

    def submit(self, call: int, client_id: str) -> None:
        """Play a member who writes to the group."""
        item = items.Submit(call, CHAT, "ann", GROUP, client_id, f"server {client_id}", 101, "op", b"")
        self.logs.submit(GATEWAY, item, 0.0, WALL_MS)
        if self.wants(LoadFacts):
            self.loads = [load for load in self.loads if not isinstance(load, LoadFacts)]
        self.logs.facts_loaded("ann", GROUP, MEMBER, 0.0, WALL_MS)
        self.turn()


def _brief(item: ToInboxes) -> tuple[str, str, int]:
    if isinstance(item, items.Membership):
        return ("over" if item.is_over else "membership", ",".join([*item.joined, *item.left]), item.seq)
    if isinstance(item, items.RowsChanged):
        return ("rows", ",".join(item.user_ids), 0)
    kind = "group" if isinstance(item, items.GroupFanout) else ",".join(item.user_ids)
    return (kind, f"{item.conversation_id} {item.client_id}", item.seq)


def group_state(max_seq: int, *client_ids: str) -> LogState:
    """Return a group's log, the last messages of which have these ids."""
    tail = tuple(
        StoredMessage(
            CHAT,
            ConversationSeq(seq),
            UserID("ann"),
            ClientMessageID(client_id),
            ServerMessageID("s"),
            WALL_MS,
            1504,
            sender_sync=True,
            operation_id="op",
            body=b"",
        )
        for seq, client_id in enumerate(client_ids, max_seq - len(client_ids) + 1)
    )
    head = StreamHead(CHAT, ConversationSeq(max_seq), WALL_MS, {"ann": max_seq}, (GROUP,))
    return LogState((GROUP,), {CHAT: head}, {}, tail)


def test_the_clone_is_durable_before_anything_is_said() -> None:
    """Then clone and notification, in this order; the row goes, and who poked is answered last."""
    owner = Owner()
    owner.poke(7)
    owner.read(group_effect("e1"))
    owner.load_log()
    assert owner.said() == []

    write = owner.store()
    assert (write.participants, [row.client_id for row in write.rows]) == ((GROUP,), ["e1"])
    assert owner.said() == [("group", f"{CHAT} e1", 1), ("group", f"{STREAM} e1", 0)]
    assert owner.replies == []
    assert owner.delete() == 1
    assert owner.replies == [items.Reply(7)]


def test_effects_of_a_log_are_applied_one_after_the_other() -> None:
    """Mute, then unmute; those without cuts are deleted together."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("mute"), group_effect("unmute"), silent_effect("info"))
    owner.load_log()
    assert [row.client_id for row in owner.store().rows] == ["mute"]
    assert [row.client_id for row in owner.store().rows] == ["unmute"]

    clients = [client_id.split()[1] for _, client_id, _ in owner.said()]
    assert clients == ["mute", "mute", "unmute", "unmute", "info"]
    assert owner.delete() == 3


def test_who_leaves_is_cut_before_the_clone_is_said() -> None:
    """At the clone's seq; what follows it in the log waits until the cut is durable."""
    owner = Owner()
    owner.submit(1, "m0")
    owner.load_log(group_state(4))
    owner.read()
    owner.store()
    owner.said()
    owner.poke(1)
    owner.read(group_effect("quit", left=["bob"], also=["bob"]))
    owner.submit(2, "m1")
    owner.store()
    owner.store()
    assert owner.said() == []

    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), max_seq=6),)
    assert owner.said() == [
        ("membership", "bob", 6),
        ("group", f"{CHAT} quit", 6),
        ("group", f"{STREAM} quit", 0),
        ("rows", "bob", 0),
        ("group", f"{CHAT} m1", 7),
    ]


def test_who_comes_again_is_cut_no_more() -> None:
    """Her row said so at the commit; but the cut of her leaving may have been written since."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("enter", joined=["bob"]))
    owner.load_log(group_state(4))
    owner.store()
    assert owner.said() == []

    assert owner.cut().cuts == (Cut(user_id=UserID("bob")),)


def test_the_first_members_are_there_before_the_clone_is_said() -> None:
    """Nobody can have left before; nothing has to be written."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("invite", joined=["bob", "cid"]))
    owner.load_log()
    owner.store()

    assert not owner.wants(WriteCuts)
    assert owner.said() == [
        ("membership", "bob,cid", 1),
        ("group", f"{CHAT} invite", 1),
        ("group", f"{STREAM} invite", 0),
        ("rows", "bob,cid", 0),
    ]


def test_who_joins_without_history_is_cut_at_the_clone() -> None:
    """Before that nobody is told of it."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("invite", joined=["bob"], with_history=False))
    owner.load_log()
    owner.store()
    assert owner.said() == []

    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), min_seq=1),)
    assert isinstance(owner.passed_on[0], items.Membership)
    assert owner.passed_on[0].first == 1


def test_what_comes_with_a_cut_is_deleted_before_the_next_is_applied() -> None:
    """Applied again after a crash, an old cut must not replace a newer one."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("quit", left=["bob"]), silent_effect("info"))
    owner.load_log()
    owner.store()
    owner.cut()
    owner.said()

    assert owner.delete() == 1
    assert owner.said() == [("group", f"{STREAM} info", 0)]
    assert owner.delete() == 2


def test_a_new_owner_says_nothing_before_it_knows_that_no_cut_is_missing() -> None:
    """The former one appended the clone and died: who left must not get what is written now."""
    owner = Owner()
    owner.submit(1, "m1")
    owner.load_log(group_state(5, "quit"))
    owner.submit(1, "m1")
    owner.store()
    assert owner.said() == []

    owner.read(group_effect("quit", left=["bob"]))
    assert not owner.writes, "it is stored once"
    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), max_seq=5),)
    assert owner.said() == []
    owner.delete()
    assert owner.said() == [
        ("membership", "bob", 5),
        ("group", f"{CHAT} quit", 5),
        ("group", f"{STREAM} quit", 0),
        ("rows", "bob", 0),
        ("group", f"{CHAT} m1", 6),
    ]


def test_a_group_of_which_nothing_waits_goes_on_once_that_is_known() -> None:
    """Every group that is read anew asks for it."""
    owner = Owner()
    owner.submit(1, "m1")
    owner.load_log(group_state(5))
    owner.submit(1, "m1")
    owner.store()
    assert owner.said() == []

    owner.read()
    assert owner.said() == [("group", f"{CHAT} m1", 6)]


def test_who_pokes_while_the_outbox_is_read_waits_for_another_look() -> None:
    """What she committed may have been missed by the first."""
    owner = Owner()
    owner.poke(1)
    owner.poke(2)
    owner.poke(2)
    owner.read()
    assert owner.replies == [items.Reply(1)]

    owner.read()
    assert owner.replies == [items.Reply(1), items.Reply(2)]
    assert owner.loads == []


def test_what_is_not_stored_is_dropped_when_it_is_old() -> None:
    """The clone is appended all the same."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("e1"), age_ms=61_000)
    owner.load_log()
    owner.store()

    assert owner.said() == [("group", f"{CHAT} e1", 1)]


def test_a_stored_notification_is_appended_to_its_stream() -> None:
    """After the clone; it is deleted when both are durable."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("e1", stored=True))
    owner.load_log()
    owner.store()
    assert not owner.wants(DeleteEffects)
    assert [row.conversation_id for row in owner.store().rows] == [STREAM]

    assert owner.said() == [("group", f"{CHAT} e1", 1), ("group", f"{STREAM} e1", 1)]
    assert owner.delete() == 1


def test_a_notification_to_users_needs_no_log() -> None:
    """Its receivers are named; the sender's own devices only if they are to have it."""
    owner = Owner()
    owner.poke(1, "ann_bob")
    owner.read(silent_effect("e1", receivers=["bob", "ann"], stream="n_ann_bob"))

    assert owner.said() == [("bob,ann", "n_ann_bob e1", 0)]
    assert not owner.wants(LoadLog)
    assert owner.delete() == 1


def test_a_clone_between_two_users_waits_for_their_rows() -> None:
    """A message without row would be lost to view."""
    owner = Owner()
    owner.poke(1, "ann_bob")
    clone = body("e1", sendID="ann", recvID="bob")
    owner.read(group_effect("e1", clone_id="si_ann_bob", clone=clone, stream="n_ann_bob", receivers=["bob", "ann"]))
    owner.load_log()
    assert not owner.writes
    owner.logs.rows_ensured(owner.take(EnsureRows))
    owner.turn()
    assert owner.store().participants == ("ann", "bob")

    assert owner.said() == [("ann,bob", "si_ann_bob e1", 1), ("bob,ann", "n_ann_bob e1", 0)]


def test_an_effect_nobody_can_read_is_passed_over() -> None:
    """It is reported, and those behind it go on."""
    owner = Owner()
    owner.poke(1)
    rows = [WaitingEffect(1, b"\x09", WALL_MS), WaitingEffect(2, encode_effect(silent_effect("e2")), WALL_MS)]
    owner.logs.effects.read(owner.take(LoadEffects).home_key, rows)
    owner.turn()

    assert owner.said() == [("group", f"{STREAM} e2", 0)]
    assert owner.delete() == 2
    assert [failure.what for failure in owner.outbox.failures.take()] == ["Effect"]


def test_nothing_but_an_unreadable_effect_is_deleted_as_well() -> None:
    """Or it would be looked at for ever."""
    owner = Owner()
    owner.poke(1)
    owner.logs.effects.read(owner.take(LoadEffects).home_key, [WaitingEffect(3, b"", WALL_MS)])
    owner.turn()

    assert owner.delete() == 3
    assert owner.replies == [items.Reply(1)]
    owner.outbox.failures.take()


def test_more_than_is_read_at_once_is_read_in_parts() -> None:
    """Who poked waits for all of it."""
    owner = Owner()
    owner.poke(1)
    owner.read(*[silent_effect(f"e{number}") for number in range(READ_MAX)])
    owner.delete()
    assert owner.replies == []
    owner.read(silent_effect("last"), first=READ_MAX + 1)
    owner.delete()

    assert owner.replies == [items.Reply(1)]
    assert len(owner.said()) == READ_MAX + 1


def test_logs_for_which_something_waits_are_found_without_a_poke() -> None:
    """Every few seconds; one look at a time, also if it fails."""
    owner = Owner()
    owner.logs.effects.sweep(0.0)
    owner.logs.effects.sweep(9.0)
    owner.turn()
    owner.logs.load_failed(owner.take(FindEffects), 9.0)
    owner.logs.effects.sweep(9.0)
    owner.turn()
    owner.take(FindEffects)
    owner.logs.effects.found([GROUP])
    owner.turn()
    owner.read(silent_effect("e1"))

    assert owner.said() == [("group", f"{STREAM} e1", 0)]


def test_facts_are_forgotten_by_an_effect() -> None:
    """Also those that were being read when it came: who is muted now, is refused with the next message."""
    owner = Owner()
    owner.submit(1, "m1")
    owner.load_log()
    owner.submit(1, "m1")
    owner.logs.submit(GATEWAY, items.Submit(2, CHAT, "ben", GROUP, "m2", "s", 101, "op", b""), 0.0, WALL_MS)
    owner.turn()
    owner.take(LoadFacts)
    owner.poke(3)
    owner.read(silent_effect("mute", forget_facts=True))
    owner.logs.facts_loaded("ben", GROUP, MEMBER, 0.0, WALL_MS)
    owner.turn()

    assert owner.take(LoadFacts) == LoadFacts("ben", GROUP, is_group=True)
    owner.logs.submit(GATEWAY, items.Submit(4, CHAT, "ann", GROUP, "m4", "s", 101, "op", b""), 0.0, WALL_MS)
    owner.turn()
    assert owner.take(LoadFacts) == LoadFacts("ann", GROUP, is_group=True)


def test_a_dissolved_group_is_over_after_its_last_notification() -> None:
    """Members hear it, and nothing after it."""
    owner = Owner()
    owner.poke(1)
    owner.read(group_effect("dismiss", dissolved=True))
    owner.load_log()
    owner.store()

    assert owner.said()[-3:] == [
        ("group", f"{CHAT} dismiss", 1),
        ("group", f"{STREAM} dismiss", 0),
        ("over", "", 1),
    ]


def test_an_announcement_has_every_row_marked() -> None:
    """When its line in the chat is durable; who was marked hears 1300."""
    owner = Owner()
    owner.poke(7)
    owner.read(group_effect("e1", content_type=1519), group_effect("e2", content_type=1520))
    owner.load_log()
    owner.store()
    load = owner.take(MarkMentions)
    assert (load.home_key, load.conversation_id, load.everybody, load.is_notice) == (GROUP, CHAT, True, True)
    assert (load.operation_id, load.command_id) == ("op", "e1")
    owner.store()
    assert not owner.wants(MarkMentions)
    owner.said()
    owner.logs.mentions.marked(load, ["ann", "bob"], "")
    assert owner.said() == [("rows", "ann,bob", 0)]


def running_group(queue_max: int = 4096) -> Owner:
    """Return the owner of a group's log with 4 messages, for which nothing waits, and of which one more is on its way to the store."""
    owner = Owner(queue_max)
    owner.submit(1, "m0")
    owner.load_log(group_state(4))
    owner.submit(1, "m0")
    owner.read()
    return owner


def test_who_is_kicked_silently_hears_nothing_of_what_becomes_durable_while_she_is_cut() -> None:
    """No message says that she goes: she is gone before what was held, at the same seq as in her row."""
    owner = running_group()
    owner.poke(1)
    owner.read(silent_effect("kick", left=["bob"], also=["bob"]))
    owner.store()
    owner.confirm()
    assert owner.said() == [("group", f"{CHAT} m0", 5)]
    owner.submit(2, "m1")
    owner.store()
    assert owner.said() == []

    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), max_seq=5),)
    membership = owner.passed_on[0]
    assert isinstance(membership, items.Membership)
    assert (membership.left, membership.last) == (["bob"], 5)
    assert owner.said() == [
        ("membership", "bob", 6),
        ("group", f"{STREAM} kick", 0),
        ("rows", "bob", 0),
        ("group", f"{CHAT} m1", 6),
    ]


def test_who_is_invited_silently_sees_what_becomes_durable_while_her_row_is_written() -> None:
    """Without history she begins where her row says, and what was held is hers."""
    owner = running_group()
    owner.poke(1)
    owner.read(silent_effect("invite", joined=["bob"], with_history=False))
    owner.store()
    owner.confirm()
    owner.said()
    owner.submit(2, "m1")
    owner.store()
    assert owner.said() == []

    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), min_seq=6),)
    membership = owner.passed_on[0]
    assert isinstance(membership, items.Membership)
    assert (membership.seq, membership.first) == (6, 6)
    assert owner.said()[-1] == ("group", f"{CHAT} m1", 6)


def test_a_new_owner_passes_on_what_a_silent_change_came_after() -> None:
    """What it held before it looked into the outbox is older than the kick; the rest is not."""
    owner = Owner()
    owner.submit(1, "m0")
    owner.load_log(group_state(4))
    owner.submit(1, "m0")
    owner.store()
    owner.read(silent_effect("kick", left=["bob"]))
    owner.confirm()
    owner.submit(2, "m1")
    owner.store()
    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), max_seq=5),)
    assert owner.said() == []
    owner.delete()

    assert [(kind, seq) for kind, _, seq in owner.said()] == [
        ("group", 5),
        ("membership", 6),
        ("group", 0),
        ("rows", 0),
        ("group", 6),
    ]


def test_a_silent_dissolution_ends_with_the_newest_message() -> None:
    """Nothing in the chat says so: what comes later nobody hears."""
    owner = running_group()
    owner.store()
    owner.said()
    owner.poke(1)
    owner.read(silent_effect("dismiss", dissolved=True))
    owner.confirm()

    over = owner.passed_on[-1]
    assert isinstance(over, items.Membership)
    assert (over.is_over, over.last) == (True, 5)


def test_a_clone_that_found_no_room_is_begun_once() -> None:
    """The log is read anew before there is a look at the queue: then there is nothing left to try again."""
    owner = running_group(queue_max=1)
    owner.submit(2, "m1")
    owner.poke(1)
    owner.read(group_effect("quit", left=["bob"]), group_effect("again", left=["cid"]))
    owner.lose_write()
    owner.logs.log_loaded(owner.take(LoadLog).home_key, group_state(6, "m0", "m1", "quit"), 0.0, WALL_MS)
    owner.turn()
    owner.logs.tick(9.0)
    owner.turn()

    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), max_seq=6),)


def test_a_stored_notification_that_finds_no_room_repeats_nothing() -> None:
    """Who was cut is not cut again, and the clone not said again."""
    owner = running_group(queue_max=1)
    owner.store()
    owner.poke(1)
    owner.read(silent_effect("kick", left=["bob"], stored=True))
    owner.confirm()
    owner.submit(2, "m1")
    owner.submit(3, "m2")
    owner.cut()
    owner.said()
    owner.store()
    owner.store()
    owner.logs.tick(9.0)
    owner.turn()
    owner.store()

    assert not owner.wants(WriteCuts)
    assert [seen for seen in owner.said() if seen[0] != "group"] == []
    assert owner.delete() == 1


def test_an_answer_counts_for_what_was_asked_only() -> None:
    """One that comes twice says nothing of the next effect's cut or deletion."""
    owner = running_group()
    owner.store()
    owner.poke(1)
    owner.read(group_effect("quit", left=["bob"]), group_effect("again", left=["cid"]))
    owner.store()
    first_cut = owner.cut()
    first_deletion = DeleteEffects(GROUP, owner.delete())
    owner.store()
    owner.said()
    owner.logs.effects.cuts_written(first_cut)
    owner.turn()
    assert owner.said() == []

    owner.cut()
    owner.logs.effects.deleted(first_deletion)
    owner.turn()
    assert owner.replies[-1] != items.Reply(1)
    assert owner.delete() == 2
    assert owner.replies[-1] == items.Reply(1)


def test_an_effect_in_which_something_of_ours_fails_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next sweep, and what is held waits for it; it would wait for ever otherwise."""
    owner = running_group()
    owner.poke(7)
    owner.read(silent_effect("info"), silent_effect("kick", left=["bob"]))
    owner.store()
    owner.confirm()
    said = owner.said()
    with monkeypatch.context() as broken:
        broken.delattr(effects_module, "notification_stream_id")
        owner.cut()
    assert [failure.what for failure in owner.outbox.failures.take()] == ["Effect"]
    assert (owner.said(), owner.replies[-1]) == ([], items.Accepted(1, 5, "server m0", WALL_MS))

    owner.sweep(SWEEP_SECONDS)
    assert owner.delete() == 1
    owner.read(silent_effect("kick", left=["bob"]), first=2)
    owner.confirm()
    owner.cut()
    owner.delete()
    assert said == [("group", f"{STREAM} info", 0), ("group", f"{CHAT} m0", 5)]
    assert {seen[0] for seen in owner.said()} == {"membership", "group", "rows"}
    assert owner.replies[-1] == items.Reply(7)


def test_an_effect_that_fails_as_it_is_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once: it may fail again."""
    owner = running_group()
    owner.store()
    owner.poke(7)
    with monkeypatch.context() as broken:
        broken.delattr(effects_module, "_message_of")
        owner.read(group_effect("e1"))
    owner.logs.tick(9.0)
    owner.turn()
    assert not owner.wants(LoadEffects)
    assert [failure.what for failure in owner.outbox.failures.take()] == ["Effect"]

    owner.sweep(SWEEP_SECONDS)
    owner.read(group_effect("e1"))
    owner.store()
    owner.delete()
    assert owner.replies[-1] == items.Reply(7)


def test_what_is_held_is_let_out_if_nothing_is_left_to_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault it may be that somebody else has applied the rest."""
    owner = running_group()
    owner.poke(7)
    with monkeypatch.context() as broken:
        broken.delattr(effects_module, "notification_stream_id")
        owner.read(silent_effect("kick", left=["bob"]))
        owner.store()
        owner.confirm()
        owner.submit(2, "m1")
        owner.cut()
    owner.store()
    owner.outbox.failures.take()
    assert owner.said() == [("group", f"{CHAT} m0", 5)]
    owner.sweep(SWEEP_SECONDS)
    owner.read()

    assert owner.said() == [("group", f"{CHAT} m1", 6)]


def test_a_silent_change_is_cut_by_who_is_still_the_owner() -> None:
    """Superseded, it would cut at an old seq, and take the change from who could tell of it."""
    owner = running_group()
    owner.store()
    owner.poke(1)
    owner.read(silent_effect("kick", left=["bob"]))
    (write,) = owner.writes
    assert not write.rows
    assert not owner.wants(WriteCuts)

    owner.logs.stored(items.StoredLog(write.call, "superseded"), 0.0)
    owner.turn()

    assert owner.logs.superseded
    assert not owner.wants(WriteCuts)
    assert not owner.wants(DeleteEffects)


@pytest.mark.parametrize("outcome", ["duplicate", "conflict"])
def test_a_write_that_is_not_taken_says_nothing_of_the_owner(outcome: str) -> None:
    """The store is asked once more."""
    owner = running_group()
    owner.poke(1)
    owner.submit(2, "m1")
    owner.read(silent_effect("kick", left=["bob"]))
    owner.store()
    (write,) = owner.writes
    assert [row.client_id for row in write.rows] == ["m1"]
    existing = {0: (5, "server m0", WALL_MS)} if outcome == "duplicate" else {}
    owner.logs.stored(items.StoredLog(owner.writes.pop().call, outcome, existing), 0.0)
    owner.turn()
    if outcome == "conflict":
        owner.load_log(group_state(9))
    assert not owner.wants(WriteCuts)

    owner.store()
    assert owner.cut().cuts == (Cut(user_id=UserID("bob"), max_seq=5 if outcome == "duplicate" else 10),)


def test_what_an_owner_cut_before_is_cut_there_again() -> None:
    """It died, or its answer was lost: what became durable since is not for who goes, although her row did not say so yet."""
    owner = Owner()
    owner.submit(1, "m0")
    owner.load_log(group_state(4))
    owner.submit(1, "m0")
    owner.store()
    owner.read(silent_effect("kick", left=["bob"], cut_at=4))
    owner.confirm()
    load = owner.cut()
    owner.delete()

    assert load.cuts == (Cut(user_id=UserID("bob"), max_seq=3),)
    assert load.before == load.after
    membership = owner.passed_on[0]
    assert isinstance(membership, items.Membership)
    assert (membership.last, membership.is_late) == (3, True)
    assert [kind for kind, _, _ in owner.said()] == ["membership", "group", "rows", "group"]


def test_a_cut_that_another_owner_was_first_to_write_is_taken_from_it() -> None:
    """The outbox is read anew; what is held keeps its place behind the change."""
    owner = running_group()
    owner.store()
    owner.poke(1)
    kick = silent_effect("kick", left=["bob"])
    owner.read(kick)
    owner.confirm()
    owner.said()
    owner.submit(2, "m1")
    owner.store()
    load = owner.take(WriteCuts)
    assert (load.before, load.after) == (encode_effect(kick), encode_effect(msgspec.structs.replace(kick, cut_at=6)))
    owner.logs.effects.cuts_refused(load)
    owner.turn()

    owner.read(msgspec.structs.replace(kick, cut_at=6))
    owner.confirm()
    owner.cut()
    owner.delete()

    said = [(kind, seq) for kind, _, seq in owner.said()]
    assert said == [("membership", 6), ("group", 0), ("rows", 0), ("group", 6)]
    assert owner.replies[-1] == items.Reply(1)


def test_effects_that_stand_in_the_log_already_are_passed_over_one_by_one() -> None:
    """As many as are read at once, with all that they can have, do not exhaust the stack."""
    clients = [f"e{number}" for number in range(READ_MAX)]
    state = group_state(READ_MAX, *clients)
    stream = tuple(row._replace(conversation_id=ConversationID(STREAM)) for row in state.tail)
    owner = Owner()
    owner.poke(1)
    owner.read(*(group_effect(client_id, stored=True) for client_id in clients))
    owner.load_log(state._replace(tail=state.tail + stream))

    assert owner.delete() == READ_MAX
    assert not owner.outbox.failures.take()


def test_so_many_who_poke_wait_and_the_others_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they speak of is applied all the same."""
    monkeypatch.setattr(effects_module, "WAITERS_MAX", 2)
    owner = Owner()
    for call in range(1, 6):
        owner.poke(call)
    owner.poke(2)
    assert owner.replies == [items.Reply(4), items.Reply(5)]

    owner.read()
    owner.read(silent_effect("e1"))
    assert owner.said() == [("group", f"{STREAM} e1", 0)]
    owner.delete()
    assert owner.replies == [items.Reply(call) for call in (4, 5, 1, 2, 3)]
