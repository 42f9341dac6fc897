"""
How long copies may be believed: as long as the one who has to change them can.

Copies in Redis carry the name of a lease. Its holder is the persistence actor that writes the rows they are copies of; it renews the lease and
changes the copies after each commit, before it answers. If it can't change one, it lets the lease go, and answers when the lease
has certainly expired: from then on no copy with that name is believed by anybody.
"""

from __future__ import annotations

LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
MARGIN_SECONDS = 0.5
"""For clocks that run at different rates."""

REST_MIN_SECONDS = 5.0
REST_MAX_SECONDS = 60.0
"""After a copy that couldn't be changed, no lease is taken for so long, doubled with each time: every one may cost a save `LEASE_SECONDS`."""


class WriterLease:
    """
    What the holder knows of its lease; times are seconds of its own monotonic clock.

    It begins with nothing held, but with a predecessor whose lease may still run.
    """

    def __init__(self, now: float) -> None:
        self.name = ""
        """The lease's name while it is held, else empty."""
        self._ends = self._ended_before = now + LEASE_SECONDS + MARGIN_SECONDS
        self._rests_until = now
        self._rest = REST_MIN_SECONDS
        self._clock_at = 0.0
        self._clock_ms = 0

    def clock_read(self, server_ms: int, now: float) -> None:
        """Note what the server's clock said (Unix milliseconds) in a reply that has just come."""
        self._clock_ms, self._clock_at = server_ms, now

    def asked(self, now: float) -> int:
        """
        Note that the lease is about to be taken or renewed, and return until when (the server's clock): fixed before it leaves, so that a request
        which lies about for a while gives no more time than is counted here.
        """
        self._ended_before = self._ends
        self._ends = max(self._ends, now + LEASE_SECONDS + MARGIN_SECONDS)
        return self._clock_ms + int((now - self._clock_at + LEASE_SECONDS) * 1000)

    def refused(self) -> None:
        """The server has done nothing of what it was asked last."""
        self._ends = self._ended_before

    def taken(self, name: str, now: float) -> None:
        """Hold it, unless it was let go while it was asked for; whatever ran before has ended with that, as there is one lease only."""
        if self.may_be_taken(now):
            self.name = name

    def renewed(self) -> None:
        """It holds: what has failed before is forgiven."""
        self._rest = REST_MIN_SECONDS

    def lost(self) -> None:
        """Nobody believes it any more: it is gone, or in the hands of another."""
        self.name = ""

    def let_go(self, now: float) -> None:
        """Renew it no more, as a copy could not be changed, and take none for a while."""
        self.name = ""
        self._rests_until = now + self._rest
        self._rest = min(self._rest * 2, REST_MAX_SECONDS)

    def may_be_taken(self, now: float) -> bool:
        """Tell whether it is time to take one."""
        return now >= self._rests_until

    def seconds_left(self, now: float) -> float:
        """Return for how long somebody may believe copies, at most; 0 if nobody does."""
        return max(self._ends - now, 0.0)
