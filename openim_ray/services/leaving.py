"""
Ending the relations and memberships of an erased account, with the notifications that tell the others.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from openim_ray.config import Config
from openim_ray.domain import errors
from openim_ray.domain.group import GroupStatus, Role
from openim_ray.domain.ids import UserID
from openim_ray.ports import DirectoryStore, MessageReader, Page
from openim_ray.services.black_lists import BlackListService
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.friendships import FriendshipService
from openim_ray.services.groups.assembly import GroupServices, build_group_services
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.notifications import Cause
from openim_ray.transactions import DirectoryView, Window

AT_ONCE: Final = 100
"""Friends, blocked users or groups that are read at once; each ends in a transaction of its own."""

_FIRST = Page(1, AT_ONCE)


class Leaving:
    """
    Ends what others see of a user: friendships in both lists, her black list, memberships.

    A group that she owns goes to the admin, or else the member, who has been in it longest; one in which she is alone is dismissed. Interrupted at any
    point, it may be called again: it goes by what is still there. So it is after an error: somebody may have changed a group meanwhile.

    Args:
        directory: where that is looked up.
        friendships, black_lists, groups: end it.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(
        self,
        directory: DirectoryStore,
        friendships: FriendshipService,
        black_lists: BlackListService,
        groups: GroupServices,
        now_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._friendships = friendships
        self._black_lists = black_lists
        self._groups = groups
        self._now_ms = now_ms

    async def leave(self, user_id: str) -> None:
        """
        End everything. Raises an OpenIMError if something could not be ended; the rest is.
        """
        await self._end_friendships(user_id)
        await self._end_black_list(user_id)
        await self._end_memberships(user_id)

    async def _end_friendships(self, user_id: str) -> None:
        while friends := (await self._directory.friends(UserID(user_id), _FIRST))[1]:
            for friend in friends:
                await self._friendships.delete(self._cause(user_id), user_id, friend.friend.user_id)
        while owners := await self._directory.view(lambda view: view.friend_owners(user_id, "", AT_ONCE)):
            for owner_id in owners:
                await self._friendships.delete(self._cause(user_id), owner_id, user_id)

    async def _end_black_list(self, user_id: str) -> None:
        while blocked := (await self._directory.blocked(UserID(user_id), _FIRST))[1]:
            for one in blocked:
                await self._black_lists.unblock(self._cause(user_id), user_id, one.blocked.user_id)

    async def _end_memberships(self, user_id: str) -> None:
        after, failure = "", None
        while group_ids := await self._directory.view(partial(_joined_behind, user_id, after)):
            for group_id in group_ids:
                try:
                    await self._end_membership(user_id, group_id)
                except errors.OpenIMError as error:  # one group must not keep her in the others
                    failure = error
            after = group_ids[-1]
        if failure is not None:
            raise failure

    async def _end_membership(self, user_id: str, group_id: str) -> None:
        operator = Operator(self._cause(user_id), is_app_admin=True)
        place = await self._directory.view(partial(_place, group_id, user_id))
        if place.is_over or (place.is_owner and not place.heir_id):
            await self._groups.information.dismiss(operator, group_id, silently=False)
            return
        if place.is_owner:
            await self._groups.roles.transfer(operator, group_id, user_id, place.heir_id)
        await self._groups.membership.quit(operator, group_id, user_id)

    def _cause(self, user_id: str) -> Cause:
        return Cause(user_id, f"erase-{uuid.uuid4().hex}", self._now_ms())


def build_leaving(
    config: Config,
    directory: DirectoryStore,
    messages: MessageReader,
    changes: DirectoryChanges,
    now_ms: Callable[[], int],
) -> Leaving:
    """
    Put it together; `changes` runs the changes, `messages` tells where the logs of groups end.
    """
    groups = build_group_services(directory, messages, changes, config.groups)
    return Leaving(directory, FriendshipService(changes), BlackListService(changes), groups, now_ms)


class _Place(NamedTuple):
    """What she is in a group, and who would own it after her."""

    is_owner: bool
    heir_id: str
    is_over: bool


def _place(group_id: str, user_id: str, view: DirectoryView) -> _Place:
    group = view.groups([group_id]).get(group_id)
    member = view.members(group_id, [user_id]).get(user_id)
    _, first = view.page_members(group_id, (), "", Window(0, 2))  # the owner, admins, members, each by time of joining
    heirs = [one.user.user_id for one in first if one.user.user_id != user_id]
    return _Place(
        member is not None and member.role_level == Role.OWNER,
        heirs[0] if heirs else "",
        group is not None and group.status == GroupStatus.DISMISSED,
    )


def _joined_behind(user_id: str, after: str, view: DirectoryView) -> list[str]:
    return view.joined_group_ids(user_id, after, AT_ONCE)
