"""
Friends and black lists, read (OpenIM wire, §6.4, §6.6).
"""

from __future__ import annotations

from collections.abc import Sequence

from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Blocked, Friend
from openim_ray.ports import RelationStore
from openim_ray.services.paging import check_ids, page_of
from openim_ray.services.versions import Changes, FullIDs, changes_of, full_ids


class RelationService:
    """
    A user's friends and whom she blocked.

    Args:
        relations: where they are kept.
    """

    def __init__(self, relations: RelationStore) -> None:
        self._relations = relations

    async def friends(self, owner_id: str, number: int, size: int) -> tuple[int, list[Friend]]:
        """
        Return total and one page, pinned friends first.
        """
        return await self._relations.friends(UserID(owner_id), page_of(number, size))

    async def designated_friends(self, owner_id: str, user_ids: Sequence[str]) -> list[Friend]:
        """
        Return those that are friends, in the order asked for.
        """
        asked = check_ids("friendUserIDs", user_ids)
        found = await self._by_id(owner_id, asked)
        return [found[user_id] for user_id in asked if user_id in found]

    async def friend_ids(self, owner_id: str) -> list[str]:
        """
        Return the ids of all friends.
        """
        return (await self._relations.friend_ids(UserID(owner_id)))[2]

    async def friend_changes(self, owner_id: str, version_id: str, version: int) -> Changes[Friend]:
        """
        Return what changed in the friend list since a client's version.
        """
        delta = await self._relations.friends_delta(UserID(owner_id), version_id, version)
        return await changes_of(delta, lambda ids: self._by_id(owner_id, ids))

    async def full_friend_ids(self, owner_id: str, client_hash: int) -> FullIDs:
        """
        Return all ids in list order, unless the client has them.
        """
        return full_ids(*await self._relations.friend_ids(UserID(owner_id)), client_hash)

    async def blocked(self, owner_id: str, number: int, size: int) -> tuple[int, list[Blocked]]:
        """
        Return total and one page of the black list.
        """
        return await self._relations.blocked(UserID(owner_id), page_of(number, size))

    async def _by_id(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Friend]:
        friends = await self._relations.designated_friends(UserID(owner_id), [UserID(one) for one in user_ids])
        return {friend.friend.user_id: friend for friend in friends}
