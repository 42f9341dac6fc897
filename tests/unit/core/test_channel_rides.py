"""Tests of batches that leave with a carrier of the other side."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.channel import InboundChannel, OutboundChannel, Receipt


def outbound() -> OutboundChannel:
    """A connected channel with a window of a second."""
    channel = OutboundChannel(window=1.0, bytes_max=90_000, queue_max=10)
    channel.connect("receiver")
    return channel


def test_a_ride_does_not_wait_for_the_window_and_keeps_the_order() -> None:
    """What rides back is numbered like everything else, so the receiver puts it in order."""
    sender, receiver = outbound(), InboundChannel()
    got: list[int] = []
    batches = []
    for number in range(3):
        sender.put(items.Kick([number]))
        batches.append(sender.take_now(0.0, "inbox-0", "incarnation"))

    for batch in reversed(batches):
        assert batch is not None
        receipt, due = receiver.receive(batch, 0.0, lambda _: None)
        assert receipt is Receipt.TAKEN
        got += [item.connections[0] for item in due if isinstance(item, items.Kick)]
    assert got == [0, 1, 2]


def test_a_ride_takes_no_place_among_the_calls_under_way() -> None:
    """Only calls of our own count as in flight; any number of rides may leave between them."""
    sender = outbound()
    for number in range(8):
        sender.put(items.Kick([number]))
        assert sender.take_now(0.0, "inbox-0", "incarnation") is not None
    sender.put(items.Kick([8]))

    assert sender.take(5.0, "inbox-0", "incarnation") is not None


def test_nothing_rides_while_the_peer_is_unknown() -> None:
    """Without a connected channel what waits stays."""
    sender = OutboundChannel(window=1.0, bytes_max=90_000, queue_max=10)
    sender.put(items.Kick([1]))

    assert sender.take_now(0.0, "inbox-0", "incarnation") is None
    assert sender.waiting == 1
