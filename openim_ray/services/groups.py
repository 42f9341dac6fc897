"""
Groups, as far as a login reads them (OpenIM wire, §6.5, §6.6).

No route makes a group yet, so these lists are empty in every store; they are asked all the same, and a list that is not
empty is refused as not built instead of being answered in part.
"""

from __future__ import annotations

from collections.abc import Sequence

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.ports import RelationStore, VersionDelta
from openim_ray.services.paging import check_ids, page_of
from openim_ray.services.versions import FullIDs, full_ids


class GroupService:
    """
    The groups a user is in.

    Args:
        relations: where memberships are kept.
    """

    def __init__(self, relations: RelationStore) -> None:
        self._relations = relations

    async def joined_changes(self, user_id: str, version_id: str, version: int) -> VersionDelta:
        """
        Return what changed in the list of joined groups since a client's version.
        """
        delta = await self._relations.joined_groups_delta(UserID(user_id), version_id, version)
        if delta.inserted or delta.updated:
            raise errors.NotImplementedRoute("not implemented: groups")
        return delta

    async def joined_total(self, user_id: str, number: int, size: int) -> int:
        """
        Return how many groups the user is in: none.
        """
        page_of(number, size)
        if await self._ids(user_id):
            raise errors.NotImplementedRoute("not implemented: groups")
        return 0

    async def full_joined_ids(self, user_id: str, client_hash: int) -> FullIDs:
        """
        Return the ids of all joined groups, unless the client has them.
        """
        return full_ids(*await self._relations.joined_group_ids(UserID(user_id)), client_hash)

    async def check_none_exists(self, group_ids: Sequence[str]) -> None:
        """
        Return if none of these ids names a group, which is then the answer to whatever is asked of them.
        """
        if await self._relations.existing_groups(check_ids("groupIDs", group_ids)):
            raise errors.NotImplementedRoute("not implemented: groups")

    async def _ids(self, user_id: str) -> list[str]:
        return (await self._relations.joined_group_ids(UserID(user_id)))[2]
