"""What is held of a log while a cut is on its way to the directory."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.logs.passing_on import HELD_BYTES_MAX, HELD_MAX, PassingOn, Place, ToInboxes

GROUP, CHAT = "g1", "sg_g1"
LARGE = 1 << 20


def message(seq: int, size: int = 0) -> items.GroupFanout:
    """Return a message of the group with a body of so many bytes."""
    return items.GroupFanout(GROUP, CHAT, seq, "ann", f"m{seq}", "op", 0, bytes(size))


def membership(seq: int) -> items.Membership:
    """Return what says that somebody goes."""
    return items.Membership(GROUP, seq, seq, [], ["bob"])


def seqs(passed_on: list[ToInboxes]) -> list[int]:
    """Return the seqs of messages, and those of who goes as negative numbers."""
    found = [one for one in passed_on if isinstance(one, items.GroupFanout | items.Membership)]
    return [-one.seq if isinstance(one, items.Membership) else one.seq for one in found]


def test_the_oldest_messages_make_room_for_new_ones_by_bytes() -> None:
    """Large ones long before there are too many; who comes and goes is never dropped."""
    passed_on: list[ToInboxes] = []
    passing_on = PassingOn(passed_on.append)
    passing_on.hold(GROUP)
    passing_on.say(GROUP, membership(1))
    for seq in range(1, 11):
        passing_on.say(GROUP, message(seq, LARGE))
    passing_on.release(GROUP)

    assert seqs(passed_on) == [-1, 4, 5, 6, 7, 8, 9, 10]
    assert 7 * LARGE <= HELD_BYTES_MAX < 8 * LARGE + 1


def test_the_oldest_messages_make_room_for_new_ones_by_number() -> None:
    """However small they are."""
    passed_on: list[ToInboxes] = []
    passing_on = PassingOn(passed_on.append)
    passing_on.hold(GROUP)
    for seq in range(1, HELD_MAX + 3):
        passing_on.say(GROUP, message(seq))
    passing_on.release(GROUP)

    assert seqs(passed_on) == list(range(3, HELD_MAX + 3))


def test_something_is_said_where_the_log_was_marked_last() -> None:
    """Before what followed, after what came before; without a mark it is said last."""
    passed_on: list[ToInboxes] = []
    passing_on = PassingOn(passed_on.append)
    passing_on.mark(GROUP)
    passing_on.say(GROUP, message(1))
    passing_on.mark(GROUP)
    passing_on.say(GROUP, message(2))
    passing_on.say_at_mark(GROUP, [membership(2)])
    passing_on.say_at_mark(GROUP, [membership(3)])
    passing_on.release(GROUP)

    assert seqs(passed_on) == [1, -2, 2, -3]


def test_a_mark_that_nothing_was_said_at_is_not_passed_on() -> None:
    """Its effect may have gone."""
    passed_on: list[ToInboxes] = []
    passing_on = PassingOn(passed_on.append)
    passing_on.mark(GROUP)
    passing_on.say(GROUP, message(1))
    passing_on.release(GROUP)

    assert passed_on == [message(1)]


def test_what_surrounds_a_message_that_was_dropped_comes_first() -> None:
    """With the message: who goes is gone before all that followed."""
    passed_on: list[ToInboxes] = []
    passing_on = PassingOn(passed_on.append)
    passing_on.hold(GROUP)
    for seq in range(1, 10):
        passing_on.say(GROUP, message(seq, LARGE))
    assert not passing_on.has(GROUP, Place(CHAT, 1))
    passing_on.insert(GROUP, Place(CHAT, 1), [membership(1)], message(1), [])
    passing_on.release(GROUP)

    assert seqs(passed_on) == [-1, 1, 3, 4, 5, 6, 7, 8, 9]
