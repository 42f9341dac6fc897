"""
Callers of the HTTP API who change groups and relations, one change after the other, each again until it is answered, and what must
have become of it.

Each attempt has an operationID of its own, which the effect that it commits carries: so the record of the outbox says which attempts were
committed, and in which order. What the directory has to hold follows from that, change by change.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from openim_ray.domain import errors
from openim_ray.domain.group import Role
from openim_ray.protocol.identifiers import ContentType
from tests.integration.connection import Account

MUTED_SECONDS: Final = 100_000

STEPS_PER_GROUP: Final = 30
"""After so many steps the owner makes a new group."""


@dataclass
class GroupState:
    """What the directory has to say of a group."""

    name: str
    roles: dict[str, int]
    muted: set[str] = field(default_factory=set)
    is_muted: bool = False


@dataclass
class State:
    """What the directory has to say of everybody who takes part. Relations are pairs of who has a list and who stands in it."""

    groups: dict[str, GroupState] = field(default_factory=dict)
    friends: set[tuple[str, str]] = field(default_factory=set)
    blocked: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Change:
    """
    A call, and what it does.

    Args:
        caller: who calls.
        path, body: what is called.
        content_type: of the notification that tells of it.
        fold: does to a state what it does to the directory.
        is_once: done again it changes nothing more; it is refused with `refusal` then, or answered (0).
    """

    caller: Account
    path: str
    body: dict[str, Any]
    content_type: int
    fold: Callable[[State], object]
    is_once: bool = False
    refusal: int = 0
    attempts: list[str] = field(default_factory=list)
    is_answered: bool = False

    def faults(self, committed: Sequence[str]) -> list[str]:
        """Say what is wrong with what was committed of its attempts, in that order."""
        what = f"{self.path} of {self.caller.user_id} in {self.attempts}"
        if len(set(committed)) < len(committed):
            return [f"{what} was committed twice by one attempt: {committed}"]
        if not self.is_answered:
            return [f"{what} was never answered"]
        if self.is_once and len(committed) != 1:
            return [f"{what} was committed by {committed}"]
        if not self.is_once and self.attempts[-1] not in committed:
            return [f"{what} was answered and not committed"]
        return []


class ChangedGroup:
    """
    A group as its callers know it: who owns it, who is admin, who stays, and who comes and goes at whose call.
    """

    def __init__(self, people: Sequence[Account]) -> None:
        self.group_id = str(uuid.uuid4().int)[:10]
        self.owner, self.admin, *others = people
        half = len(others) // 2  # at least two of each: one for the owner, one for the admin
        self.steady, self.coming = others[:half], others[half:]
        self.inside: set[str] = set()
        """Who of those who come and go is in it, as their caller knows."""

    def creation(self) -> Change:
        """Make it, with all who stay."""
        body = {
            "groupInfo": {"groupID": self.group_id, "groupName": "new", "groupType": 2},
            "ownerUserID": self.owner.user_id,
            "adminUserIDs": [self.admin.user_id],
            "memberUserIDs": [one.user_id for one in self.steady],
        }
        roles = {self.owner.user_id: Role.OWNER, self.admin.user_id: Role.ADMIN}
        roles |= {one.user_id: Role.MEMBER for one in self.steady}
        return Change(
            self.owner,
            "/group/create_group",
            body,
            ContentType.GROUP_CREATED,
            lambda state: state.groups.__setitem__(self.group_id, GroupState("new", dict(roles))),
            is_once=True,
            refusal=errors.GroupIDExisted.code,
        )

    def invitation(self, caller: Account, user: Account, *, in_chat: bool) -> Change:
        """Let a user in; `in_chat`: with a line."""
        return self._change(
            caller,
            "invite_user_to_group",
            ContentType.MEMBER_INVITED,
            lambda group: group.roles.__setitem__(user.user_id, Role.MEMBER),
            is_once=True,
            invitedUserIDs=[user.user_id],
            sendMessage=in_chat,
        )

    def removal(self, caller: Account, user: Account, *, in_chat: bool) -> Change:
        """Remove a member; `in_chat`: with a line."""
        return self._change(
            caller,
            "kick_group",
            ContentType.MEMBER_KICKED,
            lambda group: group.roles.pop(user.user_id),
            is_once=True,
            refusal=errors.UserIDNotFound.code,
            kickedUserIDs=[user.user_id],
            sendMessage=in_chat,
        )

    def leaving(self, user: Account) -> Change:
        """Leave."""
        return self._change(
            user,
            "quit_group",
            ContentType.MEMBER_QUIT,
            lambda group: group.roles.pop(user.user_id),
            is_once=True,
            refusal=errors.NotInGroupYet.code,
            userID=user.user_id,
        )

    def muting(self, caller: Account) -> Change:
        """Let only owner and admins write."""
        return self._change(caller, "mute_group", ContentType.GROUP_MUTED, lambda group: _set_muted(group, True))

    def unmuting(self, caller: Account) -> Change:
        """Let everybody write again."""
        return self._change(
            caller, "cancel_mute_group", ContentType.GROUP_CANCEL_MUTED, lambda group: _set_muted(group, False)
        )

    def muting_of(self, caller: Account, user: Account) -> Change:
        """Let a member write nothing."""
        return self._change(
            caller,
            "mute_group_member",
            ContentType.GROUP_MEMBER_MUTED,
            lambda group: group.muted.add(user.user_id),
            userID=user.user_id,
            mutedSeconds=MUTED_SECONDS,
        )

    def unmuting_of(self, caller: Account, user: Account) -> Change:
        """Let her write again."""
        return self._change(
            caller,
            "cancel_mute_group_member",
            ContentType.GROUP_MEMBER_CANCEL_MUTED,
            lambda group: group.muted.discard(user.user_id),
            userID=user.user_id,
        )

    def naming(self, caller: Account) -> Change:
        """Give it another name."""
        name = uuid.uuid4().hex

        def fold(group: GroupState) -> None:
            group.name = name

        return self._change(caller, "set_group_info_ex", ContentType.GROUP_NAME_SET, fold, groupName=name)

    def _change(
        self,
        caller: Account,
        route: str,
        content_type: int,
        fold: Callable[[GroupState], object],
        *,
        is_once: bool = False,
        refusal: int = 0,
        **body: object,
    ) -> Change:
        return Change(
            caller,
            f"/group/{route}",
            {"groupID": self.group_id, **body},
            content_type,
            lambda state: fold(state.groups[self.group_id]),
            is_once,
            refusal,
        )


def _set_muted(group: GroupState, is_muted: bool) -> None:
    group.is_muted = is_muted


class Circle:
    """
    People with a group; now and then they make a new one, and the old one stays as it is.

    Its owner and its admin call at the same time, each for other people who come and go, and both mute it and name it.
    """

    def __init__(self, people: Sequence[Account], seed: int) -> None:
        self.people = people
        self.group = ChangedGroup(people)
        self.groups = [self.group]
        self._random = random.Random(seed)

    def of_owner(self) -> Iterator[Change]:
        """Yield what the owner does; the group is there when the first of them is done."""
        group = self.group
        while True:
            yield group.creation()
            self.group = group
            for _ in range(STEPS_PER_GROUP):
                yield from self._step(group, group.owner, 0)
            group = ChangedGroup(self.people)
            self.groups.append(group)

    def of_admin(self) -> Iterator[Change]:
        """Yield what the admin does."""
        while True:
            yield from self._step(self.group, self.group.admin, 1)

    def _step(self, group: ChangedGroup, caller: Account, part: int) -> Iterator[Change]:
        """Yield one change, or two of which the second takes back the first."""
        choice = self._random.randrange(8)
        if choice < 4:
            yield self._coming_and_going(group, caller, self._random.choice(group.coming[part::2]))
        elif choice < 6:
            yield group.muting(caller)
            yield group.unmuting(caller)
        elif choice < 7:
            muted = group.steady[part]
            yield group.muting_of(caller, muted)
            yield group.unmuting_of(caller, muted)
        else:
            yield group.naming(caller)

    def _coming_and_going(self, group: ChangedGroup, caller: Account, user: Account) -> Change:
        choice = self._random.randrange(4)
        if user.user_id not in group.inside:
            group.inside.add(user.user_id)
            return group.invitation(caller, user, in_chat=choice > 0)
        group.inside.remove(user.user_id)
        return group.leaving(user) if choice > 1 else group.removal(caller, user, in_chat=choice > 0)


def of_pair(one: Account, other: Account) -> Iterator[Change]:
    """Yield what two people do who are friends, and no friends, and block each other."""
    while True:
        yield _relation(
            one,
            "add_friend",
            {"fromUserID": one.user_id, "toUserID": other.user_id, "reqMsg": "hello"},
            ContentType.FRIEND_APPLICATION,
            lambda state: None,
        )
        both = {(one.user_id, other.user_id), (other.user_id, one.user_id)}
        yield _relation(
            other,
            "add_friend_response",
            {"fromUserID": one.user_id, "toUserID": other.user_id, "handleResult": 1},
            ContentType.FRIEND_APPLICATION_APPROVED,
            lambda state, both=both: state.friends.update(both),  # type: ignore[misc]
            is_once=True,
            refusal=errors.FriendRequestHandled.code,
        )
        for owner, user in ((one, other), (other, one)):
            yield from _blocking(owner, user)
        for owner, user in ((one, other), (other, one)):
            yield _relation(
                owner,
                "delete_friend",
                {"ownerUserID": owner.user_id, "friendUserID": user.user_id},
                ContentType.FRIEND_DELETED,
                lambda state, pair=(owner.user_id, user.user_id): state.friends.remove(pair),  # type: ignore[misc]
                is_once=True,
            )


def _blocking(owner: Account, user: Account) -> Iterator[Change]:
    pair = (owner.user_id, user.user_id)
    body = {"ownerUserID": owner.user_id, "blackUserID": user.user_id}
    yield _relation(owner, "add_black", body, ContentType.BLACK_ADDED, lambda state: state.blocked.add(pair))
    yield _relation(
        owner,
        "remove_black",
        body,
        ContentType.BLACK_DELETED,
        lambda state: state.blocked.remove(pair),
        is_once=True,
    )


def _relation(
    caller: Account,
    route: str,
    body: dict[str, Any],
    content_type: int,
    fold: Callable[[State], object],
    *,
    is_once: bool = False,
    refusal: int = 0,
) -> Change:
    return Change(caller, f"/friend/{route}", body, content_type, fold, is_once, refusal)
