"""
Stored values as messages of the wire (OpenIM wire, Appendix A). Nothing is decided here.
"""

from __future__ import annotations

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.group import Group, GroupRequest, Member
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import Blocked, Friend, FriendRequest, User, UserCommand
from openim_ray.protocol.pb import conversation_pb2, sdkws_pb2
from openim_ray.protocol.pb.relation_pb2 import FriendInfoOnly
from openim_ray.protocol.pb.sdkws_pb2 import (
    BlackInfo,
    FriendInfo,
    GroupInfo,
    GroupMemberFullInfo,
    PublicUserInfo,
    UserInfo,
)
from openim_ray.protocol.pb.user_pb2 import CommandInfoResp, notificationAccountInfo


def user_info(user: User) -> UserInfo:
    """Return an account as the wire has it."""
    return UserInfo(
        userID=user.user_id,
        nickname=user.nickname,
        faceURL=user.face_url,
        ex=user.ex,
        createTime=user.create_time,
        appMangerLevel=user.app_manager_level,
        globalRecvMsgOpt=user.global_recv_msg_opt,
    )


def user_of(info: UserInfo) -> User:
    """Return the account that a caller describes."""
    return User(
        user_id=UserID(info.userID),
        nickname=info.nickname,
        face_url=info.faceURL,
        ex=info.ex,
        create_time=info.createTime,
        app_manager_level=info.appMangerLevel,
        global_recv_msg_opt=info.globalRecvMsgOpt,
    )


def friend_info(friend: Friend) -> FriendInfo:
    """
    Return an entry of a friend list: its `createTime` is in seconds, the friend's own is left out (both recorded).
    """
    user = friend.friend
    return FriendInfo(
        ownerUserID=friend.owner_user_id,
        remark=friend.remark,
        createTime=friend.create_time // 1000,
        friendUser=UserInfo(userID=user.user_id, nickname=user.nickname, faceURL=user.face_url, ex=user.ex),
        addSource=friend.add_source,
        operatorUserID=friend.operator_user_id,
        ex=friend.ex,
        isPinned=friend.is_pinned,
    )


def friend_info_only(friend: Friend) -> FriendInfoOnly:
    """
    Return a friendship without the friend's account, as the pure-JavaScript client gets it: in milliseconds.
    """
    return FriendInfoOnly(
        ownerUserID=friend.owner_user_id,
        friendUserID=friend.friend.user_id,
        remark=friend.remark,
        createTime=friend.create_time,
        addSource=friend.add_source,
        operatorUserID=friend.operator_user_id,
        ex=friend.ex,
        isPinned=friend.is_pinned,
    )


def black_info(entry: Blocked) -> BlackInfo:
    """
    Return an entry of a black list: its `createTime` is in seconds.
    """
    user = entry.blocked
    return BlackInfo(
        ownerUserID=entry.owner_user_id,
        createTime=entry.create_time // 1000,
        blackUserInfo=PublicUserInfo(userID=user.user_id, nickname=user.nickname, faceURL=user.face_url, ex=user.ex),
        addSource=entry.add_source,
        operatorUserID=entry.operator_user_id,
        ex=entry.ex,
    )


def bare_friend_info(friend: Friend) -> FriendInfo:
    """
    Return an entry of a friend list where the account stands beside it: without the account, in milliseconds (recorded).
    """
    return FriendInfo(
        ownerUserID=friend.owner_user_id,
        remark=friend.remark,
        createTime=friend.create_time,
        addSource=friend.add_source,
        operatorUserID=friend.operator_user_id,
        ex=friend.ex,
        isPinned=friend.is_pinned,
    )


def bare_black_info(entry: Blocked) -> BlackInfo:
    """
    Return an entry of a black list where the account stands beside it: without the account, in milliseconds.
    """
    return BlackInfo(
        ownerUserID=entry.owner_user_id,
        createTime=entry.create_time,
        addSource=entry.add_source,
        operatorUserID=entry.operator_user_id,
        ex=entry.ex,
    )


def exact_black_info(entry: Blocked) -> BlackInfo:
    """
    Return an entry of a black list that was asked for by name: its `createTime` is in milliseconds (recorded).
    """
    info = black_info(entry)
    info.createTime = entry.create_time
    return info


def friend_request(request: FriendRequest) -> sdkws_pb2.FriendRequest:
    """Return an application for friendship, with both accounts as they are now."""
    return sdkws_pb2.FriendRequest(
        fromUserID=request.from_user.user_id,
        fromNickname=request.from_user.nickname,
        fromFaceURL=request.from_user.face_url,
        toUserID=request.to_user.user_id,
        toNickname=request.to_user.nickname,
        toFaceURL=request.to_user.face_url,
        handleResult=request.handle_result,
        reqMsg=request.req_msg,
        createTime=request.create_time,
        handlerUserID=request.handler_user_id,
        handleMsg=request.handle_msg,
        handleTime=request.handle_time,
        ex=request.ex,
    )


def command_info(command: UserCommand) -> CommandInfoResp:
    """Return a thing that a user keeps."""
    return CommandInfoResp(
        type=command.kind, createTime=command.create_time, uuid=command.uuid, value=command.value, ex=command.ex
    )


def account_info(user: User) -> notificationAccountInfo:
    """Return a notification account."""
    return notificationAccountInfo(
        userID=user.user_id, faceURL=user.face_url, nickName=user.nickname, appMangerLevel=user.app_manager_level
    )


def conversation(row: Conversation) -> conversation_pb2.Conversation:
    """Return a conversation row as the wire has it."""
    return conversation_pb2.Conversation(
        ownerUserID=row.owner_user_id,
        conversationID=row.conversation_id,
        recvMsgOpt=row.recv_msg_opt,
        conversationType=row.conversation_type,
        userID=row.user_id,
        groupID=row.group_id,
        isPinned=row.is_pinned,
        attachedInfo=row.attached_info,
        isPrivateChat=row.is_private_chat,
        groupAtType=row.group_at_type,
        ex=row.ex,
        burnDuration=row.burn_duration,
        minSeq=row.min_seq,
        maxSeq=row.max_seq,
        msgDestructTime=row.msg_destruct_time,
        latestMsgDestructTime=row.latest_msg_destruct_time,
        isMsgDestruct=row.is_msg_destruct,
    )


def public_user_info(user: User) -> PublicUserInfo:
    """Return what everybody may see of an account."""
    return PublicUserInfo(userID=user.user_id, nickname=user.nickname, faceURL=user.face_url, ex=user.ex)


def group_info(group: Group) -> GroupInfo:
    """Return a group as the wire has it."""
    return GroupInfo(
        groupID=group.group_id,
        groupName=group.group_name,
        notification=group.notification,
        introduction=group.introduction,
        faceURL=group.face_url,
        ownerUserID=group.owner_user_id,
        createTime=group.create_time,
        memberCount=group.member_count,
        ex=group.ex,
        status=group.status,
        creatorUserID=group.creator_user_id,
        groupType=group.group_type,
        needVerification=group.need_verification,
        lookMemberInfo=group.look_member_info,
        applyMemberFriend=group.apply_member_friend,
        notificationUpdateTime=group.notification_update_time,
        notificationUserID=group.notification_user_id,
    )


def group_of(info: GroupInfo) -> Group:
    """Return the group that a caller describes: what she can't choose is left out."""
    return Group(
        group_id=GroupID(info.groupID),
        group_name=info.groupName,
        notification=info.notification,
        introduction=info.introduction,
        face_url=info.faceURL,
        ex=info.ex,
        group_type=info.groupType,
        need_verification=info.needVerification,
        look_member_info=info.lookMemberInfo,
        apply_member_friend=info.applyMemberFriend,
    )


def group_member_info(member: Member) -> GroupMemberFullInfo:
    """Return a member as the wire has her: with her own name and picture of this group, else with those of her account."""
    return GroupMemberFullInfo(
        groupID=member.group_id,
        userID=member.user.user_id,
        roleLevel=member.role_level,
        joinTime=member.join_time,
        nickname=member.nickname or member.user.nickname,
        faceURL=member.face_url or member.user.face_url,
        appMangerLevel=member.user.app_manager_level,
        joinSource=member.join_source,
        operatorUserID=member.operator_user_id,
        ex=member.ex,
        muteEndTime=member.mute_end_time,
        inviterUserID=member.inviter_user_id,
    )


def group_request(request: GroupRequest, group: Group | None = None) -> sdkws_pb2.GroupRequest:
    """Return an application to join; notifications have the group beside it instead of in it (recorded)."""
    return sdkws_pb2.GroupRequest(
        userInfo=public_user_info(request.user),
        groupInfo=group_info(group) if group else None,
        handleResult=request.handle_result,
        reqMsg=request.req_msg,
        handleMsg=request.handle_msg,
        reqTime=request.req_time,
        handleUserID=request.handle_user_id,
        handleTime=request.handle_time,
        ex=request.ex,
        joinSource=request.join_source,
        inviterUserID=request.inviter_user_id,
    )
