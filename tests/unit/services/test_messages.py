"""What clients ask about messages: 1001, 1002, 1005, 1006 and 1007."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from openim_ray.domain import errors
from openim_ray.domain.conversation import self_stream_id
from openim_ray.domain.ids import UserID
from openim_ray.domain.message import DamagedRow
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.domain.sequence import SeqRange as SkippedRange
from openim_ray.protocol.identifiers import ContentType, PullOrder
from openim_ray.protocol.pb.msg_pb2 import (
    ConversationSeqs,
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    GetLastMessageReq,
    GetLastMessageResp,
    GetSeqMessageReq,
    GetSeqMessageResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import (
    GetMaxSeqReq,
    GetMaxSeqResp,
    MsgData,
    PullMessageBySeqsReq,
    PullMessageBySeqsResp,
    SeqRange,
)
from openim_ray.services import messages, pull_ranges
from openim_ray.storage.memory import MemoryMessageStore
from tests.unit.services.memory_world import START_MS, MemoryWorld

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage, StreamHead

ASC, DESC = PullOrder.ASCENDING, PullOrder.DESCENDING
RECEIPT = ContentType.HAS_READ_RECEIPT


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with alice, bob and carol."""
    world = MemoryWorld()
    world.add_users("alice", "bob", "carol")
    return world


async def pull(
    world: MemoryWorld, user_id: str, *ranges: tuple[str, int, int, int], order: int = ASC, **how: bool
) -> PullMessageBySeqsResp:
    """Send a 1002 with ranges (conversation, begin, end, num)."""
    asked = [SeqRange(conversationID=one[0], begin=one[1], end=one[2], num=one[3]) for one in ranges]
    request = PullMessageBySeqsReq(userID=user_id, seqRanges=asked, order=order)
    answer = await world.services.messages.pull_by_ranges(user_id, request.SerializeToString(), **how)
    return PullMessageBySeqsResp.FromString(answer)


async def pick(
    world: MemoryWorld, user_id: str, conversation_id: str, seqs: Sequence[int], order: int = ASC
) -> GetSeqMessageResp:
    """Send a 1005 for seqs of one conversation."""
    asked = [ConversationSeqs(conversationID=conversation_id, seqs=seqs)]
    request = GetSeqMessageReq(userID=user_id, conversations=asked, order=order)
    answer = await world.services.messages.pull_by_seqs(user_id, request.SerializeToString())
    return GetSeqMessageResp.FromString(answer)


def texts(rows: Iterable[MsgData]) -> list[str]:
    """Return the contents of messages."""
    return [row.content.decode() for row in rows]


def seqs_of(rows: Iterable[MsgData]) -> list[int]:
    """Return the seqs of messages."""
    return [row.seq for row in rows]


class HoleyStore(MemoryMessageStore):
    """A message store that lacks some rows of every conversation, since a restore has skipped them; others are damaged, or hidden by damage."""

    def __init__(self, skipped: Collection[int], damaged: Collection[int], hidden: Collection[int]) -> None:
        super().__init__()
        self._lost = frozenset([*skipped, *hidden])
        self._skipped = tuple(SkippedRange(seq, seq) for seq in skipped)
        self._damaged = frozenset(damaged)

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """Say what is skipped."""
        return {
            one: head._replace(skipped=self._skipped) for one, head in (await super().heads(conversation_ids)).items()
        }

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return what is left of a range."""
        return self._left(await super().read_range(conversation_id, begin, end, max(end, 1)))[-newest:]

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return those rows that are left."""
        return self._left(await super().read_seqs(conversation_id, seqs))

    def _left(self, rows: Sequence[StoredMessage | DamagedRow]) -> list[StoredMessage | DamagedRow]:
        left = (row for row in rows if row.seq not in self._lost)
        return [DamagedRow(row.seq) if row.seq in self._damaged else row for row in left]


def holey_world(*skipped: int, damaged: Collection[int] = (), hidden: Collection[int] = ()) -> MemoryWorld:
    """Return a server whose message store lacks rows, and has some that are damaged."""
    store = HoleyStore(skipped, damaged, hidden)
    world = MemoryWorld(reader=store)
    store.tables = world.tables.messages
    return world


# --- 1001 and 1006


async def test_1001_names_chats_and_streams_that_hold_something(world: MemoryWorld) -> None:
    """Chat, notification stream and self stream with their max seqs; empty ones are left out."""
    chat_id = world.send("alice", "bob", "one", "two")
    stream_id = world.notify("bob", "alice", RECEIPT, "r")
    world.add_chat("alice", "carol")
    world.store(self_stream_id("alice"), "alice", "alice", "n")
    data = await world.services.messages.newest_seqs("alice", GetMaxSeqReq(userID="alice").SerializeToString())
    answer = GetMaxSeqResp.FromString(data)
    assert answer.maxSeqs == {chat_id: 2, stream_id: 1, "n_alice_alice": 1}
    assert answer.minSeqs == {}


async def test_1006_tells_what_is_unread(world: MemoryWorld) -> None:
    """Max seq, read position and time per chat; own messages count as read; no streams."""
    chat_id = world.send("alice", "bob", "one", "two")
    world.notify("bob", "alice", RECEIPT, "r")
    for user_id, read in [("alice", 2), ("bob", 0)]:
        request = GetConversationsHasReadAndMaxSeqReq(userID=user_id)
        data = await world.services.messages.has_read_and_max_seqs(user_id, request.SerializeToString())
        seqs = GetConversationsHasReadAndMaxSeqResp.FromString(data).seqs
        assert {key: (one.maxSeq, one.hasReadSeq, one.maxSeqTime) for key, one in seqs.items()} == {
            chat_id: (2, read, START_MS + 2000)
        }


async def test_1006_answers_what_it_is_asked_for(world: MemoryWorld) -> None:
    """Only the named chats of the user, and the pinned ones if she wants them."""
    world.send("alice", "bob", "one")
    other = world.send("alice", "carol", "one")
    request = GetConversationsHasReadAndMaxSeqReq(
        userID="alice", conversationIDs=[other, "si_bob_carol"], returnPinned=True
    )
    data = await world.services.messages.has_read_and_max_seqs("alice", request.SerializeToString())
    answer = GetConversationsHasReadAndMaxSeqResp.FromString(data)
    assert list(answer.seqs) == [other]
    assert list(answer.pinnedConversationIDs) == []


# --- 1002


async def test_1002_gives_the_newest_of_a_range(world: MemoryWorld) -> None:
    """The last `num` rows, ascending; a range that begins at 0 begins at the beginning."""
    chat_id = world.send("alice", "bob", "one", "two", "three", "four")
    answer = await pull(world, "bob", (chat_id, 0, 3, 2))
    assert texts(answer.msgs[chat_id].Msgs) == ["two", "three"]
    assert seqs_of(answer.msgs[chat_id].Msgs) == [2, 3]
    assert not answer.msgs[chat_id].isEnd


@pytest.mark.parametrize(
    ("begin", "end", "order", "is_end"),
    [(1, 3, ASC, False), (1, 4, ASC, True), (2, 4, DESC, False), (1, 2, DESC, True)],
)
async def test_1002_tells_the_end(world: MemoryWorld, begin: int, end: int, order: int, is_end: bool) -> None:
    """Ascending: the range reaches the newest message. Descending: it reaches the oldest."""
    chat_id = world.send("alice", "bob", "one", "two", "three", "four")
    answer = await pull(world, "bob", (chat_id, begin, end, 10), order=order)
    assert answer.msgs[chat_id].isEnd is is_end


@pytest.mark.parametrize("asked", [(5, 9, 10), (3, 2, 10), (1, 4, 0), (-9, 0, 10)])
async def test_1002_leaves_out_what_has_no_result(world: MemoryWorld, asked: tuple[int, int, int]) -> None:
    """A range beyond the end, an empty one, one of which nothing is wanted."""
    chat_id = world.send("alice", "bob", "one", "two", "three", "four")
    assert (await pull(world, "bob", (chat_id, *asked))).msgs == {}


async def test_1002_is_clamped_to_what_the_user_may_see(world: MemoryWorld) -> None:
    """After a clear the older messages are gone for her, not for the peer."""
    chat_id = world.send("alice", "bob", "one", "two", "three")
    world.clear("bob", chat_id, 3)
    assert texts((await pull(world, "bob", (chat_id, 0, 9, 10))).msgs[chat_id].Msgs) == ["three"]
    assert len((await pull(world, "alice", (chat_id, 0, 9, 10))).msgs[chat_id].Msgs) == 3
    world.clear("bob", chat_id, 4)
    assert (await pull(world, "bob", (chat_id, 0, 9, 10))).msgs == {}


async def test_1002_gives_streams_in_full(world: MemoryWorld) -> None:
    """Notifications go to their own map, and `num` doesn't count there."""
    stream_id = world.notify("bob", "alice", RECEIPT, "a", "b", "c")
    answer = await pull(world, "alice", (stream_id, 1, 3, 1))
    assert texts(answer.notificationMsgs[stream_id].Msgs) == ["a", "b", "c"]
    assert answer.msgs == {}


async def test_a_missing_row_is_a_placeholder_in_time() -> None:
    """Status 4, the seq, and the time of the nearest earlier message, also where that lies outside the page."""
    world = holey_world(1, 3, 4)
    chat_id = world.send("alice", "bob", *"abcde")
    answer = await pull(world, "bob", (chat_id, 3, 5, 10))
    rows = answer.msgs[chat_id].Msgs
    assert [(row.seq, row.status) for row in rows] == [(3, 4), (4, 4), (5, 2)]
    assert [row.sendTime for row in rows] == [START_MS + 2000, START_MS + 2000, START_MS + 5000]
    assert MsgData(seq=3, sendTime=rows[0].sendTime, status=4) == rows[0]
    (first,) = (await pull(world, "bob", (chat_id, 1, 1, 1))).msgs[chat_id].Msgs
    assert (first.seq, first.status, first.sendTime) == (1, 4, 0)


async def test_a_stream_has_no_placeholders() -> None:
    """Gaps are harmless there, and clients would try to read a placeholder as a notification."""
    world = holey_world(2)
    stream_id = world.notify("bob", "alice", RECEIPT, "a", "b", "c")
    answer = await pull(world, "alice", (stream_id, 1, 3, 1))
    assert seqs_of(answer.notificationMsgs[stream_id].Msgs) == [1, 3]


async def test_messages_that_the_peer_has_read_say_so(world: MemoryWorld) -> None:
    """IsRead stands on what the other side has read, for both; one's own reading marks nothing of one's own."""
    chat_id = world.send("alice", "bob", "one", "two")
    world.send("bob", "alice", "three")
    await world.services.read_marks.mark_conversation("bob", chat_id, 1, [], "op")
    for user_id in ("alice", "bob"):
        rows = (await pull(world, user_id, (chat_id, 1, 3, 10))).msgs[chat_id].Msgs
        assert [row.isRead for row in rows] == [True, False, False]
    await world.services.read_marks.mark_conversation("alice", chat_id, 3, [], "op")
    rows = (await pull(world, "bob", (chat_id, 1, 3, 10))).msgs[chat_id].Msgs
    assert [row.isRead for row in rows] == [True, False, True]


async def test_a_message_kept_from_ones_own_devices_is_pulled_all_the_same(world: MemoryWorld) -> None:
    """senderSync=false keeps it from being pushed; a placeholder would say that it is deleted."""
    chat_id = world.send("alice", "bob", "quiet", sender_sync=False)
    assert texts((await pull(world, "alice", (chat_id, 1, 1, 1))).msgs[chat_id].Msgs) == ["quiet"]


# --- 1005


async def test_1005_keeps_the_order_asked_for(world: MemoryWorld) -> None:
    """Clients ask downwards, and a seq that is named twice is answered once."""
    chat_id = world.send("alice", "bob", "one", "two", "three")
    answer = await pick(world, "bob", chat_id, [3, 1, 3, 2])
    assert seqs_of(answer.msgs[chat_id].Msgs) == [3, 1, 2]


async def test_1005_fills_holes() -> None:
    """Each seq within what she may see yields a row."""
    world = holey_world(2, 4)
    chat_id = world.send("alice", "bob", *"abcd")
    rows = (await pick(world, "bob", chat_id, [4, 3, 2])).msgs[chat_id].Msgs
    assert [(row.seq, row.status, row.sendTime - START_MS) for row in rows] == [
        (4, 4, 3000),
        (3, 2, 3000),
        (2, 4, 1000),
    ]


@pytest.mark.parametrize(
    ("seqs", "order", "rows", "end"),
    [
        ([1, 2, 3], DESC, [3], (True, 3)),
        ([1, 2, 3], ASC, [3], (False, 0)),
        ([4, 5, 6], ASC, [4], (True, 4)),
        ([4, 5, 6], DESC, [4], (False, 0)),
        ([3, 4], ASC, [3, 4], (False, 0)),
        ([0], DESC, [], (False, 0)),
        ([], ASC, [], (False, 0)),
    ],
)
async def test_1005_tells_an_end_only_if_it_was_asked_beyond_it(
    world: MemoryWorld, seqs: list[int], order: int, rows: list[int], end: tuple[bool, int]
) -> None:
    """Below what she may see downwards, above the newest message upwards; SDKs believe it for ever."""
    chat_id = world.send("alice", "bob", *"abcd")
    world.clear("bob", chat_id, 3)
    part = (await pick(world, "bob", chat_id, seqs, order)).msgs[chat_id]
    assert seqs_of(part.Msgs) == rows
    assert (part.isEnd, part.endSeq) == end


async def test_1005_of_a_cleared_chat_tells_where_it_begins(world: MemoryWorld) -> None:
    """Everything cleared: no row, and the end is the next seq to come."""
    chat_id = world.send("alice", "bob", "one", "two")
    world.clear("bob", chat_id, 3)
    part = (await pick(world, "bob", chat_id, [1, 2], DESC)).msgs[chat_id]
    assert (list(part.Msgs), part.isEnd, part.endSeq) == ([], True, 3)


async def test_1005_names_every_conversation(world: MemoryWorld) -> None:
    """Also one she has no part in: its key is there, nothing else. Streams go to their own map."""
    foreign = world.send("bob", "carol", "secret")
    answer = await pick(world, "alice", foreign, [1])
    assert answer.msgs[foreign] == GetSeqMessageResp().msgs["x"]
    stream_id = world.notify("bob", "alice", RECEIPT, "r")
    answer = await pick(world, "alice", stream_id, [1, 2])
    assert texts(answer.notificationMsgs[stream_id].Msgs) == ["r"]


# --- 1007


async def test_1007_gives_the_newest_visible_message() -> None:
    """The newest that is stored, within what the user may see; nothing for empty, cleared and foreign chats."""
    world = holey_world(3)
    chat_id = world.send("alice", "bob", "one", "two", "three")
    empty, cleared, foreign = world.add_chat("bob", "carol"), world.send("bob", "dave", "x"), world.send("a", "c", "x")
    world.clear("bob", cleared, 2)
    request = GetLastMessageReq(userID="bob", conversationIDs=[chat_id, empty, cleared, foreign, "n_alice_bob"])
    data = await world.services.messages.last_messages("bob", request.SerializeToString())
    answer = GetLastMessageResp.FromString(data)
    assert {key: message.content for key, message in answer.msgs.items()} == {chat_id: b"two"}


# --- a store that shows an older state


class StaleStore(MemoryMessageStore):
    """A message store that has not come to the newest row of any conversation yet."""

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """Return older heads."""
        heads = await super().heads(conversation_ids)
        return {one: head._replace(max_seq=ConversationSeq(head.max_seq - 1)) for one, head in heads.items()}

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return older rows."""
        return await super().read_range(conversation_id, begin, min(end, 2), newest)

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return older rows."""
        return await super().read_seqs(conversation_id, [seq for seq in seqs if seq <= 2])


async def test_a_row_that_is_on_its_way_is_no_placeholder() -> None:
    """A part of a database that was cut off shows an older state for some seconds: the answer is an error, and the next one right."""
    store = StaleStore()
    world = MemoryWorld(reader=store)
    store.tables = world.tables.messages
    chat_id = world.send("alice", "bob", *"abc")
    with pytest.raises(errors.Unavailable, match="behind seq 3"):
        await pull(world, "bob", (chat_id, 1, 3, 10))
    with pytest.raises(errors.Unavailable, match="behind seq 3"):
        await pick(world, "bob", chat_id, [2, 3])
    assert seqs_of((await pick(world, "bob", chat_id, [2, 1])).msgs[chat_id].Msgs) == [2, 1]


# --- a history that can't be read


class ForgetfulStore(MemoryMessageStore):
    """A message store from which old rows have gone to a history that is away."""

    floor = 4

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return recent rows."""
        if begin < self.floor and newest > end - self.floor:
            raise errors.HistoryUnavailable("away", self.floor)
        return await super().read_range(conversation_id, begin, end, newest)

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """Return recent rows."""
        if min(seqs) < self.floor:
            raise errors.HistoryUnavailable("away", self.floor)
        return await super().read_seqs(conversation_id, seqs)


@pytest.fixture
def forgetful_world() -> MemoryWorld:
    """Return a server whose history is away."""
    store = ForgetfulStore()
    world = MemoryWorld(reader=store)
    store.tables = world.tables.messages
    return world


async def test_1002_gives_what_is_recent(forgetful_world: MemoryWorld) -> None:
    """A sync goes on: the older rows are left out as where a frame is full, without a placeholder or an end. They are asked for again by 1005."""
    old, young = (forgetful_world.send("alice", peer, *texts) for peer, texts in (("bob", "abc"), ("carol", "abcde")))
    answer = await pull(forgetful_world, "alice", (old, 1, 3, 10), (young, 1, 5, 10))
    assert set(answer.msgs) == {young}
    assert seqs_of(answer.msgs[young].Msgs) == [4, 5]
    assert (answer.msgs[young].isEnd, answer.msgs[young].endSeq) == (False, 0)


async def test_who_can_not_ask_again_is_given_an_error(forgetful_world: MemoryWorld) -> None:
    """1005 of old messages only, and a client that would never ask again: nothing is answered that is not there."""
    chat_id = forgetful_world.send("alice", "bob", *"abcde")
    with pytest.raises(errors.Unavailable):
        await pick(forgetful_world, "bob", chat_id, [3, 1])
    with pytest.raises(errors.Unavailable):
        await pull(forgetful_world, "bob", (chat_id, 1, 5, 10), uncut=True)


async def test_1005_gives_what_is_recent(forgetful_world: MemoryWorld) -> None:
    """The others are left out as where a frame is full: no placeholder, no end."""
    chat_id = forgetful_world.send("alice", "bob", *"abcde")
    answer = (await pick(forgetful_world, "bob", chat_id, [5, 4, 3, 0])).msgs[chat_id]
    assert (seqs_of(answer.Msgs), answer.isEnd, answer.endSeq) == ([5, 4], False, 0)
    answer = (await pick(forgetful_world, "bob", chat_id, [5, 4])).msgs[chat_id]
    assert seqs_of(answer.Msgs) == [5, 4]


async def test_1007_leaves_out_what_only_the_history_has(forgetful_world: MemoryWorld) -> None:
    """The other chats are shown."""
    old, young = (forgetful_world.send("alice", peer, *texts) for peer, texts in (("bob", "abc"), ("carol", "abcde")))
    request = GetLastMessageReq(userID="alice", conversationIDs=[old, young])
    data = await forgetful_world.services.messages.last_messages("alice", request.SerializeToString())
    answer = GetLastMessageResp.FromString(data)
    assert {key: message.seq for key, message in answer.msgs.items()} == {young: 5}


# --- damaged rows


async def test_a_damaged_row_is_a_gap_and_no_placeholder() -> None:
    """Ranges and picks serve its neighbours; a placeholder would say for ever that it is deleted. What is absent still gets one."""
    world = holey_world(4, damaged=(1, 3))
    chat_id = world.send("alice", "bob", *"abcde")
    rows = (await pull(world, "bob", (chat_id, 1, 5, 10))).msgs[chat_id].Msgs
    assert [(row.seq, row.status, row.sendTime - START_MS) for row in rows] == [
        (2, 2, 2000),
        (4, 4, 2000),
        (5, 2, 5000),
    ]
    rows = (await pick(world, "bob", chat_id, [5, 4, 3, 1])).msgs[chat_id].Msgs
    assert [(row.seq, row.status, row.sendTime - START_MS) for row in rows] == [(5, 2, 5000), (4, 4, 2000)]
    rows = (await pull(world, "bob", (chat_id, 3, 4, 10))).msgs[chat_id].Msgs
    assert [(row.seq, row.status, row.sendTime - START_MS) for row in rows] == [(4, 4, 2000)]


async def test_a_row_that_is_not_found_is_a_gap_and_no_placeholder() -> None:
    """A damaged index hides rows. What the store has to have, and doesn't find, is left out, and said once in the log."""
    world = holey_world(4, hidden=(1, 3))
    chat_id = world.send("alice", "bob", *"abcde")
    with capture_logs() as logged:
        rows = (await pull(world, "bob", (chat_id, 1, 5, 10))).msgs[chat_id].Msgs
        assert [(row.seq, row.status) for row in rows] == [(2, 2), (4, 4), (5, 2)]
        rows = (await pick(world, "bob", chat_id, [5, 4, 3, 1])).msgs[chat_id].Msgs
        assert [(row.seq, row.status) for row in rows] == [(5, 2), (4, 4)]
    assert [(one["conversation_id"], one["seq"]) for one in logged] == [(chat_id, 1)]


async def test_only_damaged_rows_are_an_empty_answer() -> None:
    """1002 leaves the chat out, 1005 names it, as both do when nothing came."""
    world = holey_world(damaged=(1, 2))
    chat_id = world.send("alice", "bob", "one", "two")
    assert (await pull(world, "bob", (chat_id, 2, 2, 1))).msgs == {}
    assert list((await pick(world, "bob", chat_id, [2])).msgs) == [chat_id]
    assert list((await pick(world, "bob", chat_id, [2])).msgs[chat_id].Msgs) == []


async def test_a_damaged_row_does_not_hide_the_end_of_a_chat() -> None:
    """The end lies where it lies, so that who scrolls gets there; rows that were cut are asked for again and hide it."""
    world = holey_world(damaged=(3,))
    chat_id = world.send("alice", "bob", *"abcd")
    assert (await pull(world, "bob", (chat_id, 1, 4, 10))).msgs[chat_id].isEnd
    world.clear("bob", chat_id, 3)
    part = (await pick(world, "bob", chat_id, [4, 3, 2], DESC)).msgs[chat_id]
    assert (seqs_of(part.Msgs), part.isEnd, part.endSeq) == ([4], True, 3)


async def test_a_damaged_notification_is_left_out() -> None:
    """Of ranges and picks of its stream, like one that is missing."""
    world = holey_world(damaged=(2,))
    stream_id = world.notify("bob", "alice", RECEIPT, "a", "b", "c")
    assert seqs_of((await pull(world, "alice", (stream_id, 1, 3, 1))).notificationMsgs[stream_id].Msgs) == [1, 3]
    assert seqs_of((await pick(world, "alice", stream_id, [1, 2])).notificationMsgs[stream_id].Msgs) == [1]


async def test_1007_gives_the_newest_message_that_is_not_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies below some damaged ones; below too many it is not looked for."""
    world = holey_world(damaged=(2, 3))
    chat_id = world.send("alice", "bob", "one", "two", "three")
    request = GetLastMessageReq(userID="bob", conversationIDs=[chat_id]).SerializeToString()
    answer = GetLastMessageResp.FromString(await world.services.messages.last_messages("bob", request))
    assert answer.msgs[chat_id].content == b"one"
    monkeypatch.setattr("openim_ray.services.message_rows.CHUNK_ROWS", 2)
    answer = GetLastMessageResp.FromString(await world.services.messages.last_messages("bob", request))
    assert answer.msgs == {}


# --- whose data it is


async def test_nobody_reads_for_somebody_else(world: MemoryWorld) -> None:
    """1002 for a request that names another user, whatever it asks; without a name it is the caller's own."""
    chat_id = world.send("bob", "carol", "secret")
    reading = world.services.messages
    for method, request in [
        (reading.newest_seqs, GetMaxSeqReq(userID="bob")),
        (reading.has_read_and_max_seqs, GetConversationsHasReadAndMaxSeqReq(userID="bob")),
        (reading.pull_by_ranges, PullMessageBySeqsReq(userID="bob")),
        (reading.pull_by_seqs, GetSeqMessageReq(userID="bob")),
        (reading.last_messages, GetLastMessageReq(userID="bob")),
    ]:
        with pytest.raises(errors.NoPermission):
            await method("alice", request.SerializeToString())
        assert await method("alice", b"") == b""
    assert (await pull(world, "alice", (chat_id, 1, 1, 1))).msgs == {}


async def test_garbage_is_refused(world: MemoryWorld) -> None:
    """1001 for what isn't the request it should be, without repeating it."""
    with pytest.raises(errors.ArgsError, match="not a PullMessageBySeqsReq"):
        await world.services.messages.pull_by_ranges("alice", b"\xff\xff")


async def test_silence_of_the_inbox_is_no_empty_answer(world: MemoryWorld) -> None:
    """If the actors don't answer, neither does this."""
    chat_id = world.send("alice", "bob", "one")
    world.broker.fails = True
    with pytest.raises(errors.Unavailable):
        await pull(world, "alice", (chat_id, 1, 1, 1))


async def test_silence_of_the_store_is_no_placeholder(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that can't be read now isn't gone."""
    chat_id = world.send("alice", "bob", "one")

    async def fail(*_: object) -> None:
        raise errors.Unavailable("disk")

    monkeypatch.setattr(world.messages, "read_range", fail)
    with pytest.raises(errors.Unavailable):
        await pull(world, "alice", (chat_id, 1, 1, 1))


# --- limits


async def test_a_pull_has_limits(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many conversations or rows are refused with the number that is allowed."""
    chat_id = world.send("alice", "bob", "one", "two", "three")
    monkeypatch.setattr(pull_ranges, "ROWS_MAX", 2)
    with pytest.raises(errors.ArgsError, match="more than 2 messages"):
        await pull(world, "alice", (chat_id, 1, 3, 3))
    with pytest.raises(errors.ArgsError, match="more than 2 messages"):
        await pick(world, "alice", chat_id, [1, 2, 3])
    assert (await pull(world, "alice", (chat_id, 1, 3, 2))).msgs
    monkeypatch.setattr(messages, "CONVERSATIONS_MAX", 1)
    with pytest.raises(errors.ArgsError, match="more than 1 conversations"):
        await pull(world, "alice", (chat_id, 1, 1, 1), ("si_alice_carol", 1, 1, 1))


async def test_what_is_read_for_one_pull_is_bounded(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams come first; then older rows are missing, and whole chats; none of it says that it is the beginning."""
    monkeypatch.setattr(pull_ranges, "BYTES_MAX", 3000)
    monkeypatch.setattr("openim_ray.services.message_rows.CHUNK_ROWS", 2)
    chat_id = world.send("alice", "bob", *["x" * 1000] * 6)
    other = world.send("alice", "carol", "y")
    stream_id = world.notify("bob", "alice", ContentType.MESSAGE_REVOKED, "r")
    answer = await pull(world, "alice", (chat_id, 1, 6, 9), (other, 1, 1, 9), (stream_id, 1, 1, 1), order=DESC)
    assert seqs_of(answer.notificationMsgs[stream_id].Msgs) == [1]
    assert seqs_of(answer.msgs[chat_id].Msgs) == [3, 4, 5, 6]
    assert not answer.msgs[chat_id].isEnd
    assert other not in answer.msgs


async def test_a_cut_1005_tells_no_end(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who scrolls asks again for the rows that had no room, instead of taking the chat for finished."""
    monkeypatch.setattr(pull_ranges, "BYTES_MAX", 3000)
    monkeypatch.setattr("openim_ray.services.message_rows.CHUNK_ROWS", 2)
    chat_id = world.send("alice", "bob", *["x" * 1000] * 7)
    world.clear("bob", chat_id, 2)
    part = (await pick(world, "bob", chat_id, range(7, 0, -1), DESC)).msgs[chat_id]
    assert (seqs_of(part.Msgs), part.isEnd, part.endSeq) == ([7, 6, 5, 4], False, 0)


async def test_an_answer_that_may_not_be_cut_is_refused_if_too_large(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PyPI client never asks again for what is missing, so it hears that it wanted too much."""
    chat_id = world.send("alice", "bob", *["x" * 1000] * 6)
    monkeypatch.setattr(pull_ranges, "UNCUT_BYTES_MAX", 3000)
    with pytest.raises(errors.ArgsError, match="ask for fewer"):
        await pull(world, "alice", (chat_id, 1, 6, 9), uncut=True)


async def test_old_receipts_get_no_room(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a stream beyond the limit, superseded receipts are left out, revocations and each reader's last one kept."""
    stream_id = world.notify("alice", "bob", RECEIPT, "alice's last")
    world.notify("alice", "bob", ContentType.MESSAGE_REVOKED, "revoked")
    world.notify("bob", "alice", RECEIPT, *[f"{number:0500}" for number in range(9)])
    monkeypatch.setattr(pull_ranges, "BYTES_MAX", 1500)
    monkeypatch.setattr(pull_ranges, "_STREAM_CHUNK", 2)
    rows = (await pull(world, "bob", (stream_id, 1, 11, 1))).notificationMsgs[stream_id].Msgs
    assert texts(rows[:2]) == ["alice's last", "revoked"]
    assert seqs_of(rows)[2:] == [9, 10, 11]


async def test_the_scan_of_a_stream_ends(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest notifications are looked at."""
    stream_id = world.notify("bob", "alice", RECEIPT, *"abcde")
    monkeypatch.setattr(pull_ranges, "STREAM_ROWS_MAX", 2)
    answer = await pull(world, "alice", (stream_id, 1, 5, 1))
    assert seqs_of(answer.notificationMsgs[stream_id].Msgs) == [4, 5]


async def test_an_answer_fits_a_frame(world: MemoryWorld) -> None:
    """Under 900,000 bytes as written: uncompressed fewer rows go out than compressed, and uncut all."""
    chat_id = world.send("alice", "bob", *["x" * 100_000] * 12)
    sizes = {}
    for name, how in [("plain", {}), ("gzip", {"compressed": True}), ("uncut", {"uncut": True})]:
        answer = await pull(world, "bob", (chat_id, 1, 12, 12), **how)
        sizes[name] = len(answer.msgs[chat_id].Msgs)
        assert answer.msgs[chat_id].Msgs[-1].seq == 12
    assert sizes == {"plain": 8, "gzip": 12, "uncut": 12}


async def test_pinned_chats_are_named_on_request(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """1006 with returnPinned reads the rows."""
    chat_id = world.send("alice", "bob", "one")
    (row,) = world.tables.directory.conversations(UserID("alice"))
    pinned = replace(row, is_pinned=True)
    world.tables.directory.change(lambda transaction: transaction.put_conversation(pinned))
    request = GetConversationsHasReadAndMaxSeqReq(returnPinned=True)
    data = await world.services.messages.has_read_and_max_seqs("alice", request.SerializeToString())
    assert list(GetConversationsHasReadAndMaxSeqResp.FromString(data).pinnedConversationIDs) == [chat_id]
