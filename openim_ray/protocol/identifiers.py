"""
Numbers and names of the wire (OpenIM wire, §1.6, §3, §4.2-4.5). What they imply is decided elsewhere.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class RequestIdentifier(IntEnum):
    """
    What a frame asks, answers or pushes.
    """

    GET_NEWEST_SEQ = 1001
    PULL_MSG_BY_RANGE = 1002
    SEND_MSG = 1003
    SEND_SIGNAL_MSG = 1004
    PULL_MSG_BY_SEQ_LIST = 1005
    GET_CONV_MAX_READ_SEQ = 1006
    PULL_CONV_LAST_MESSAGE = 1007
    PUSH_MSG = 2001
    KICK_ONLINE = 2002
    LOGOUT = 2003
    SET_BACKGROUND_STATUS = 2004
    SUB_USER_ONLINE_STATUS = 2005


class Platform(IntEnum):
    """
    The kind of device a token and a connection belong to, `platformID` on the wire.
    """

    IOS = 1
    ANDROID = 2
    WINDOWS = 3
    OSX = 4
    WEB = 5
    MINI_WEB = 6
    LINUX = 7
    ANDROID_PAD = 8
    IPAD = 9
    ADMIN = 10
    HARMONY_OS = 11


class PlatformClass(StrEnum):
    """
    What multi-terminal policies count by.
    """

    MOBILE = "Mobile"
    PC = "PC"
    WEB = "Web"
    MINI_WEB = "MiniWeb"
    PAD = "Pad"
    ADMIN = "Admin"
    HARMONY_OS = "HarmonyOS"


PLATFORM_CLASS: dict[Platform, PlatformClass] = {
    Platform.IOS: PlatformClass.MOBILE,
    Platform.ANDROID: PlatformClass.MOBILE,
    Platform.WINDOWS: PlatformClass.PC,
    Platform.OSX: PlatformClass.PC,
    Platform.WEB: PlatformClass.WEB,
    Platform.MINI_WEB: PlatformClass.MINI_WEB,
    Platform.LINUX: PlatformClass.PC,
    Platform.ANDROID_PAD: PlatformClass.PAD,
    Platform.IPAD: PlatformClass.PAD,
    Platform.ADMIN: PlatformClass.ADMIN,
    Platform.HARMONY_OS: PlatformClass.HARMONY_OS,
}

PLATFORM_NAME: dict[Platform, str] = {
    Platform.IOS: "IOS",
    Platform.ANDROID: "Android",
    Platform.WINDOWS: "Windows",
    Platform.OSX: "OSX",
    Platform.WEB: "Web",
    Platform.MINI_WEB: "MiniWeb",
    Platform.LINUX: "Linux",
    Platform.ANDROID_PAD: "APad",
    Platform.IPAD: "IPad",
    Platform.ADMIN: "Admin",
    Platform.HARMONY_OS: "HarmonyOS",
}


class MessageSource(IntEnum):
    """
    Who made a message, `msgFrom` on the wire.
    """

    USER = 100
    SYSTEM = 200


class MessageStatus(IntEnum):
    """
    `status` of a message; SDKs keep a row that came as DELETED as a gap for ever.
    """

    SENDING = 1
    SUCCESS = 2
    FAILED = 3
    DELETED = 4
    FILTERED = 5


class PullOrder(IntEnum):
    """
    Direction of a pull.
    """

    ASCENDING = 0
    DESCENDING = 1


class GroupAtType(IntEnum):
    """
    Mark on a conversation row: who was called by an @ message.
    """

    NORMAL = 0
    AT_ME = 1
    AT_ALL = 2
    AT_ALL_AND_ME = 3
    GROUP_NOTICE = 4


AT_ALL_TAG = "AtAllTag"
"""Stands in `atUserIDList` for every member."""


class MessageOption(StrEnum):
    """
    Keys of `MsgData.options`. An absent key means true.
    """

    HISTORY = "history"
    PERSISTENT = "persistent"
    OFFLINE_PUSH = "offlinePush"
    UNREAD_COUNT = "unreadCount"
    CONVERSATION_UPDATE = "conversationUpdate"
    SENDER_SYNC = "senderSync"
    SENDER_CONVERSATION_UPDATE = "senderConversationUpdate"
    NOT_PRIVATE = "notPrivate"
    IS_NOT_NOTIFICATION = "isNotNotification"
    IS_SEND_MSG = "isSendMsg"
    REACTION_FROM_CACHE = "reactionFromCache"
    SENDER_NOTIFICATION_PUSH = "senderNotificationPush"


class ContentType(IntEnum):
    """
    What `MsgData.content` holds: below 1000 from users, the rest notifications.
    """

    TEXT = 101
    PICTURE = 102
    VOICE = 103
    VIDEO = 104
    FILE = 105
    AT_TEXT = 106
    MERGER = 107
    CARD = 108
    LOCATION = 109
    CUSTOM = 110
    REVOKE = 111
    TYPING = 113
    QUOTE = 114
    FACE = 115
    ADVANCED_TEXT = 117
    MARKDOWN = 118
    CUSTOM_WITHOUT_CONVERSATION = 119
    CUSTOM_ONLINE_ONLY = 120

    FRIEND_APPLICATION_APPROVED = 1201
    FRIEND_APPLICATION_REJECTED = 1202
    FRIEND_APPLICATION = 1203
    FRIEND_ADDED = 1204
    FRIEND_DELETED = 1205
    FRIEND_REMARK_SET = 1206
    BLACK_ADDED = 1207
    BLACK_DELETED = 1208
    FRIEND_INFO_UPDATED = 1209
    FRIENDS_INFO_UPDATE = 1210

    CONVERSATION_CHANGED = 1300
    USER_INFO_UPDATED = 1303
    USER_STATUS_CHANGE = 1304
    USER_COMMAND_ADD = 1305
    USER_COMMAND_DELETE = 1306
    USER_COMMAND_UPDATE = 1307
    USER_STATUS_SUBSCRIBED = 1308

    OA_NOTIFICATION = 1400

    GROUP_CREATED = 1501
    GROUP_INFO_SET = 1502
    JOIN_GROUP_APPLICATION = 1503
    MEMBER_QUIT = 1504
    GROUP_APPLICATION_ACCEPTED = 1505
    GROUP_APPLICATION_REJECTED = 1506
    GROUP_OWNER_TRANSFERRED = 1507
    MEMBER_KICKED = 1508
    MEMBER_INVITED = 1509
    MEMBER_ENTER = 1510
    GROUP_DISMISSED = 1511
    GROUP_MEMBER_MUTED = 1512
    GROUP_MEMBER_CANCEL_MUTED = 1513
    GROUP_MUTED = 1514
    GROUP_CANCEL_MUTED = 1515
    GROUP_MEMBER_INFO_SET = 1516
    GROUP_MEMBER_SET_TO_ADMIN = 1517
    GROUP_MEMBER_SET_TO_ORDINARY = 1518
    GROUP_ANNOUNCEMENT_SET = 1519
    GROUP_NAME_SET = 1520

    CONVERSATION_PRIVATE_CHAT = 1701
    CONVERSATION_UNREAD = 1702
    CLEAR_CONVERSATION = 1703
    CONVERSATION_DELETE = 1704

    BUSINESS = 2001
    MESSAGE_REVOKED = 2101
    MESSAGES_DELETED = 2102
    HAS_READ_RECEIPT = 2200
    GROUP_HAS_READ_RECEIPT = 2300


NOTIFICATION_CONTENT_TYPES = range(1000, 5001)
"""Content types that only the server and its administrators may send."""
