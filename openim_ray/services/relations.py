"""
Friends and black lists, read (OpenIM wire, §6.4, §6.6). `services.friendships` and `services.black_lists` change them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Blocked, Friend, User
from openim_ray.ports import DirectoryStore
from openim_ray.services.paging import check_ids, page_of
from openim_ray.services.versions import Changes, FullIDs, changes_of, full_ids
from openim_ray.transactions import DirectoryView


class Relation(NamedTuple):
    """
    What a user is to another who looks at her.
    """

    user: User
    friend: Friend | None
    blocked: Blocked | None


class RelationService:
    """
    A user's friends and whom she blocked.

    Args:
        relations: where they are kept.
    """

    def __init__(self, relations: DirectoryStore) -> None:
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

    async def designated_blocked(self, owner_id: str, user_ids: Sequence[str]) -> list[Blocked]:
        """
        Return those that are on the black list, in the order asked for.
        """
        asked = check_ids("userIDList", user_ids)
        found = await self._relations.view(lambda view: view.blacks_among(owner_id, asked))
        return [found[user_id] for user_id in asked if user_id in found]

    async def relations(self, owner_id: str, user_ids: Sequence[str]) -> list[Relation]:
        """
        Return what users are to the owner, in the order asked for; unknown ids are left out.
        """
        asked = check_ids("userIDList", user_ids)

        def query(view: DirectoryView) -> list[Relation]:
            users = view.users(asked)
            friends, blacks = view.friends_among(owner_id, asked), view.blacks_among(owner_id, asked)
            return [Relation(users[one], friends.get(one), blacks.get(one)) for one in asked if one in users]

        return await self._relations.view(query)

    async def are_friends(self, one: str, other: str) -> tuple[bool, bool]:
        """
        Tell whether the other stands in the first one's friend list, and whether the first stands in the other's.
        """
        return await self._relations.view(
            lambda view: (other in view.friends_among(one, [other]), one in view.friends_among(other, [one]))
        )

    async def _by_id(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Friend]:
        friends = await self._relations.designated_friends(UserID(owner_id), [UserID(one) for one in user_ids])
        return {friend.friend.user_id: friend for friend in friends}
