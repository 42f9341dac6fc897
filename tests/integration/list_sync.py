"""A versioned list as a device keeps it up to date (OpenIM wire, §6.6.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from openim_ray.domain.group import GroupStatus

Call = Callable[[str, Mapping[str, object]], Awaitable[dict[str, Any]]]
"""Calls a route as the user whose device it is, until it is answered; returns the data."""

PAGE: Final = {"pageNumber": 1, "showNumber": 100}


class Routes(NamedTuple):
    """How a kind of list is asked for; `shown` is what a device shows of an entry, by its id."""

    key: str
    incremental: str
    page: str
    entries: str
    full: str
    shown: Callable[[Mapping[str, Any]], tuple[str, Any]]


def _member(entry: Mapping[str, Any]) -> tuple[str, tuple[int, bool]]:
    return entry["userID"], (entry["roleLevel"], bool(entry["muteEndTime"]))


def _group(entry: Mapping[str, Any]) -> tuple[str, None]:
    return entry["groupID"], None  # how it is called now comes with its members


def _friend(entry: Mapping[str, Any]) -> tuple[str, None]:
    return entry["friendUser"]["userID"], None


MEMBERS: Final = Routes(
    "groupID",
    "/group/get_incremental_group_members",
    "/group/get_group_member_list",
    "members",
    "/group/get_full_group_member_user_ids",
    _member,
)
GROUPS: Final = Routes(
    "userID",
    "/group/get_incremental_join_groups",
    "/group/get_joined_group_list",
    "groups",
    "/group/get_full_join_group_ids",
    _group,
)
FRIENDS: Final = Routes(
    "userID",
    "/friend/get_incremental_friends",
    "/friend/get_friend_list",
    "friendsInfo",
    "/friend/get_full_friend_user_ids",
    _friend,
)


class ListSync:
    """
    One list, of a group or a user, on one device: `entries` is what the device shows, by id; `group` what it shows of the group whose
    members these are: name, and whether it is muted.
    """

    def __init__(self, call: Call, routes: Routes, key: str) -> None:
        self.routes = routes
        self.key = key
        self.entries: dict[str, Any] = {}
        self.group: tuple[str, bool] | None = None
        self._call = call
        self._version = 0
        self._version_id = ""

    async def sync(self) -> None:
        """Ask for what changed, and change that."""
        routes, key = self.routes, {self.routes.key: self.key}
        known = {"versionID": self._version_id, "version": self._version}
        answer = await self._call(routes.incremental, {**key, **known})
        if (group := answer.get("group")) is not None:
            self.group = (group["groupName"], group["status"] == GroupStatus.MUTED)
        if answer["full"]:
            # "fromUserID" is what the page of joined groups calls whose they are.
            page = await self._call(routes.page, {**key, "fromUserID": self.key, "pagination": PAGE})
            self.entries = dict(map(routes.shown, page[routes.entries] or ()))
            answer = await self._call(routes.full, {**key, "idHash": 0})
        else:
            for user_id in answer["delete"] or ():
                self.entries.pop(user_id, None)
            self.entries |= dict(routes.shown(one) for kind in ("insert", "update") for one in answer[kind] or ())
        self._version, self._version_id = answer["version"], answer["versionID"]
