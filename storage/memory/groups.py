"""
Groups, members and applications in a transaction in memory; see `transactions` for the meaning of each method.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openim_ray.domain.errors import RecordNotFound
from openim_ray.domain.group import Role
from openim_ray.domain.people import HandleResult
from openim_ray.storage.memory.directory_rows import check_row
from openim_ray.storage.memory.people import MemoryPeopleView, first_behind, list_version, newest_first, paged
from openim_ray.storage.version_rules import MARKER, NO_LIST, Change, ListKind, full_delta

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.domain.group import Group, GroupRequest, Member
    from openim_ray.transactions import ListVersion, VersionDelta, Window


class MemoryGroupView(MemoryPeopleView):
    """
    `transactions.GroupView`.
    """

    def groups(self, group_ids: Sequence[str]) -> dict[str, Group]:
        """Return the groups that exist among these ids."""
        return {group_id: self._group(group_id) for group_id in group_ids if group_id in self._rows.groups}

    def search_groups(self, group_id: str, name: str, window: Window) -> tuple[int, list[Group]]:
        """Return total and one page, by id."""
        found = sorted(
            one for one, group in self._rows.groups.items() if group_id in ("", one) and name in group.group_name
        )
        total, page = paged(found, window)
        return total, [self._group(one) for one in page]

    def joined_groups(self, user_id: str, window: Window) -> tuple[int, list[Group]]:
        """Return total and one page, by time of joining."""
        total, page = paged(self.joined_in_order(user_id), window)
        return total, [self._group(one) for one in page]

    def joined_in_order(self, user_id: str) -> list[str]:
        """Return ids of groups by time of joining."""
        members = self._rows.members
        return sorted(self._rows.joined.get(user_id, ()), key=lambda group_id: members[group_id][user_id].join_time)

    def joined_group_ids(self, user_id: str, after: str, limit: int) -> list[str]:
        """Return ids of groups a user is in, ascending."""
        return first_behind(self._rows.joined.get(user_id, ()), after, limit)

    def managed_group_ids(self, user_id: str) -> list[str]:
        """Return the groups in which a user is owner or admin, ascending."""
        joined = self.joined_group_ids(user_id, "", len(self._rows.groups))
        return [one for one in joined if self._rows.members[one][user_id].role_level >= Role.ADMIN]

    def members(self, group_id: str, user_ids: Sequence[str]) -> dict[str, Member]:
        """Return which of these are members."""
        found = self._rows.members.get(group_id, {})
        return {user_id: self._member(found[user_id]) for user_id in user_ids if user_id in found}

    def staff(self, group_id: str) -> list[Member]:
        """Return owner and admins."""
        return [member for member in self._in_order(group_id) if member.role_level >= Role.ADMIN]

    def member_count(self, group_id: str) -> int:
        """Return how many members a group has."""
        return len(self._rows.members.get(group_id, ()))

    def page_members(
        self, group_id: str, roles: Sequence[int], keyword: str, window: Window
    ) -> tuple[int, list[Member]]:
        """Return total and one page."""
        return paged(
            (
                member
                for member in self._in_order(group_id)
                if (not roles or member.role_level in roles)
                and (keyword in member.user.user_id or keyword in (member.nickname or member.user.nickname))
            ),
            window,
        )

    def member_ids(self, group_id: str) -> list[str]:
        """Return the ids of all members in list order."""
        return [member.user.user_id for member in self._in_order(group_id)]

    def member_ids_behind(self, group_id: str, after: str, limit: int) -> list[str]:
        """Return ids of members, ascending."""
        return first_behind(self._rows.members.get(group_id, ()), after, limit)

    def group_request(self, group_id: str, user_id: str) -> GroupRequest | None:
        """Return a user's newest application to a group."""
        found = self._rows.group_requests.get((group_id, user_id))
        return found and self._shown_request(found)

    def requests_to_groups(
        self, group_ids: Sequence[str], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        """Return total and one page, newest first."""
        found = (one for one in self._rows.group_requests.values() if one.group_id in group_ids)
        return self._page_requests(found, results, window)

    def requests_of_user(
        self, user_id: str, group_ids: Sequence[str], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        """Return total and one page, newest first."""
        found = (
            one
            for one in self._rows.group_requests.values()
            if one.user.user_id == user_id and (not group_ids or one.group_id in group_ids)
        )
        return self._page_requests(found, results, window)

    def pending_group_requests(self, group_ids: Sequence[str], since_ms: int) -> int:
        """Return how many nobody handled."""
        return sum(
            one.group_id in group_ids and one.req_time >= since_ms and one.handle_result == HandleResult.PENDING
            for one in self._rows.group_requests.values()
        )

    def member_list_version(self, group_id: str) -> ListVersion:
        """Return where a member list stands."""
        return list_version(self._rows, ListKind.MEMBERS, group_id)

    def member_list_versions(self, group_ids: Sequence[str]) -> dict[str, ListVersion]:
        """Return where member lists stand."""
        there = (one for one in group_ids if one in self._rows.groups)
        return {one: list_version(self._rows, ListKind.MEMBERS, one) for one in there}

    def member_list_changes(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """Return what changed in a member list."""
        if self._rows.versions.known(ListKind.MEMBERS, group_id) is None:
            return full_delta(NO_LIST)
        return self._rows.versions.delta(ListKind.MEMBERS, group_id, version_id, version)

    def member_sort_version(self, group_id: str) -> int:
        """Return at which version the order changed last."""
        head = self._rows.versions.known(ListKind.MEMBERS, group_id)
        return head.sort_version if head else 0

    def _group(self, group_id: str) -> Group:
        members = self._rows.members.get(group_id, {})
        owner = next((one for one in self.staff(group_id) if one.role_level == Role.OWNER), None)
        return replace(
            self._rows.groups[group_id],
            member_count=len(members),
            owner_user_id=owner.user.user_id if owner else "",
        )

    def _member(self, member: Member) -> Member:
        return replace(member, user=self._rows.users[member.user.user_id])

    def _in_order(self, group_id: str) -> list[Member]:
        members = map(self._member, self._rows.members.get(group_id, {}).values())
        return sorted(members, key=lambda member: (-member.role_level, member.join_time))

    def _shown_request(self, request: GroupRequest) -> GroupRequest:
        return replace(request, user=self._rows.users[request.user.user_id])

    def _page_requests(
        self, found: Iterable[GroupRequest], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        wanted = [self._shown_request(one) for one in found if not results or one.handle_result in results]
        return paged(newest_first(wanted, [one.req_time for one in wanted]), window)


class MemoryGroupChanges(MemoryGroupView):
    """
    The part of `transactions.DirectoryTransaction` that changes groups.
    """

    def put_group(self, group: Group) -> None:
        """Add or replace a group."""
        check_row(group)
        is_new = group.group_id not in self._rows.groups
        self._rows.journal.keep(self._rows.groups, group.group_id)
        self._rows.groups[group.group_id] = replace(group, member_count=0, owner_user_id="")
        if not is_new:
            self._rows.versions.change(ListKind.MEMBERS, group.group_id, MARKER, Change.UPDATED)

    def put_member(self, member: Member) -> None:
        """Add or replace a member."""
        self.put_members([member])

    def put_members(self, members: Sequence[Member]) -> None:
        """Add or replace members."""
        last = {(member.group_id, member.user.user_id): member for member in members}
        for group_id, _ in last:
            if group_id not in self._rows.groups:
                raise RecordNotFound(f"group {group_id}")
        self._rows.require_users(user_id for _, user_id in last)
        for member in last.values():
            check_row(member)
            self._put_member(member)

    def _put_member(self, member: Member) -> None:
        group_id, user_id = member.group_id, member.user.user_id
        self._rows.journal.keep(self._rows.members, group_id)
        listed = self._rows.members.setdefault(group_id, {})
        before = listed.get(user_id)
        listed[user_id] = member
        self._rows.versions.change(
            ListKind.MEMBERS,
            group_id,
            user_id,
            Change.UPDATED if before else Change.INSERTED,
            reordered=before is None or before.role_level != member.role_level,
        )
        if before is None:
            self._rows.journal.keep(self._rows.joined, user_id)
            self._rows.joined.setdefault(user_id, {})[group_id] = None
            self._rows.versions.change(ListKind.JOINED_GROUPS, user_id, group_id, Change.INSERTED)

    def delete_member(self, group_id: str, user_id: str) -> bool:
        """Remove a member."""
        return bool(self.delete_members(group_id, [user_id]))

    def delete_members(self, group_id: str, user_ids: Sequence[str]) -> list[str]:
        """Remove members."""
        removed = list(self.members(group_id, user_ids))
        self._rows.journal.keep(self._rows.members, group_id)
        for user_id in removed:
            self._rows.journal.keep(self._rows.joined, user_id)
            del self._rows.members[group_id][user_id]
            del self._rows.joined[user_id][group_id]
            self._rows.versions.change(ListKind.MEMBERS, group_id, user_id, Change.DELETED)
            self._rows.versions.change(ListKind.JOINED_GROUPS, user_id, group_id, Change.DELETED)
        return removed

    def put_group_request(self, request: GroupRequest) -> None:
        """Add or replace an application."""
        check_row(request)
        if request.group_id not in self._rows.groups:
            raise RecordNotFound(f"group {request.group_id}")
        self._rows.require_users([request.user.user_id])
        key = (request.group_id, request.user.user_id)
        self._rows.journal.keep(self._rows.group_requests, key)
        self._rows.group_requests[key] = request
