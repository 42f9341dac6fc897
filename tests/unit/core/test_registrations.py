"""Registrations that have to be made again."""

from __future__ import annotations

from openim_ray.core.gateway.registrations import Registrations


def sent(registrations: Registrations, call: int) -> list[tuple[int, int]]:
    """Send what is due under one call number each, counted from `call`."""
    taken = registrations.take(10)
    for number, (connection, _) in enumerate(taken):
        registrations.sent(connection, call + number)
    return taken


def test_a_second_break_does_not_shorten_what_may_be_missing() -> None:
    """Until an inbox has confirmed, the earliest time counts."""
    registrations = Registrations()
    registrations.need(1, 100)
    assert sent(registrations, 11) == [(1, 100)]

    registrations.need(1, 900)

    assert sent(registrations, 12) == [(1, 100)]
    assert not registrations.answered(11, success=True)
    assert registrations.answered(12, success=True)
    registrations.need(1, 900)
    assert sent(registrations, 13) == [(1, 900)]


def test_what_was_refused_is_due_again() -> None:
    """After `retry`, not at once."""
    registrations = Registrations()
    registrations.need(1, 100)
    sent(registrations, 11)
    registrations.answered(11, success=False)

    assert registrations.take(10) == []
    registrations.retry()
    assert registrations.take(10) == [(1, 100)]


def test_so_many_at_once_the_oldest_first() -> None:
    """A link's queue is bounded."""
    registrations = Registrations()
    for connection in (3, 1, 2):
        registrations.need(connection, 0)

    assert [connection for connection, _ in registrations.take(2)] == [3, 1]
    assert [connection for connection, _ in registrations.take(2)] == [2]


def test_a_connection_that_is_gone_is_forgotten() -> None:
    """Wherever it stood."""
    registrations = Registrations()
    for connection in (1, 2, 3):
        registrations.need(connection, 0)
    taken = registrations.take(2)
    for connection, _ in taken:
        registrations.sent(connection, 10 + connection)
    registrations.answered(11, success=False)

    for connection in (1, 2, 3):
        registrations.forget(connection)

    registrations.retry()
    assert registrations.take(10) == []
    assert not registrations.answered(12, success=True)
