"""
Joined groups and members as lists that clients keep a copy of (OpenIM wire, §6.6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.group import Group, Member
from openim_ray.domain.ids import UserID
from openim_ray.ports import DirectoryStore, VersionDelta
from openim_ray.services.groups.authority import Action
from openim_ray.services.groups.limits import BATCH_GROUPS_MAX
from openim_ray.services.groups.lookups import Operator, existing_group, permit
from openim_ray.services.versions import Changes, FullIDs, changes_of, full_ids
from openim_ray.transactions import DirectoryView, ListVersion

CHANGES_PER_ANSWER_MAX: Final = 500
"""Changed members in one answer about several groups; the groups behind are asked for again (OpenIM wire, §6.6.5)."""

MARKER: Final = ""
"""The element of a member list that stands for the group itself."""

_JOINED_READ_MAX: Final = 10_000
"""Groups of which it is read at once that a user is in them."""


class Known(NamedTuple):
    """
    What a client has of a group's member list.
    """

    group_id: str
    version_id: str
    version: int


class MemberChanges(NamedTuple):
    """
    What a client has to do to its copy of a member list; `group` is there if it or a member changed, or everything is to be fetched.
    """

    delta: VersionDelta
    inserted: list[Member]
    updated: list[Member]
    group: Group | None

    @property
    def size(self) -> int:
        """Return how many members changed."""
        return len(self.delta.deleted) + len(self.inserted) + len(self.updated)


class GroupLists:
    """
    Tells clients what changed.

    Args:
        directory: where lists are kept.
    """

    def __init__(self, directory: DirectoryStore) -> None:
        self._directory = directory

    async def joined_changes(self, user_id: str, version_id: str, version: int) -> Changes[Group]:
        """
        Return what changed in the list of joined groups since a client's version.
        """
        delta = await self._directory.joined_groups_delta(UserID(user_id), version_id, version)
        return await changes_of(delta, self._groups)

    async def full_joined_ids(self, user_id: str, client_hash: int) -> FullIDs:
        """
        Return the ids of all joined groups, unless the client has them.
        """
        return full_ids(*await self._directory.joined_group_ids(UserID(user_id)), client_hash)

    async def full_member_ids(self, operator: Operator, group_id: str, client_hash: int) -> FullIDs:
        """
        Return the ids of all members in list order, unless the client has them.

        Raises:
            RecordNotFound: there is no such group.
            NoPermission: who asks is no member.
        """

        def query(view: DirectoryView) -> tuple[ListVersion, list[str]]:
            permit(view, operator, existing_group(view, group_id).group_id, Action.READ_MEMBERS)
            return view.member_list_version(group_id), view.member_ids(group_id)

        (version, version_id), ids = await self._directory.view(query)
        return full_ids(version, version_id, ids, client_hash)

    async def member_changes(self, operator: Operator, known: Known) -> MemberChanges:
        """
        Return what changed in a member list since a client's version.

        Raises:
            RecordNotFound: there is no such group.
            NoPermission: who asks is no member.
        """

        def query(view: DirectoryView) -> MemberChanges:
            permit(view, operator, existing_group(view, known.group_id).group_id, Action.READ_MEMBERS)
            return _changes(view, known)

        return await self._directory.view(query)

    async def batch_changes(self, operator: Operator, user_id: str, asked: Sequence[Known]) -> dict[str, MemberChanges]:
        """
        Return what changed in several member lists, as far as it fits in one answer: at least one group, in the order asked for.

        Of a group that the user is not in (any more), that is over, or that never was, the answer is that nothing changed: so a client's
        loop ends, and its sync goes on.

        Args:
            operator: who asks.
            user_id: whose lists they are; of an administrator's own call, whatever exists is answered.
            asked: what she has.

        Raises:
            ArgsError: too many groups.
        """
        if len(asked) > BATCH_GROUPS_MAX:
            raise errors.ArgsError(f"reqList holds more than {BATCH_GROUPS_MAX} groups")
        sees_all = operator.is_app_admin and operator.user_id == user_id
        return await self._directory.view(lambda view: _batch(view, user_id, asked, sees_all=sees_all))

    async def _groups(self, group_ids: Sequence[str]) -> dict[str, Group]:
        return await self._directory.view(lambda view: view.groups(group_ids))


def _batch(view: DirectoryView, user_id: str, asked: Sequence[Known], *, sees_all: bool) -> dict[str, MemberChanges]:
    ids = [one.group_id for one in asked]
    visible = set(ids) if sees_all else _joined_among(view, user_id, ids)
    versions = view.member_list_versions([one for one in ids if one in visible])
    answers: dict[str, MemberChanges] = {}
    size = 0
    for known in asked:
        changes = _changes_if_any(view, known, versions)
        if answers and size + changes.size > CHANGES_PER_ANSWER_MAX:
            break
        answers[known.group_id] = changes
        size += changes.size
    return answers


def _changes_if_any(view: DirectoryView, known: Known, versions: Mapping[str, ListVersion]) -> MemberChanges:
    current = versions.get(known.group_id)
    if current is None or (known.version, known.version_id) == current:
        return MemberChanges(VersionDelta(known.version, known.version_id, False, [], [], [], 0), [], [], None)
    return _changes(view, known)


def _changes(view: DirectoryView, known: Known) -> MemberChanges:
    group_id = known.group_id
    delta = view.member_list_changes(group_id, known.version_id, known.version)
    inserted, updated = _without_marker(delta.inserted), _without_marker(delta.updated)
    members = view.members(group_id, [*inserted, *updated]) if inserted or updated else {}
    is_changed = delta.full or delta.deleted or delta.inserted or delta.updated
    group = view.groups([group_id]).get(group_id) if is_changed else None
    return MemberChanges(
        delta._replace(deleted=_without_marker(delta.deleted)),
        [members[one] for one in inserted if one in members],
        [members[one] for one in updated if one in members],
        group,
    )


def _without_marker(ids: Sequence[str]) -> list[str]:
    return [one for one in ids if one != MARKER]


def _joined_among(view: DirectoryView, user_id: str, group_ids: Sequence[str]) -> set[str]:
    """Return which of these groups a user is in."""
    wanted, after, found = set(group_ids), "", set()
    while page := view.joined_group_ids(user_id, after, _JOINED_READ_MAX):
        found.update(wanted.intersection(page))
        after = page[-1]
        if len(page) < _JOINED_READ_MAX:
            break
    return found
