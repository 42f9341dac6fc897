"""
Applications for friendship, read (OpenIM wire, §6.4). `services.friendships` makes and answers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.people import FriendRequest, HandleResult
from openim_ray.ports import DirectoryStore
from openim_ray.services.paging import window_of
from openim_ray.transactions import DirectoryView

_RESULTS: Final = frozenset(HandleResult)


class FriendRequestService:
    """
    Applications that users sent and received.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: DirectoryStore) -> None:
        self._directory = directory

    async def received(
        self, user_id: str, results: Sequence[int], number: int, size: int
    ) -> tuple[int, list[FriendRequest]]:
        """
        Return total and one page of what a user received, newest first; `results` empty = whatever became of it.
        """
        window, wanted = window_of(number, size), _results(results)
        return await self._directory.view(lambda view: view.received_friend_requests(user_id, wanted, window))

    async def sent(
        self, user_id: str, results: Sequence[int], number: int, size: int
    ) -> tuple[int, list[FriendRequest]]:
        """
        Return total and one page of what a user sent, newest first.
        """
        window, wanted = window_of(number, size), _results(results)
        return await self._directory.view(lambda view: view.sent_friend_requests(user_id, wanted, window))

    async def between(self, one: str, other: str) -> list[FriendRequest]:
        """
        Return the applications of two users to each other, that of the first one first.
        """

        def query(view: DirectoryView) -> list[FriendRequest]:
            return [found for found in (view.friend_request(one, other), view.friend_request(other, one)) if found]

        return await self._directory.view(query)

    async def unhandled(self, user_id: str, since_ms: int) -> int:
        """
        Return how many applications a user received since then that nobody answered.
        """
        return await self._directory.view(lambda view: view.pending_friend_requests(user_id, since_ms))


def _results(results: Sequence[int]) -> list[int]:
    if unknown := [one for one in results if one not in _RESULTS]:
        raise errors.ArgsError(f"handleResults: {unknown[0]} is none of -1, 0, 1")
    return sorted(set(results))
