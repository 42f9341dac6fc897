"""
Registrations that a gateway has to make again after a break.
"""

from __future__ import annotations

from itertools import islice


class Registrations:
    """
    Connections (by number) that are registered again until their inboxes have confirmed it.

    For each it keeps the time from which on pushes may be missing: a second break before the confirmation must not
    make that time later.
    """

    def __init__(self) -> None:
        self._since_ms: dict[int, int] = {}
        self._due: dict[int, None] = {}
        self._refused: dict[int, None] = {}
        self._calls: dict[int, int] = {}
        self._under_way: dict[int, int] = {}

    def need(self, connection: int, since_ms: int) -> None:
        """Note that a connection may have missed what is younger than `since_ms` and must be registered."""
        self._since_ms[connection] = min(since_ms, self._since_ms.get(connection, since_ms))
        self._give_up_call(connection)
        self._refused.pop(connection, None)
        self._due[connection] = None

    def take(self, count_max: int) -> list[tuple[int, int]]:
        """Return (connection, since_ms) of those that are due, oldest first; `sent` must follow for each."""
        if not self._due:
            return []
        taken = list(islice(self._due, count_max))
        for connection in taken:
            del self._due[connection]
        return [(connection, self._since_ms[connection]) for connection in taken]

    def sent(self, connection: int, call: int) -> None:
        """Note under which call number a registration left."""
        self._calls[call] = connection
        self._under_way[connection] = call

    def answered(self, call: int, *, success: bool) -> bool:
        """Take the answer to a call; False if it is none of these. What was refused is due again after `retry`."""
        connection = self._calls.pop(call, None)
        if connection is None:
            return False
        del self._under_way[connection]
        if success:
            del self._since_ms[connection]
        else:
            self._refused[connection] = None
        return True

    def retry(self) -> None:
        """Let what was refused be due again."""
        self._due.update(self._refused)
        self._refused.clear()

    def forget(self, connection: int) -> None:
        """Note that a connection is gone."""
        self._give_up_call(connection)
        for known in (self._since_ms, self._due, self._refused):
            known.pop(connection, None)

    def _give_up_call(self, connection: int) -> None:
        call = self._under_way.pop(connection, None)
        if call is not None:
            del self._calls[call]
