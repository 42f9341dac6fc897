"""
Deadlines of connections: who is silent, who takes nothing of what is sent, who was let go and doesn't leave (OpenIM wire, §2.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.protocol.identifiers import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openim_ray.gateway.connection import Connection


class Times(NamedTuple):
    """
    Deadlines in seconds; see `[gateway]` in the configuration.
    """

    read: float
    write: float
    web_ping: float


class Deadlines:
    """
    Cuts off who exceeds one.

    Args:
        times: how long.
    """

    def __init__(self, times: Times) -> None:
        self.stalled = 0
        """Connections cut off because they took nothing."""

        self._times = times
        self._leaving: list[tuple[float, Connection]] = []

    def leave(self, connection: Connection, now: float) -> None:
        """Give a connection that is read no more the write deadline to take what its socket still has."""
        if connection.unsent_bytes:
            self._leaving.append((now + self._times.write, connection))

    def sweep(self, connections: Iterable[Connection], now: float) -> list[Connection]:
        """
        Cut off who is due; return those that want a ping: a browser doesn't ping by itself.
        """
        pinged = [
            connection
            for connection in connections
            if not self._cut_off_if_due(connection, now) and self._take_due_ping(connection, now)
        ]
        self._cut_off_leaving(now)
        return pinged

    def _cut_off_if_due(self, connection: Connection, now: float) -> bool:
        if now - connection.last_heard > self._times.read:
            connection.abort()
            return True
        if connection.stalled(now, self._times.write):
            self.stalled += 1
            connection.abort()
            return True
        return False

    def _take_due_ping(self, connection: Connection, now: float) -> bool:
        if connection.platform_id != Platform.WEB or now - connection.last_pinged <= self._times.web_ping:
            return False
        connection.last_pinged = now
        return True

    def _cut_off_leaving(self, now: float) -> None:
        leaving, self._leaving = self._leaving, []
        for deadline, connection in leaving:
            if deadline <= now:
                connection.abort()
            elif connection.unsent_bytes:
                self._leaving.append((deadline, connection))
