"""
Groups, members and applications, looked up (OpenIM wire, §6.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupRequest, Member, Role
from openim_ray.domain.people import HandleResult, User
from openim_ray.ports import DirectoryStore
from openim_ray.services.groups.authority import Action, may
from openim_ray.services.groups.limits import ABSTRACTS_MAX, USERS_PER_CALL_MAX
from openim_ray.services.groups.lookups import Operator, existing_group, permit, standing_in
from openim_ray.services.paging import check_ids, window_of
from openim_ray.services.versions import id_hash
from openim_ray.transactions import DirectoryView

FILTERS: Final = MappingProxyType(
    {
        0: (),
        1: (Role.OWNER,),
        2: (Role.ADMIN,),
        3: (Role.MEMBER,),
        4: (Role.ADMIN, Role.MEMBER),
        5: (Role.OWNER, Role.ADMIN),
    }
)
"""`filter` of a member list, as roles; none = all (OpenIM wire, §4.2)."""

_RESULTS: Final = frozenset(HandleResult)


class GroupRequests(NamedTuple):
    """
    Applications of one page, and the groups they go to, by id.
    """

    total: int
    requests: list[GroupRequest]
    groups: dict[str, Group]


class OwnedGroup(NamedTuple):
    """
    A group and the account of its owner; a dismissed one has none.
    """

    group: Group
    owner: User | None


class GroupAbstract(NamedTuple):
    """
    What tells whether two see the same members: how many there are, and the hash of their ids in ascending order.
    """

    group_id: str
    member_count: int
    ids_hash: int


class GroupQueries:
    """
    Looks groups up. A group that is over is shown with no members.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: DirectoryStore) -> None:
        self._directory = directory

    async def groups(self, group_ids: Sequence[str]) -> list[Group]:
        """
        Return the groups that exist, in the order asked for.
        """
        asked = check_ids("groupIDs", group_ids)
        found = await self._directory.view(lambda view: view.groups(asked))
        return [found[one] for one in asked if one in found]

    async def abstracts(self, operator: Operator, group_ids: Sequence[str]) -> list[GroupAbstract]:
        """
        Return number and hash of the members of those groups that exist, in the order asked for.

        The hash is 0 for who may not read the member list: she could find out by it whether somebody is on it.

        Raises:
            ArgsError: more than `ABSTRACTS_MAX` groups.
        """
        asked = check_ids("groupIDs", group_ids)
        if len(asked) > ABSTRACTS_MAX:
            raise errors.ArgsError(f"groupIDs holds more than {ABSTRACTS_MAX} groups")

        def query(view: DirectoryView) -> list[GroupAbstract]:
            found = view.groups(asked)
            return [_abstract(view, operator, found[one]) for one in asked if one in found]

        return await self._directory.view(query)

    async def search(self, group_id: str, name: str, number: int, size: int) -> tuple[int, list[OwnedGroup]]:
        """
        Return total and one page of groups; an id must be equal, a name be contained, if not empty.
        """
        window = window_of(number, size)

        def query(view: DirectoryView) -> tuple[int, list[OwnedGroup]]:
            total, groups = view.search_groups(group_id, name, window)
            owners = view.users([group.owner_user_id for group in groups if group.owner_user_id])
            return total, [OwnedGroup(group, owners.get(group.owner_user_id)) for group in groups]

        return await self._directory.view(query)

    async def joined(self, user_id: str, number: int, size: int) -> tuple[int, list[Group]]:
        """
        Return total and one page of the groups a user is in, by time of joining.
        """
        window = window_of(number, size)
        return await self._directory.view(lambda view: view.joined_groups(user_id, window))

    async def members(self, operator: Operator, group_id: str, user_ids: Sequence[str]) -> list[Member]:
        """
        Return those that are members, in the order asked for.

        Raises:
            RecordNotFound: there is no such group.
            NoPermission: who asks is no member.
        """
        asked = check_ids("userIDs", user_ids)

        def query(view: DirectoryView) -> dict[str, Member]:
            _permit_reading(view, operator, group_id)
            return view.members(group_id, asked)

        found = await self._directory.view(query)
        return [found[one] for one in asked if one in found]

    async def page_members(
        self, operator: Operator, group_id: str, which: int, keyword: str, number: int, size: int
    ) -> tuple[int, list[Member]]:
        """
        Return total and one page of members, role descending, then by time of joining.

        Args:
            operator: who asks.
            group_id: the group.
            which: a key of `FILTERS`.
            keyword: part of the id or of the name that is shown; empty = all.
            number: which page, from 1.
            size: rows of a page.

        Raises:
            ArgsError: an unknown filter, or no page.
            RecordNotFound: there is no such group.
            NoPermission: who asks is no member.
        """
        if which not in FILTERS:
            raise errors.ArgsError("filter is not in 0..5")
        window = window_of(number, size)

        def query(view: DirectoryView) -> tuple[int, list[Member]]:
            _permit_reading(view, operator, group_id)
            return view.page_members(group_id, FILTERS[which], keyword, window)

        return await self._directory.view(query)

    async def member_ids(self, operator: Operator, group_id: str) -> list[str]:
        """
        Return the ids of all members in list order. Raises as `members` does.
        """

        def query(view: DirectoryView) -> list[str]:
            _permit_reading(view, operator, group_id)
            return view.member_ids(group_id)

        return await self._directory.view(query)

    # --- applications

    async def received_requests(
        self, user_id: str, group_ids: Sequence[str], results: Sequence[int], number: int, size: int
    ) -> GroupRequests:
        """
        Return applications to groups that a user owns or administers: to these of them, or (none named) to all; newest first.
        """
        window, asked = window_of(number, size), set(check_ids("groupIDs", group_ids))
        _check_results(results)

        def query(view: DirectoryView) -> GroupRequests:
            managed = [one for one in view.managed_group_ids(user_id) if not asked or one in asked]
            total, requests = view.requests_to_groups(managed, results, window) if managed else (0, [])
            return _with_groups(view, total, requests)

        return await self._directory.view(query)

    async def sent_requests(
        self, user_id: str, group_ids: Sequence[str], results: Sequence[int], number: int, size: int
    ) -> GroupRequests:
        """
        Return a user's applications: to these groups, or (none named) to any; newest first.
        """
        window, asked = window_of(number, size), check_ids("groupIDs", group_ids)
        _check_results(results)
        return await self._directory.view(
            lambda view: _with_groups(view, *view.requests_of_user(user_id, asked, results, window))
        )

    async def requests_of(self, operator: Operator, group_id: str, user_ids: Sequence[str]) -> GroupRequests:
        """
        Return the newest application of each of these users to a group, in the order asked for. A user may ask for her own.

        Raises:
            ArgsError: too many users.
            RecordNotFound: there is no such group.
            NoPermission: who asks is neither owner nor admin.
        """
        asked = check_ids("userIDs", user_ids)
        if len(asked) > USERS_PER_CALL_MAX:
            raise errors.ArgsError(f"userIDs holds more than {USERS_PER_CALL_MAX} ids")

        def query(view: DirectoryView) -> GroupRequests:
            group = existing_group(view, group_id)
            if asked != [operator.user_id]:
                permit(view, operator, group.group_id, Action.READ_APPLICATIONS)
            found = [view.group_request(group_id, one) for one in asked]
            requests = [one for one in found if one is not None]
            return GroupRequests(len(requests), requests, {group.group_id: group})

        return await self._directory.view(query)

    async def unhandled_count(self, user_id: str, since_ms: int) -> int:
        """
        Return how many applications since then wait in the groups that a user owns or administers.
        """

        def query(view: DirectoryView) -> int:
            managed = view.managed_group_ids(user_id)
            return view.pending_group_requests(managed, since_ms) if managed else 0

        return await self._directory.view(query)


def _permit_reading(view: DirectoryView, operator: Operator, group_id: str) -> None:
    permit(view, operator, existing_group(view, group_id).group_id, Action.READ_MEMBERS)


def _abstract(view: DirectoryView, operator: Operator, group: Group) -> GroupAbstract:
    if not may(Action.READ_MEMBERS, standing_in(view, operator, group.group_id)):
        return GroupAbstract(group.group_id, group.member_count, 0)
    ids = view.member_ids(group.group_id)
    return GroupAbstract(group.group_id, len(ids), id_hash(sorted(ids)))


def _check_results(results: Sequence[int]) -> None:
    if not _RESULTS.issuperset(results):
        raise errors.ArgsError("handleResults holds something else than -1, 0 and 1")


def _with_groups(view: DirectoryView, total: int, requests: Sequence[GroupRequest]) -> GroupRequests:
    groups = view.groups(list({request.group_id for request in requests}))
    return GroupRequests(total, list(requests), groups)
