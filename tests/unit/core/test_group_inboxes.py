"""Groups in the inboxes of a shard: who gets what, from which seq on and up to which."""

from __future__ import annotations

import pytest

from openim_ray.core import items
from openim_ray.core.inboxes import members
from openim_ray.core.inboxes.inbox import RowCut
from openim_ray.core.inboxes.inbox_shard import InboxShard
from openim_ray.core.shard_loads import LoadInbox
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import StreamHead
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

GROUP, CHAT, STREAM = "g1", ConversationID("sg_g1"), ConversationID("n_g1")
WALL_MS = 1_800_000_000_000
DEVICES = {"ann": 1, "bob": 2, "cid": 3}


def head(max_seq: int, conversation_id: ConversationID = CHAT) -> dict[ConversationID, StreamHead]:
    """Return where the group's log stands; bob wrote its second message."""
    sent = {"ann": max_seq, "bob": 2} if conversation_id == CHAT else {}
    return {conversation_id: StreamHead(conversation_id, ConversationSeq(max_seq), WALL_MS - 1_000, sent, (GROUP,))}


class Home:
    """
    The inboxes of three users, each with a device.
    """

    def __init__(self) -> None:
        self.outbox = Outbox(0)
        self.shard = InboxShard("inbox-0", self.outbox, {}, ("persistence-0",), ShardSettings(), 0.0)

    def register(self, user_id: str) -> None:
        """Let a device connect."""
        register = items.Register(1, user_id, DEVICES[user_id], 1, f"token of {user_id}", 0, "go", WALL_MS, 1)
        self.shard.request("gateway-0", register, "0", 0.0, WALL_MS)

    def load(self, user_id: str, max_seq: int = 0, cut: RowCut | None = None) -> None:
        """Answer what the stores know of a user who has a row of the group."""
        heads = {**head(max_seq), **head(7, STREAM)} if max_seq else {}
        cuts = {CHAT: cut} if cut is not None else {}
        self.shard.inbox_loaded(user_id, [CHAT], {}, heads, 0.0, WALL_MS, cuts)

    def activate(self, *user_ids: str, max_seq: int = 0) -> None:
        """Let members be online."""
        for user_id in user_ids:
            self.register(user_id)
            self.load(user_id, max_seq)
        self.take()

    def stranger(self, user_id: str) -> None:
        """Let somebody be online who has no part in the group."""
        self.register(user_id)
        self.shard.inbox_loaded(user_id, [], {}, {}, 0.0, WALL_MS)
        self.take()

    def say(self, seq: int, sender_id: str = "ann", **changes: object) -> list[items.Delivery]:
        """Let the group's log pass a message on, and return what goes to the gateway."""
        conversation_id = CHAT if seq else STREAM
        fanout = items.GroupFanout(GROUP, conversation_id, seq, sender_id, f"m{seq}", "op", WALL_MS, b"", **changes)  # type: ignore[arg-type]
        self.shard.deliver_to_group(fanout, 0.0, WALL_MS)
        return [item for item in self.take() if isinstance(item, items.Delivery)]

    def change(self, seq: int, **changes: object) -> None:
        """Let the group's log say who comes and goes."""
        membership = {"last": seq, "joined": [], "left": [], **changes}
        self.shard.change_members(items.Membership(GROUP, seq, **membership), WALL_MS)  # type: ignore[arg-type]

    def take(self) -> list[items.AnyItem]:
        """Return and forget what was sent to the gateway."""
        return [item for peer, item in self.outbox.take_items() if peer == "gateway-0"]

    def state(self, user_id: str) -> tuple[int, int, int]:
        """Return min seq, max seq and unread of a member."""
        inbox = self.shard.find(user_id)
        assert inbox is not None
        state = inbox.states()[CHAT]
        return (state.min_seq, state.max_seq, state.unread)


def test_one_frame_goes_to_all_members_on_a_gateway() -> None:
    """Encoded once there, however many they are; the sender has an echo."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.stranger("cid")

    (delivery,) = home.say(5)
    assert (delivery.connections, delivery.seq, delivery.begins) == ([1, 2], 5, 0)
    assert home.state("bob") == (1, 5, 3)
    assert home.state("ann") == (1, 5, 0), "her own messages are read"
    assert [one.connections for one in home.say(6, sender_sync=False)] == [[2]]


def test_what_is_not_stored_counts_for_nobody() -> None:
    """Online-only messages and notifications."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)

    assert [one.connections for one in home.say(0)] == [[1, 2]]
    assert home.state("bob") == (1, 4, 2)


def test_who_leaves_gets_the_message_that_says_so_and_nothing_after_it() -> None:
    """Nor what is not stored, unless she is named."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.change(5, left=["bob"])
    assert [one.connections for one in home.say(5)] == [[1, 2]]

    assert [one.connections for one in home.say(0, also=["bob"])] == [[1, 2]]
    assert [one.connections for one in home.say(6)] == [[1]]
    assert [one.connections for one in home.say(0)] == [[1]]
    assert home.state("bob") == (1, 5, 3)
    inbox = home.shard.find("bob")
    assert inbox is not None
    assert STREAM not in inbox.states()
    assert inbox.maxima_since(0)[CHAT] == 5


def test_who_left_before_is_cut_when_her_inbox_is_read() -> None:
    """Her row says where."""
    home = Home()
    home.activate("ann", max_seq=9)
    home.register("bob")
    home.load("bob", 9, RowCut(0, 6))

    assert home.state("bob") == (1, 6, 4)
    assert [one.connections for one in home.say(10)] == [[1]]


def test_who_is_removed_silently_hears_the_last_of_what_is_hers() -> None:
    """Her inbox was read while her row ended earlier, so it was not passed on to her, and no line follows that would show it."""
    home = Home()
    for user_id in ("ann", "bob"):
        home.register(user_id)
        home.load(user_id, 7, RowCut(3, 6) if user_id == "bob" else None)
    home.take()
    home.say(8)

    home.change(9, last=8, left=["bob"])

    assert home.take() == [items.Repair(2, {CHAT: 8}, {CHAT: 3})]
    home.shard.tick(1.0)
    home.load("bob", 8, RowCut(3, 8))
    assert home.state("bob")[:2] == (3, 8)


def test_who_may_see_nothing_any_more_is_told_nothing_when_she_is_removed_silently() -> None:
    """She came back meanwhile, and her row begins later: a repair would let her devices wait for what is above."""
    home = Home()
    home.register("bob")
    home.load("bob", 7, RowCut(9, 6))
    home.take()

    home.change(9, last=8, left=["bob"])

    assert home.take() == []


def test_who_comes_without_history_begins_with_the_message_that_says_so() -> None:
    """What was before is neither seen nor unread, and not pushed to devices that are there."""
    home = Home()
    home.activate("ann", max_seq=4)
    home.stranger("cid")
    home.change(5, joined=["cid"], first=5, stream_seq=7, stream_time=WALL_MS)

    deliveries = {one.connections[0]: one.begins for one in home.say(5)}
    assert deliveries == {1: 0, 3: 5}
    assert home.state("cid") == (5, 5, 1)
    assert [one.connections for one in home.say(6)] == [[1, 3]]
    inbox = home.shard.find("cid")
    assert inbox is not None
    assert inbox.states()[STREAM].max_seq == 7
    assert inbox.minima([CHAT, STREAM]) == {CHAT: 5}


def test_devices_are_told_where_she_came_with_the_first_message_that_they_get() -> None:
    """Her own that none of them gets is none: who knows nothing of the group would be given what is hidden from her."""
    home = Home()
    home.activate("ann", max_seq=4)
    home.stranger("cid")
    home.change(5, last=4, joined=["cid"], first=5)

    assert [one.connections for one in home.say(5, "cid", sender_sync=False)] == [[1]]
    deliveries = {one.connections[0]: (one.begins, one.hides) for one in home.say(6, "cid")}
    assert deliveries == {1: (0, False), 3: (5, True)}
    assert [one.connections for one in home.say(7)] == [[1, 3]]


def test_who_goes_without_a_message_gets_nothing_more() -> None:
    """The next message of the group is not the one that says so."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.change(5, last=4, left=["bob"])

    assert [one.connections for one in home.say(5)] == [[1]]
    assert home.state("bob") == (1, 4, 2)


def test_who_comes_again_has_no_end_any_more() -> None:
    """Her own old messages are read."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.change(5, left=["bob"])
    home.say(5)
    home.say(6)
    home.change(7, joined=["bob"], sent={"bob": 2})

    assert {one.connections[0]: one.begins for one in home.say(7)} == {1: 0, 2: 7}
    assert home.state("bob") == (1, 7, 5)


def test_a_change_outdates_what_is_being_read() -> None:
    """The row may have been read before the cut was written."""
    home = Home()
    home.register("bob")
    home.outbox.take_loads()
    home.change(5, left=["bob"])
    home.load("bob", 9)
    assert home.outbox.take_loads() == [LoadInbox("bob")]
    home.load("bob", 9, RowCut(0, 5))

    assert home.state("bob") == (1, 5, 3)


def test_what_a_group_says_while_an_inbox_is_read_is_not_lost() -> None:
    """Whose group it is, is not known before; heads may have been read before it was stored."""
    home = Home()
    home.register("bob")
    assert home.say(5) == []
    home.say(6, "bob")
    home.load("bob", 4)

    assert home.state("bob") == (1, 6, 0)
    inbox = home.shard.find("bob")
    assert inbox is not None
    assert inbox.maxima_since(WALL_MS)[CHAT] == 6


def test_more_than_is_remembered_meanwhile_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost by the limit."""
    home = Home()
    home.register("bob")
    home.outbox.take_loads()
    monkeypatch.setattr(members, "SAID_MAX", 0)
    home.say(5)
    home.load("bob", 4)

    assert home.outbox.take_loads() == [LoadInbox("bob")]


def test_who_may_have_missed_that_she_left_gets_nothing_before_that_is_known() -> None:
    """After a loss her inbox is read again; what she may see follows with the repair."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.shard.refresh(["bob"], WALL_MS)
    home.shard.tick(0.0)
    assert [one.connections for one in home.say(5)] == [[1]]

    home.load("bob", 5, RowCut(0, 4))
    assert [item.maxima[CHAT] for item in home.take() if isinstance(item, items.Repair)] == [4]
    assert home.state("bob") == (1, 4, 2)
    assert [one.connections for one in home.say(6)] == [[1]]


def test_a_member_of_whom_messages_were_lost_is_repaired() -> None:
    """A gap makes the inbox look at the stores; its devices get what it finds."""
    home = Home()
    home.activate("bob", max_seq=4)
    assert home.say(6) == []
    home.load("bob", 6)

    (repair,) = (item for item in home.take() if isinstance(item, items.Repair))
    assert (repair.connection, repair.maxima[CHAT]) == (2, 6)
    assert [one.connections for one in home.say(7)] == [[2]]


def test_who_came_while_her_inbox_was_read_again_begins_with_the_message_that_says_so() -> None:
    """It is not told then, and a later one is: a device that has nothing of the group yet must not begin with that one."""
    home = Home()
    home.stranger("cid")
    home.shard.refresh(["cid"], WALL_MS)
    home.change(5, joined=["cid"])
    assert home.say(5) == []
    home.shard.tick(0.0)
    home.load("cid", 6)

    (repair,) = (item for item in home.take() if isinstance(item, items.Repair))
    assert (repair.maxima[CHAT], repair.begins) == (6, {CHAT: 5})
    assert [one.begins for one in home.say(7)] == [5]
    assert [one.begins for one in home.say(8)] == [0]


def test_who_left_keeps_what_she_was_told_before_the_log_said_so() -> None:
    """Until then her row says where the log ended a moment before she left; a client may be pulling what came in between."""
    home = Home()
    home.activate("bob", max_seq=4)
    assert [one.connections for one in home.say(5)] == [[2]]
    home.shard.refresh(["bob"], WALL_MS)
    home.shard.tick(0.0)
    home.load("bob", 6, RowCut(0, 4))
    assert home.state("bob") == (1, 5, 3)

    home.change(7, left=["bob"])
    assert [one.connections for one in home.say(7)] == [[2]]
    assert home.state("bob") == (1, 7, 5)


def test_who_came_late_looks_at_the_stores() -> None:
    """Messages behind the one that says so may have gone to the others already."""
    home = Home()
    home.stranger("cid")
    home.change(5, joined=["cid"], is_late=True)
    assert home.say(5) == []
    home.shard.tick(0.0)
    home.load("cid", 9)

    (repair,) = (item for item in home.take() if isinstance(item, items.Repair))
    assert repair.maxima[CHAT] == 9


def test_a_dissolved_group_is_silent() -> None:
    """Its messages stay."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.change(4, is_over=True)

    assert home.say(5) == []
    assert home.say(0) == []
    assert home.state("bob") == (1, 4, 2)


def test_an_inbox_that_is_given_back_is_in_no_group() -> None:
    """It comes back with its next use."""
    home = Home()
    home.activate("ann", "bob", max_seq=4)
    home.shard.drop_foreign(lambda user_id: user_id == "ann", 2, WALL_MS)
    home.take()

    assert [one.connections for one in home.say(5)] == [[1]]


def test_changed_rows_are_told_to_devices() -> None:
    """With a 1300 to herself; nothing to who is not here."""
    home = Home()
    home.activate("bob")
    home.shard.tell_rows_changed(items.RowsChanged(["bob", "nobody"], CHAT, "op", "command"), WALL_MS)

    (delivery,) = home.take()
    assert isinstance(delivery, items.Delivery)
    assert (delivery.conversation_id, delivery.seq, delivery.operation_id) == ("n_bob_bob", 0, "op")
    message = MsgData.FromString(delivery.body)
    assert (message.contentType, message.sendID, message.recvID) == (1300, "bob", "bob")
    assert message.content == rb'{"detail":"{\"userID\":\"bob\",\"conversationIDList\":[\"sg_g1\"]}"}'


def test_a_group_is_marked_as_read_up_to_what_its_reader_may_see() -> None:
    """No log checks that: marks of groups are the inbox's own."""
    home = Home()
    home.activate("bob", max_seq=4)
    home.change(4, left=["bob"])

    def mark(call: int, seq: int) -> None:
        item = items.SetPosition(call, "bob", CHAT, seq, exact=False, operation_id="op", notify=True)
        home.shard.request("gateway-0", item, "0", 0.0, WALL_MS)

    mark(5, 5)
    assert [item.code for item in home.take() if isinstance(item, items.Reply)] == [1001]
    mark(6, 4)
    home.shard.saved(items.Reply(1), 0.0)
    assert home.state("bob") == (1, 4, 0)
    sent = home.take()
    assert [item.call for item in sent if isinstance(item, items.Reply)] == [6]
    assert [item.conversation_id for item in sent if isinstance(item, items.Delivery)] == ["n_bob_bob"]
