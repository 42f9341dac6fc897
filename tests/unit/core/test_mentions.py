"""Marks that wait for the directory: a page at a time, few at once, joined where they can be. The directory is played by the test."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.logs.mentions import ATTEMPTS_MAX, MARKS_AT_ONCE, MARKS_MAX, NAMED_MAX, Mentions
from openim_ray.core.logs.passing_on import PassingOn, ToInboxes
from openim_ray.core.shard_loads import MarkMentions
from openim_ray.core.shard_outbox import Outbox
from openim_ray.domain.group import AT_ALL
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

GROUP = "g1"
AT_TEXT, ANNOUNCEMENT = 106, 1519


class Marks:
    """
    The marks of a shard, with a directory that the test answers for.
    """

    def __init__(self) -> None:
        self.outbox = Outbox(0)
        self.said: list[ToInboxes] = []
        self.mentions = Mentions(self.outbox, PassingOn(self.said.append), retry_seconds=1.0)
        self.loads: list[MarkMentions] = []
        self._messages = 0

    def say(self, sender_id: str, *named: str, group: str = GROUP, content_type: int = AT_TEXT) -> None:
        """Let a message be durable."""
        self._messages += 1
        message = StoredMessage(
            ConversationID(f"sg_{group}"),
            ConversationSeq(self._messages),
            UserID(sender_id),
            ClientMessageID(f"c{self._messages}"),
            ServerMessageID(f"s{self._messages}"),
            1,
            content_type,
            True,
            "op",
            MsgData(atUserIDList=named).SerializeToString(),
        )
        self.mentions.of_message(group, message)
        self.collect()

    def collect(self) -> None:
        """Take what is to be marked."""
        self.loads += [load for load in self.outbox.take_loads() if isinstance(load, MarkMentions)]

    def mark(self, *changed: str, after: str = "") -> MarkMentions:
        """Answer the oldest page that is asked for."""
        load = self.loads.pop(0)
        self.mentions.marked(load, changed, after)
        self.collect()
        return load

    def fail(self, now: float = 0.0) -> MarkMentions:
        """Fail the oldest page that is asked for."""
        load = self.loads.pop(0)
        self.mentions.failed(load, now)
        self.collect()
        return load

    def tick(self, now: float) -> None:
        """Let time pass."""
        self.mentions.tick(now)
        self.collect()


def test_who_is_named_is_marked() -> None:
    """But not who wrote it, and nobody for a message that names nobody else."""
    marks = Marks()
    marks.say("ann")
    marks.say("ann", "ann")
    marks.say("ann", "bob", content_type=101)
    assert marks.loads == []
    marks.say("ann", "dan", "ann", "bob", AT_ALL)
    assert marks.mark() == MarkMentions(GROUP, "sg_g1", "ann", ("bob", "dan"), True, "op", "c4")
    assert marks.said == []


def test_a_page_follows_the_other() -> None:
    """From where that one ended; whose rows changed is told with one item for each page."""
    marks = Marks()
    marks.say("ann", AT_ALL)
    marks.mark("bob", "dan", after="dan")
    assert marks.mark("eve", after="").after == "dan"
    assert marks.loads == []
    assert marks.said == [items.RowsChanged([*users], "sg_g1", "op", "c1") for users in (["bob", "dan"], ["eve"])]


def test_a_page_that_failed_is_marked_again() -> None:
    """That page, not those before it; each time later."""
    marks = Marks()
    marks.say("ann", AT_ALL)
    marks.mark("bob", after="bob")
    assert marks.fail(now=0.0).after == "bob"
    marks.tick(1.9)
    assert marks.loads == []
    marks.tick(2.0)
    assert marks.fail(now=2.0).after == "bob"
    marks.tick(5.9)
    assert marks.loads == []
    marks.tick(6.0)
    assert marks.mark("dan", after="dan").after == "bob"
    assert marks.mark().after == "dan"
    assert (marks.loads, marks.mentions.dropped) == ([], 0)


def test_a_mark_that_keeps_failing_is_given_up() -> None:
    """What waits behind it has its turn; a page that succeeds lets the next one fail as often."""
    marks = Marks()
    marks.say("ann", AT_ALL)
    marks.say("bob", AT_ALL)
    for after in ("", "bob"):
        for attempt in range(ATTEMPTS_MAX - 1):
            assert marks.fail(now=attempt * 100.0).after == after
            marks.tick(attempt * 100.0 + 99)
        if not after:
            marks.mark(after="bob")
    assert marks.mentions.dropped == 0
    marks.fail()
    assert (marks.mentions.dropped, marks.mark().command_id) == (1, "c2")
    assert marks.loads == []


def test_everybody_waits_once() -> None:
    """Behind the mark that is under way all that wait become one, which names whom they named and leaves out nobody whom one of them marks."""
    marks = Marks()
    marks.say("ann", AT_ALL)
    marks.say("bob", AT_ALL, "dan")
    marks.say("bob", "eve")
    marks.say("bob", AT_ALL)
    assert len(marks.loads) == 1
    marks.mark()
    assert marks.loads == [MarkMentions(GROUP, "sg_g1", "bob", ("dan", "eve"), True, "op", "c4")]
    marks.say("bob", AT_ALL)
    marks.say("ann", AT_ALL)
    marks.mark()
    assert marks.mark() == MarkMentions(GROUP, "sg_g1", "", (), True, "op", "c6")
    assert marks.loads == []


def test_an_announcement_takes_up_what_waits() -> None:
    """It marks all rows, whoever was named before; who is named after it is marked after it."""
    marks = Marks()
    marks.say("ann", AT_ALL)
    marks.say("ann", AT_ALL, "bob")
    marks.say("ann", content_type=ANNOUNCEMENT)
    marks.say("ann", "dan")
    marks.say("dan", "ann")
    marks.mark()
    assert marks.mark() == MarkMentions(GROUP, "sg_g1", "", (), True, "op", "c3", is_notice=True)
    assert marks.mark() == MarkMentions(GROUP, "sg_g1", "", ("ann", "dan"), False, "op", "c5")
    assert marks.loads == []


def test_a_message_that_names_too_many_marks_the_first() -> None:
    """Marks that would be too large together wait one after the other."""
    many = [f"u{number:04}" for number in range(NAMED_MAX + 1)]
    marks = Marks()
    marks.say("ann", "bob")
    marks.say("ann", *many)
    marks.say("ann", "zoe")
    marks.mark()
    assert marks.mark().user_ids == tuple(many[:-1])
    assert marks.mark().user_ids == ("zoe",)


def test_groups_take_turns() -> None:
    """A few pages at once, no two of a group: a small group doesn't wait for the last page of a large one."""
    marks = Marks()
    groups = [f"g{number}" for number in range(MARKS_AT_ONCE + 1)]
    for group in groups:
        marks.say("ann", AT_ALL, group=group)
    assert [load.home_key for load in marks.loads] == groups[:-1]
    marks.mark(after="u1")
    assert [load.home_key for load in marks.loads] == groups[1:]
    marks.mark()
    assert [load.home_key for load in marks.loads] == [*groups[2:], groups[0]]


def test_beyond_the_limit_marks_are_dropped() -> None:
    """Also those that wait for another attempt count; what is taken up by a mark that waits needs no room."""
    marks = Marks()
    groups = [f"g{number}" for number in range(MARKS_MAX - 1)]
    for group in groups:
        marks.say("ann", AT_ALL, group=group)
    marks.fail()
    marks.say("ann", AT_ALL, group=groups[0])
    marks.say("ann", AT_ALL, group=groups[0])
    assert marks.mentions.dropped == 0
    marks.say("ann", AT_ALL, group="late")
    assert marks.mentions.dropped == 1
    marks.tick(100.0)
    marked = []
    while marks.loads:
        marked.append(marks.mark().home_key)
    assert sorted(marked) == sorted([*groups, groups[0]])
    marks.say("ann", AT_ALL, group="late")
    assert [load.home_key for load in marks.loads] == ["late"]
