"""
The lease under which copies are believed (`storage/redis/lease.py`).
"""

from __future__ import annotations

import pytest

from openim_ray.storage.redis.lease import (
    LEASE_SECONDS,
    MARGIN_SECONDS,
    REST_MAX_SECONDS,
    REST_MIN_SECONDS,
    WriterLease,
)

SERVER_MS = 1_764_000_000_000


def held(now: float) -> WriterLease:
    """Return a lease that was taken just now."""
    lease = WriterLease(now)
    lease.clock_read(SERVER_MS, now)
    lease.asked(now)
    lease.taken("mine", now)
    return lease


def test_a_predecessors_lease_is_waited_for() -> None:
    """Who begins must not think that nobody believes copies: the one before may have been killed a moment ago."""
    lease = WriterLease(100.0)

    assert lease.seconds_left(100.0) == LEASE_SECONDS + MARGIN_SECONDS
    assert lease.seconds_left(100.0 + LEASE_SECONDS + MARGIN_SECONDS) == 0


def test_a_request_that_comes_late_gives_no_more_time() -> None:
    """The end is fixed by the server's clock when the request leaves, not when it arrives."""
    lease = WriterLease(100.0)
    lease.clock_read(SERVER_MS, 100.0)

    assert lease.asked(100.75) == SERVER_MS + 750 + int(LEASE_SECONDS * 1000)
    assert lease.seconds_left(100.75) == LEASE_SECONDS + MARGIN_SECONDS


@pytest.mark.parametrize("later", [0.0, 1.0, 10.0])
def test_a_lease_ends_for_its_holder_after_it_ends_for_readers(later: float) -> None:
    """Whenever it was renewed last: what the holder counts is longer than what the server was told."""
    lease = held(100.0)
    now = 100.0 + later
    ends_at_server = lease.asked(now)

    server_now_ms = SERVER_MS + (now + lease.seconds_left(now) - 100.0) * 1000
    assert server_now_ms >= ends_at_server + MARGIN_SECONDS * 1000


def test_what_was_let_go_is_not_taken_at_once() -> None:
    """A lease that could not be served rests, longer each time, until one is renewed again."""
    lease = held(100.0)
    lease.let_go(101.0)
    assert lease.name == ""
    assert not lease.may_be_taken(101.0 + REST_MIN_SECONDS - 0.1)
    assert lease.may_be_taken(101.0 + REST_MIN_SECONDS)

    for _ in range(10):
        lease.let_go(200.0)
    assert not lease.may_be_taken(200.0 + REST_MAX_SECONDS - 0.1)
    assert lease.may_be_taken(200.0 + REST_MAX_SECONDS)

    lease.renewed()
    lease.let_go(300.0)
    assert lease.may_be_taken(300.0 + REST_MIN_SECONDS)


def test_what_is_let_go_while_it_is_asked_for_is_not_held() -> None:
    """A save failed meanwhile: what readers copied under this lease may be from before it."""
    lease = WriterLease(100.0)
    lease.asked(100.0)
    lease.let_go(100.1)
    lease.taken("mine", 100.2)

    assert lease.name == ""
    assert lease.seconds_left(100.2) > LEASE_SECONDS


def test_letting_go_ends_nothing_for_readers() -> None:
    """They believe copies until it has run out, or another one stands."""
    lease = held(100.0)
    lease.let_go(101.0)

    assert lease.seconds_left(101.0) == LEASE_SECONDS + MARGIN_SECONDS - 1.0
