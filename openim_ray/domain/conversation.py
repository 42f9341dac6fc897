"""
Conversation ids and the rows a user owns (OpenIM wire, §4.1 and §6.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from openim_ray.domain.ids import ConversationID, GroupID, UserID


class SessionType(IntEnum):
    """
    Kind of a conversation, `sessionType` and `conversationType` on the wire.
    """

    SINGLE = 1
    WRITE_GROUP = 2
    GROUP = 3
    NOTIFICATION = 4


class ReceiveOption(IntEnum):
    """
    What a user wants of a conversation, `recvMsgOpt` on the wire.
    """

    RECEIVE = 0
    REFUSE = 1
    SILENT = 2


ZERO_DESTRUCT_TIME_MS = -62135596800000
"""`latestMsgDestructTime` of a fresh row: Go's zero time in milliseconds (OpenIM wire, Appendix D)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """
    One user's row of one conversation.
    """

    owner_user_id: UserID
    conversation_id: ConversationID
    conversation_type: int
    user_id: str = ""
    group_id: str = ""
    recv_msg_opt: int = 0
    is_pinned: bool = False
    attached_info: str = ""
    is_private_chat: bool = False
    group_at_type: int = 0
    ex: str = ""
    burn_duration: int = 0
    min_seq: int = 0
    max_seq: int = 0
    msg_destruct_time: int = 0
    latest_msg_destruct_time: int = ZERO_DESTRUCT_TIME_MS
    is_msg_destruct: bool = False


def single_chat_id(one: str, other: str) -> ConversationID:
    """
    Return the id of the single chat of two users.
    """
    first, second = (one, other) if one <= other else (other, one)
    return ConversationID(f"si_{first}_{second}")


def notification_chat_id(one: str, other: str) -> ConversationID:
    """
    Return the id of what a notification account writes to a user.
    """
    first, second = sorted((one, other))
    return ConversationID(f"sn_{first}_{second}")


def single_chat_rows(one: str, other: str) -> list[Conversation]:
    """
    Return the rows that two users own of their chat, as they are at first; one if she chats with herself.
    """
    chat_id = single_chat_id(one, other)
    pairs = sorted({(one, other), (other, one)})
    return [_row(owner, peer, chat_id, SessionType.SINGLE) for owner, peer in pairs]


def notification_chat_row(owner: str, account: str) -> Conversation:
    """
    Return the row that a user owns of what a notification account writes to her.
    """
    return _row(owner, account, notification_chat_id(owner, account), SessionType.NOTIFICATION)


def _row(owner: str, peer: str, conversation_id: ConversationID, session_type: SessionType) -> Conversation:
    return Conversation(
        owner_user_id=UserID(owner),
        conversation_id=conversation_id,
        conversation_type=session_type,
        user_id=peer,
    )


def notification_stream_id(conversation_id: str) -> ConversationID:
    """
    Return the notification stream of a conversation: the same id, first segment `n`.
    """
    return ConversationID(f"n_{home_key(conversation_id)}")


def self_stream_id(user_id: str) -> ConversationID:
    """
    Return the stream of notifications that a user sends to herself.
    """
    return ConversationID(f"n_{user_id}_{user_id}")


def group_chat_id(group_id: GroupID) -> ConversationID:
    """
    Return the id of a group's conversation.
    """
    return ConversationID(f"sg_{group_id}")


def home_key(conversation_id: str) -> str:
    """
    Return what places a log: its id without the first segment, so a chat and its `n_` stream share an owner.

    Ids are never split further: user ids may hold underscores.
    """
    return conversation_id.partition("_")[2]


def chats_of(stream_id: str) -> tuple[ConversationID, ...]:
    """
    Return the conversations that a notification stream may belong to: which one it is, the id does not tell.
    """
    rest = home_key(stream_id)
    return tuple(ConversationID(f"{segment}_{rest}") for segment in ("si", "sg", "sn"))


def is_notification_stream(conversation_id: str) -> bool:
    """
    Tell whether an id names a notification stream.
    """
    return conversation_id.startswith("n_")


def is_group_chat(conversation_id: str) -> bool:
    """
    Tell whether an id names the conversation of a group; its home key is the group's id.
    """
    return conversation_id.startswith("sg_")


def is_single_chat(conversation_id: str) -> bool:
    """
    Tell whether an id names a chat of two users.
    """
    return conversation_id.startswith("si_")


def is_notification_chat(conversation_id: str) -> bool:
    """
    Tell whether an id names what a notification account writes to a user: only who is written to has it.
    """
    return conversation_id.startswith("sn_")
