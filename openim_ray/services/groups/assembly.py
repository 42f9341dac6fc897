"""
All services of groups, put together.
"""

from __future__ import annotations

from dataclasses import dataclass

from openim_ray.config import GroupsSection
from openim_ray.ports import DirectoryStore, MessageReader
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.applications import GroupApplications
from openim_ray.services.groups.creation import GroupCreation
from openim_ray.services.groups.information import GroupInformation
from openim_ray.services.groups.lists import GroupLists
from openim_ray.services.groups.membership import GroupMembership
from openim_ray.services.groups.queries import GroupQueries
from openim_ray.services.groups.roles import GroupRoles
from openim_ray.services.groups.seats import GroupLogs


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupServices:
    """
    What can be done with groups.
    """

    creation: GroupCreation
    membership: GroupMembership
    applications: GroupApplications
    roles: GroupRoles
    information: GroupInformation
    queries: GroupQueries
    lists: GroupLists


def build_group_services(
    directory: DirectoryStore, messages: MessageReader, changes: DirectoryChanges, settings: GroupsSection
) -> GroupServices:
    """
    Put the services of groups together.

    Args:
        directory: where groups are kept.
        messages: where their messages are read.
        changes: runs changes.
        settings: `[groups]`.
    """
    logs = GroupLogs(messages, with_history=settings.history_for_new_members)
    limit = settings.members_max
    return GroupServices(
        creation=GroupCreation(changes, messages, limit),
        membership=GroupMembership(changes, logs, limit),
        applications=GroupApplications(changes, logs, limit),
        roles=GroupRoles(changes),
        information=GroupInformation(changes, directory),
        queries=GroupQueries(directory),
        lists=GroupLists(directory),
    )
