"""
What the stores are that `storage.open` opens: each has its port, and can be closed.
"""

from __future__ import annotations

from typing import Protocol

from openim_ray.ports import (
    DirectoryStore,
    ErasingStore,
    HistoryReader,
    HistoryStore,
    MessageReader,
    PositionReader,
    RetentionStore,
    StateStore,
    TokenReader,
)


class Closing(Protocol):
    """
    What every opened store has besides its port.
    """

    async def aclose(self) -> None:
        """Finish what runs, then give connections and threads back."""
        ...


class OpenMessageReader(MessageReader, Closing, Protocol):
    """
    A reader of conversation logs.
    """

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        ...


class OpenMessageStore(RetentionStore, ErasingStore, Closing, Protocol):
    """
    A writer of conversation logs.
    """


class OpenHistoryReader(HistoryReader, Closing, Protocol):
    """
    A reader of the history.
    """

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        ...


class OpenHistoryStore(HistoryStore, OpenHistoryReader, Protocol):
    """
    A writer of the history.
    """


class Counting(Protocol):
    """
    What a store that may have hot copies has besides.
    """

    def counters(self) -> dict[str, int]:
        """Return what it counted of them, for metrics; nothing if there are none."""
        ...


class OpenStateReader(TokenReader, PositionReader, Counting, Closing, Protocol):
    """
    A reader of token states and read positions.
    """


class OpenStateStore(StateStore, Counting, Closing, Protocol):
    """
    A writer of token states and read positions.
    """


class OpenDirectoryStore(DirectoryStore, Closing, Protocol):
    """
    Everything about people.
    """

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`."""
        ...
