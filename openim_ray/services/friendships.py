"""
Friendships: applied for, answered, changed, ended (OpenIM wire, §6.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Friend, FriendRequest, HandleResult, User, UserStatus
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import (
    FriendApplicationApprovedTips,
    FriendApplicationRejectedTips,
    FriendApplicationTips,
    FriendDeletedTips,
    FriendInfoChangedTips,
    FriendsInfoUpdateTips,
    FromToUserID,
)
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.notifications import Cause, tell_user
from openim_ray.services.paging import check_text, check_user_id, check_user_ids
from openim_ray.services.wire_views import friend_request
from openim_ray.transactions import DirectoryTransaction

MESSAGE_BYTES_MAX: Final = 4_096
"""Text of an application or of an answer to one, in UTF-8; a longer one is refused."""

REMARK_BYTES_MAX: Final = 1_024
EX_BYTES_MAX: Final = 65_536

FRIENDS_AT_ONCE_MAX: Final = 1_000
"""Friends that one call imports or changes; more is refused."""

FRIENDS_MAX: Final = 10_000
"""Friends of a user; who has so many makes no more. The Go SDK fetches no more than these (OpenIM wire, §6.6.2)."""

_BY_IMPORT: Final = 1
_BY_APPLICATION: Final = 2


class Application(NamedTuple):
    """
    Somebody would like to be somebody's friend.
    """

    from_id: str
    to_id: str
    message: str = ""
    ex: str = ""


class Verdict(NamedTuple):
    """
    What the receiver of an application says.
    """

    from_id: str
    to_id: str
    result: int
    message: str = ""


class FriendChanges(NamedTuple):
    """
    What is changed of friends; None stays as it is.
    """

    is_pinned: bool | None = None
    remark: str | None = None
    ex: str | None = None


class FriendshipService:
    """
    Changes of friend lists, each in one transaction with the notifications that tell of it.

    Args:
        changes: runs them.
    """

    def __init__(self, changes: DirectoryChanges) -> None:
        self._changes = changes

    async def apply(self, cause: Cause, application: Application) -> None:
        """
        Apply for a friendship; 1203 to both. An older application of the same user to the same is replaced.

        Raises:
            CanNotAddYourself: she applies to herself.
            ArgsError: a text is too long.
            RecordNotFound: one of them doesn't exist.
            BlockedByPeer: the receiver has her on the black list.
            RelationshipAlready: each stands in the other's friend list.
        """
        _check_application(application)
        await self._changes.commit(partial(_apply, cause, application))

    async def respond(self, cause: Cause, verdict: Verdict) -> None:
        """
        Accept or refuse an application: 1201 or 1202 to both. Who accepts is in the other's friend list and has her in her own, at once.

        An application the other way round that waits for an answer is accepted with it.

        Raises:
            ArgsError: the result is neither 1 nor -1, the text too long, or one of them has as many friends as allowed.
            RecordNotFound: there is no such application.
            FriendRequestHandled: it was answered before.
        """
        if verdict.result not in (HandleResult.AGREED, HandleResult.REFUSED):
            raise errors.ArgsError("handleResult is neither 1 nor -1")
        check_text("handleMsg", verdict.message, MESSAGE_BYTES_MAX)
        await self._changes.commit(partial(_respond, cause, verdict))

    async def delete(self, cause: Cause, owner_id: str, friend_id: str) -> None:
        """
        Take a friend off the owner's list, not the owner off hers; 1205 to both. If she was no friend nothing happens.

        Raises:
            ArgsError: no id that a user could have.
            RecordNotFound: there is no such owner.
        """
        friend = check_user_id("friendUserID", friend_id)
        await self._changes.commit(partial(_delete, cause, UserID(owner_id), friend))

    async def update(self, cause: Cause, owner_id: str, friend_ids: Sequence[str], changes: FriendChanges) -> None:
        """
        Change what the owner noted of friends, of all of them or none; 1210 to her devices.

        Raises:
            ArgsError: nobody, too many, or a text too long.
            RecordNotFound: one of them is no friend.
        """
        friends = check_user_ids("friendUserIDs", friend_ids, FRIENDS_AT_ONCE_MAX)
        check_text("remark", changes.remark or "", REMARK_BYTES_MAX)
        check_text("ex", changes.ex or "", EX_BYTES_MAX)
        await self._changes.commit(partial(_update, cause, owner_id, friends, changes))

    async def set_remark(self, cause: Cause, owner_id: str, friend_id: str, remark: str) -> None:
        """
        Set the name that the owner gives a friend; 1206 to both. The older form of `update`.

        Raises:
            ArgsError: it is too long.
            RecordNotFound: she is no friend.
        """
        friend = check_user_id("friendUserID", friend_id)
        check_text("remark", remark, REMARK_BYTES_MAX)
        await self._changes.commit(partial(_set_remark, cause, owner_id, friend, remark))

    async def import_friends(self, cause: Cause, owner_id: str, friend_ids: Sequence[str]) -> None:
        """
        Make users friends without asking them; 1201 to each who wasn't one both ways.

        Raises:
            ArgsError: nobody, too many, or somebody has as many friends as allowed.
            CanNotAddYourself: the owner is among them.
            RecordNotFound: the owner or one of them doesn't exist.
        """
        friends = check_user_ids("friendUserIDs", friend_ids, FRIENDS_AT_ONCE_MAX)
        if owner_id in friends:
            raise errors.CanNotAddYourself("friendUserIDs holds ownerUserID")
        await self._changes.commit(partial(_import, cause, owner_id, friends))


def _check_application(application: Application) -> None:
    check_user_id("toUserID", application.to_id)
    check_text("reqMsg", application.message, MESSAGE_BYTES_MAX)
    check_text("ex", application.ex, EX_BYTES_MAX)
    if application.from_id == application.to_id:
        raise errors.CanNotAddYourself("toUserID is fromUserID")


def _apply(cause: Cause, application: Application, tx: DirectoryTransaction) -> None:
    from_id, to_id = application.from_id, application.to_id
    users = existing_users(tx, {"fromUserID": [from_id], "toUserID": [to_id]})
    if from_id in tx.blacks_among(to_id, [from_id]):
        raise errors.BlockedByPeer("toUserID has blocked fromUserID")
    if _is_in_list(tx, from_id, to_id) and _is_in_list(tx, to_id, from_id):
        raise errors.RelationshipAlready("toUserID is a friend already")
    request = FriendRequest(
        from_user=users[from_id],
        to_user=users[to_id],
        req_msg=application.message,
        create_time=cause.now_ms,
        ex=application.ex,
    )
    tx.put_friend_request(request)
    tips = FriendApplicationTips(fromToUserID=_pair(from_id, to_id), request=friend_request(request))
    tell_user(tx, cause, ContentType.FRIEND_APPLICATION, from_id, to_id, tips)


def _respond(cause: Cause, verdict: Verdict, tx: DirectoryTransaction) -> None:
    request = tx.friend_request(verdict.from_id, verdict.to_id)
    if request is None:
        raise errors.RecordNotFound("fromUserID has not applied to toUserID")
    if request.handle_result != HandleResult.PENDING:
        raise errors.FriendRequestHandled("the application was answered before")
    answered = _handle(tx, cause, request, verdict)
    if verdict.result == HandleResult.REFUSED:
        _tell_refused(tx, cause, answered)
        return
    opposite = tx.friend_request(verdict.to_id, verdict.from_id)
    if opposite is not None and opposite.handle_result == HandleResult.PENDING:
        _handle(tx, cause, opposite, verdict)
    _befriend(tx, cause, answered, _BY_APPLICATION, verdict.from_id)
    _tell_approved(tx, cause, answered)


def _handle(tx: DirectoryTransaction, cause: Cause, request: FriendRequest, verdict: Verdict) -> FriendRequest:
    answered = replace(
        request,
        handle_result=verdict.result,
        handler_user_id=verdict.to_id,
        handle_msg=verdict.message,
        handle_time=cause.now_ms,
    )
    tx.put_friend_request(answered)
    return answered


def _befriend(
    tx: DirectoryTransaction, cause: Cause, request: FriendRequest, add_source: int, operator_id: str
) -> bool:
    """Let each stand in the other's list; what is noted of who stands there stays. False if nothing was missing."""
    changed = False
    for owner, friend in ((request.from_user, request.to_user), (request.to_user, request.from_user)):
        if _is_in_list(tx, owner.user_id, friend.user_id):
            continue
        changed = True
        if tx.friend_count(owner.user_id) >= FRIENDS_MAX:
            raise errors.ArgsError(f"{owner.user_id} has {FRIENDS_MAX} friends, which is the limit")
        tx.put_friend(
            Friend(
                owner_user_id=owner.user_id,
                friend=friend,
                create_time=cause.now_ms,
                add_source=add_source,
                operator_user_id=operator_id,
            )
        )
    return changed


def _tell_approved(tx: DirectoryTransaction, cause: Cause, request: FriendRequest) -> None:
    from_id, to_id = request.from_user.user_id, request.to_user.user_id
    version = tx.friend_list_version(from_id)
    tips = FriendApplicationApprovedTips(
        fromToUserID=_pair(from_id, to_id),
        handleMsg=request.handle_msg,
        friendVersion=version.version,
        friendVersionID=version.version_id,
        request=friend_request(request),
    )
    tell_user(tx, cause, ContentType.FRIEND_APPLICATION_APPROVED, to_id, from_id, tips, forget_facts=True)


def _tell_refused(tx: DirectoryTransaction, cause: Cause, request: FriendRequest) -> None:
    from_id, to_id = request.from_user.user_id, request.to_user.user_id
    tips = FriendApplicationRejectedTips(
        fromToUserID=_pair(from_id, to_id), handleMsg=request.handle_msg, request=friend_request(request)
    )
    tell_user(tx, cause, ContentType.FRIEND_APPLICATION_REJECTED, to_id, from_id, tips)


def _delete(cause: Cause, owner_id: UserID, friend_id: UserID, tx: DirectoryTransaction) -> None:
    check_owner(tx, owner_id)
    if not tx.delete_friend(owner_id, friend_id):
        return  # else anybody could fill the outbox, and be heard by strangers
    version = tx.friend_list_version(owner_id)
    tips = FriendDeletedTips(
        fromToUserID=_pair(owner_id, friend_id), friendVersion=version.version, friendVersionID=version.version_id
    )
    tell_user(tx, cause, ContentType.FRIEND_DELETED, owner_id, friend_id, tips, forget_facts=True)


def _update(
    cause: Cause, owner_id: str, friend_ids: Sequence[UserID], changes: FriendChanges, tx: DirectoryTransaction
) -> None:
    for friend in _friends(tx, owner_id, friend_ids, "friendUserIDs"):
        _change_friend(tx, friend, changes)
    version = tx.friend_list_version(owner_id)
    tips = FriendsInfoUpdateTips(
        fromToUserID=_pair("", owner_id),
        friendIDs=friend_ids,
        friendVersion=version.version,
        friendVersionID=version.version_id,
    )
    tell_user(tx, cause, ContentType.FRIENDS_INFO_UPDATE, owner_id, owner_id, tips)


def _set_remark(cause: Cause, owner_id: str, friend_id: UserID, remark: str, tx: DirectoryTransaction) -> None:
    (friend,) = _friends(tx, owner_id, [friend_id], "friendUserID")
    _change_friend(tx, friend, FriendChanges(remark=remark))
    version = tx.friend_list_version(owner_id)
    tips = FriendInfoChangedTips(
        fromToUserID=_pair(owner_id, friend_id), friendVersion=version.version, friendVersionID=version.version_id
    )
    tell_user(tx, cause, ContentType.FRIEND_REMARK_SET, owner_id, friend_id, tips)


def _change_friend(tx: DirectoryTransaction, friend: Friend, changes: FriendChanges) -> None:
    """Put a friend if she is another than before: what stays the same is no step of the list."""
    changed = replace(friend, **{name: value for name, value in changes._asdict().items() if value is not None})
    if changed != friend:
        tx.put_friend(changed)


def _import(cause: Cause, owner_id: str, friend_ids: Sequence[UserID], tx: DirectoryTransaction) -> None:
    users = existing_users(tx, {"ownerUserID": [owner_id], "friendUserIDs": friend_ids})
    for friend_id in friend_ids:
        request = FriendRequest(
            from_user=users[owner_id],
            to_user=users[friend_id],
            handle_result=HandleResult.AGREED,
            create_time=cause.now_ms,
            handler_user_id=cause.user_id,
            handle_time=cause.now_ms,
        )
        if _befriend(tx, cause, request, _BY_IMPORT, cause.user_id):
            _tell_approved(tx, cause, request)


def _friends(tx: DirectoryTransaction, owner_id: str, friend_ids: Sequence[str], name: str) -> list[Friend]:
    found = tx.friends_among(owner_id, friend_ids)
    if missing := [one for one in friend_ids if one not in found]:
        raise errors.RecordNotFound(f"{name}: {missing[0]} is no friend")
    return [found[one] for one in friend_ids]


def _is_in_list(tx: DirectoryTransaction, owner_id: str, friend_id: str) -> bool:
    return friend_id in tx.friends_among(owner_id, [friend_id])


def _pair(from_id: str, to_id: str) -> FromToUserID:
    return FromToUserID(fromUserID=from_id, toUserID=to_id)


def check_owner(tx: DirectoryTransaction, owner_id: str) -> None:
    """
    Raise RecordNotFound if there is no such owner of a list. Of an erased account relations may still be ended.
    """
    if owner_id not in tx.users([owner_id]):
        raise errors.RecordNotFound("ownerUserID: no such user")


def existing_users(tx: DirectoryTransaction, ids: dict[str, Sequence[str]]) -> dict[str, User]:
    """
    Return accounts that a request names, by id; RecordNotFound names the field in which an unknown or erased one stands.

    Args:
        tx: where they are looked up.
        ids: by the name of their field.
    """
    found = tx.users([one for named in ids.values() for one in named])
    for name, named in ids.items():
        if missing := [one for one in named if one not in found or found[one].status == UserStatus.ERASED]:
            raise errors.RecordNotFound(f"{name}: no such user: {missing[0]}")
    return found
