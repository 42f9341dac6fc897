"""
Notifications of applications of their own (2001), which administrators send and clients hand to their programs (OpenIM wire, §5.4, §6.8).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain import errors
from openim_ray.domain.conversation import single_chat_rows
from openim_ray.domain.group import GroupStatus
from openim_ray.domain.ids import group_id_fault
from openim_ray.domain.people import UserStatus
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.protocol.pb.sending_pb2 import BusinessTips, SendBusinessNotificationReq, SendBusinessNotificationResp
from openim_ray.services.notifications import Cause, Receiver, business_notification
from openim_ray.services.paging import check_text, check_user_id

if TYPE_CHECKING:
    from openim_ray.services.changes import DirectoryChanges
    from openim_ray.transactions import DirectoryTransaction

KEY_BYTES_MAX: Final = 1_024
DATA_BYTES_MAX: Final = 65_536
"""Limits in UTF-8; a longer text is refused: a notification waits in the directory until it is passed on."""

_NOT_STORED: Final = (0, 1)
_STORED: Final = 2


class BusinessNotifications:
    """
    Sends them, the way of all notifications: through the outbox, in order with those of changes.
    """

    def __init__(self, changes: DirectoryChanges) -> None:
        self._changes = changes

    async def send(self, cause: Cause, request: SendBusinessNotificationReq) -> SendBusinessNotificationResp:
        """
        Notify a user or the members of a group; what is stored, or stands in the chat, does so once, also after a crash.

        Raises:
            ArgsError: names the field.
            UserIDNotFound, GroupIDNotFound, DismissedAlready: there is no sender, or nobody to be notified.
        """
        _check(request)
        effect = await self._changes.commit(partial(_put, cause, request))
        message = MsgData.FromString(effect.notification)
        return SendBusinessNotificationResp(
            serverMsgID=message.serverMsgID, clientMsgID=message.clientMsgID, sendTime=cause.now_ms
        )


def _check(request: SendBusinessNotificationReq) -> None:
    check_text("key", request.key, KEY_BYTES_MAX)
    check_text("data", request.data, DATA_BYTES_MAX)
    check_user_id("sendUserID", request.sendUserID)
    if bool(request.recvUserID) == bool(request.recvGroupID):
        raise errors.ArgsError("exactly one of recvUserID and recvGroupID must be given")
    if request.recvUserID:
        check_user_id("recvUserID", request.recvUserID)
    elif (fault := group_id_fault(request.recvGroupID)) is not None:
        raise errors.ArgsError(fault.replace("groupID", "recvGroupID"))
    if request.reliabilityLevel not in (*_NOT_STORED, _STORED):
        raise errors.ArgsError("reliabilityLevel is neither 1 nor 2")


def _put(cause: Cause, request: SendBusinessNotificationReq, tx: DirectoryTransaction) -> Effect:
    named = {"sendUserID": request.sendUserID, "recvUserID": request.recvUserID}
    _check_users({field: user_id for field, user_id in named.items() if user_id}, tx)
    if request.recvGroupID:
        _check_group(request.recvGroupID, tx)
    is_stored = request.reliabilityLevel == _STORED
    if is_stored and request.recvUserID:
        # Who has no conversation with the sender, would never look at the stream.
        tx.ensure_conversations(single_chat_rows(request.sendUserID, request.recvUserID))
    key, effect = business_notification(
        cause,
        request.sendUserID,
        Receiver(request.recvGroupID, request.recvUserID),
        BusinessTips(key=request.key, data=request.data),
        is_cloned=request.sendMsg,
        is_stored=is_stored,
    )
    tx.put_effect(key, encode_effect(effect), cause.now_ms)
    return effect


def _check_users(named: dict[str, str], tx: DirectoryTransaction) -> None:
    found = tx.users(list(named.values()))
    for field, user_id in named.items():
        user = found.get(user_id)
        if user is None or user.status == UserStatus.ERASED:
            raise errors.UserIDNotFound(f"{field}: no such account")


def _check_group(group_id: str, tx: DirectoryTransaction) -> None:
    group = tx.groups([group_id]).get(group_id)
    if group is None:
        raise errors.GroupIDNotFound("recvGroupID: no such group")
    if group.status == GroupStatus.DISMISSED:
        raise errors.DismissedAlready("recvGroupID: the group is dismissed")
