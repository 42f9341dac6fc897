"""Order and at-most-once over a transport that reorders, delays and fails."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.channel import InboundChannel, OutboundChannel, Receipt


def make_outbound(queue_max: int = 100, bytes_max: int = 10_000) -> OutboundChannel:
    """Return a connected sending end without a window."""
    channel = OutboundChannel(window=0.0, bytes_max=bytes_max, queue_max=queue_max)
    channel.connect("receiver#1")
    return channel


def beats(count: int) -> list[items.AnyItem]:
    """Return items that can be told apart."""
    return [items.Unregister("alice", number) for number in range(count)]


def batches(count: int, *, channel: int = 1, incarnation: str = "sender#1") -> list[items.Batch]:
    """Return the batches of a channel, one item each."""
    return [
        items.Batch(items.BATCH_VERSION, "sender", incarnation, "receiver#1", channel, number + 1, [item])
        for number, item in enumerate(beats(count))
    ]


class Receiver:
    """
    A receiving end with what it handed over.
    """

    def __init__(self) -> None:
        self.channel = InboundChannel(hole_seconds=0.5, silence_seconds=5.0)
        self.handled: list[items.AnyItem] = []
        self.resets: list[str] = []

    def take(self, batch: items.Batch, now: float = 0.0) -> Receipt:
        """Take a batch."""
        receipt, due = self.channel.receive(batch, now, self.resets.append)
        self.handled += due
        return receipt


# --- sending


def test_items_leave_in_order_and_batches_are_numbered() -> None:
    """A batch takes what fits; the next one goes on."""
    channel = make_outbound(bytes_max=400)
    for item in beats(5):
        channel.put(item)

    first, second = channel.take(0.0, "s", "i"), channel.take(0.0, "s", "i")

    assert first is not None
    assert second is not None
    assert [first.number, second.number] == [1, 2]
    assert first.items + second.items == beats(4)


def test_nothing_leaves_before_the_peer_is_known() -> None:
    """What waits goes along with the first channel."""
    channel = OutboundChannel(window=0.0, bytes_max=1_000, queue_max=10)
    channel.put(items.Heartbeat())
    assert channel.take(0.0, "s", "i") is None

    channel.connect("receiver#1")

    batch = channel.take(0.0, "s", "i")
    assert batch is not None
    assert (batch.receiver_incarnation, batch.channel, batch.number) == ("receiver#1", 1, 1)


def test_a_window_collects_but_not_when_more_is_left_behind() -> None:
    """An idle link sends at once, a busy one after its window, one with a full batch behind it at once."""
    channel = OutboundChannel(window=1.0, bytes_max=400, queue_max=100)
    channel.connect("receiver#1")
    channel.put(items.Heartbeat())
    assert channel.take(0.0, "s", "i") is not None

    for item in beats(3):
        channel.put(item)

    assert channel.take(0.5, "s", "i") is None
    assert channel.take(1.0, "s", "i") is not None
    assert channel.take(1.0, "s", "i") is not None


def test_batches_in_flight_are_bounded() -> None:
    """Beyond the limit the next one waits until one was taken."""
    channel = OutboundChannel(window=0.0, bytes_max=1, queue_max=100, in_flight_max=2)
    channel.connect("receiver#1")
    for item in beats(3):
        channel.put(item)
    first = channel.take(0.0, "s", "i")
    channel.take(0.0, "s", "i")
    assert first is not None

    assert channel.take(0.0, "s", "i") is None
    channel.taken(first)
    assert channel.take(0.0, "s", "i") is not None


def test_a_full_queue_takes_nothing_more_until_it_is_reset() -> None:
    """Otherwise later items would go before those that are said again because of the reset."""
    channel = make_outbound(queue_max=2)
    for item in beats(3):
        channel.put(item)
    channel.take(0.0, "s", "i")
    channel.put(items.Heartbeat())

    assert channel.overflowed
    assert channel.waiting == 0
    channel.reset()
    channel.put(items.Heartbeat())
    assert (channel.overflowed, channel.waiting) == (False, 1)


def test_the_failure_of_an_older_channel_says_nothing() -> None:
    """Only batches of the living channel end it."""
    channel = make_outbound()
    channel.put(items.Heartbeat())
    batch = channel.take(0.0, "s", "i")
    assert batch is not None
    assert channel.concerns(batch)

    channel.reset()
    channel.connect("receiver#1")

    assert not channel.concerns(batch)


# --- receiving


def test_batches_are_put_in_order() -> None:
    """Whatever order they arrive in."""
    receiver = Receiver()
    one, two, three = batches(3)

    for batch in (two, three, one):
        assert receiver.take(batch) is Receipt.TAKEN

    assert receiver.handled == beats(3)


def test_a_repeated_batch_is_handled_once() -> None:
    """It is taken, and nothing comes of it."""
    receiver = Receiver()
    (batch,) = batches(1)

    assert [receiver.take(batch), receiver.take(batch)] == [Receipt.TAKEN, Receipt.TAKEN]
    assert receiver.handled == beats(1)


def test_a_new_channel_is_told_before_its_first_item() -> None:
    """Whoever handles the items must know that something may be lost."""
    receiver = Receiver()
    receiver.take(batches(1)[0])
    receiver.take(batches(1, channel=2)[0])
    receiver.take(batches(1, channel=1, incarnation="sender#2")[0])

    assert receiver.resets == ["sender#1", "sender#1", "sender#2"]


def test_late_batches_of_an_earlier_channel_are_refused() -> None:
    """Also those of an incarnation that was replaced."""
    receiver = Receiver()
    one, two = batches(2)
    receiver.take(one)
    receiver.take(batches(1, channel=2)[0])

    assert receiver.take(two) is Receipt.STALE
    receiver.take(batches(1, incarnation="sender#2")[0])
    assert receiver.take(batches(1, channel=3)[0]) is Receipt.STALE


def test_a_hole_that_does_not_close_ends_the_channel() -> None:
    """Nothing behind it is handled any more, and the other side can be told which channel is over."""
    receiver = Receiver()
    one, _, three, four = batches(4)
    receiver.take(one)
    receiver.take(three, 1.0)

    assert not receiver.channel.check_hole(1.4)
    assert receiver.channel.check_hole(1.5)
    assert receiver.take(four, 1.6) is Receipt.OVER
    assert receiver.handled == beats(1)
    assert receiver.channel.refused_channel("sender#1") == 1
    assert receiver.channel.refused_channel("sender#2") == 0


def test_a_hole_that_closes_in_time_is_none() -> None:
    """A late batch brings those behind it along."""
    receiver = Receiver()
    one, two, three = batches(3)
    receiver.take(one)
    receiver.take(three, 1.0)
    receiver.take(two, 1.3)

    assert not receiver.channel.check_hole(9.0)
    assert receiver.handled == beats(3)


def test_too_much_behind_a_hole_ends_the_channel() -> None:
    """The reorder buffer is bounded."""
    receiver = Receiver()
    receiver.channel = InboundChannel(reorder_max=2)

    receipts = [receiver.take(batch) for batch in batches(4)[1:]]

    assert receipts == [Receipt.TAKEN, Receipt.TAKEN, Receipt.OVER]
    assert receiver.handled == []


def test_a_process_that_lived_on_does_not_shut_its_successor_out_for_good() -> None:
    """If the one that was heard last is silent, the other is heard again."""
    receiver = Receiver()
    receiver.take(batches(1, incarnation="new")[0], 0.0)
    receiver.take(batches(1, incarnation="zombie")[0], 1.0)

    assert receiver.take(batches(1, channel=2, incarnation="new")[0], 3.0) is Receipt.STALE
    assert receiver.take(batches(1, channel=3, incarnation="new")[0], 6.5) is Receipt.TAKEN
    assert receiver.take(batches(1, channel=2, incarnation="zombie")[0], 7.0) is Receipt.STALE


def test_a_batch_survives_its_encoding() -> None:
    """Items of every kind keep their type and fields."""
    batch = items.Batch(
        items.BATCH_VERSION,
        "gateway-0",
        "g#1",
        "i#1",
        2,
        3,
        [
            items.Register(1 << 62, "alice", 1 << 61, 1, "digest", 9, "go", 5, 1, again=True, since_ms=4),
            items.Fanout(["a", "b"], "si_a_b", 7, "a", "c", "op", 8, b"body"),
            items.StoredLog(3, "duplicate", {0: (1, "s", 2)}),
        ],
        refuses=4,
    )

    assert items.decode_batch(items.encode_batch(batch)) == batch


def test_a_queue_with_too_many_bytes_is_full() -> None:
    """Also if the items are few: what is large in them is no body."""
    channel = OutboundChannel(window=0.0, bytes_max=1_000, queue_max=100, queue_bytes_max=3_000)
    channel.connect("receiver#1")
    reply = items.Reply(1, value=b"x" * 1_000)
    for _ in range(2):
        channel.put(reply)
    assert not channel.overflowed
    assert channel.take(0.0, "s", "i") is not None
    channel.put(reply)
    assert not channel.overflowed

    channel.put(reply)

    assert channel.overflowed
    channel.reset()
    channel.put(reply)
    assert not channel.overflowed
