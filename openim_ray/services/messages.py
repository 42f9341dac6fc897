"""
Reading messages: what a user has, and what she has read (OpenIM wire, §3.1, §3.2, §3.4-3.7).

Requests and answers are encoded protobuf. Stored messages go into answers as they are: they are not parsed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from openim_ray.domain import errors
from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.ids import UserID
from openim_ray.ports import Broker, ConversationState, ConversationStore, MessageReader
from openim_ray.protocol.limits import TARGET_RESPONSE_FRAME_BYTES
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    GetLastMessageReq,
    GetLastMessageResp,
    GetSeqMessageReq,
)
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqReq, GetMaxSeqResp, PullMessageBySeqsReq
from openim_ray.services.message_rows import RowReader
from openim_ray.services.paging import check_ids
from openim_ray.services.pull_answers import encode_within_frame
from openim_ray.services.pull_ranges import Pulls, Range, run_of

CONVERSATIONS_MAX: Final = 1_000
"""Conversations in one pull; more is refused with ArgsError. SDKs ask for about 100 at once."""

_Request = TypeVar("_Request", bound=Message)


class MessageReading:
    """
    Answers what clients ask about messages, over the WebSocket or over HTTP.

    Each method takes the user whose connection it is (or for whom an administrator asks) and the encoded request. A request
    that names another user is refused with NoPermission, one that can't be read or asks for too much with ArgsError; a
    conversation the user has no part in is left out. Unavailable means that something could not be read: nothing is answered
    as absent that may be there.

    Args:
        reader: where messages are.
        conversations: where rows are, for what is pinned.
        broker: asks inboxes what a user may see.
    """

    def __init__(self, reader: MessageReader, conversations: ConversationStore, broker: Broker) -> None:
        self._rows = RowReader(reader)
        self._pulls = Pulls(self._rows)
        self._conversations = conversations
        self._broker = broker

    async def newest_seqs(self, user_id: str, data: bytes) -> bytes:
        """
        Answer 1001: the max seqs of all conversations and notification streams; empty ones are left out.
        """
        _check_owner(user_id, _parse(GetMaxSeqReq, data).userID)
        states = await self._broker.conversation_states(user_id)
        maxima = {conversation_id: state.max_seq for conversation_id, state in states.items() if state.max_seq > 0}
        return GetMaxSeqResp(maxSeqs=maxima).SerializeToString()

    async def has_read_and_max_seqs(self, user_id: str, data: bytes) -> bytes:
        """
        Answer 1006: max seq, read position and time of the newest message of some or all chats; perhaps which are pinned.
        """
        request = _parse(GetConversationsHasReadAndMaxSeqReq, data)
        _check_owner(user_id, request.userID)
        asked = check_ids("conversationIDs", request.conversationIDs)
        states = await self._broker.conversation_states(user_id, asked or None)
        pinned = await self._pinned(user_id) if request.returnPinned else []
        answer = GetConversationsHasReadAndMaxSeqResp(pinnedConversationIDs=pinned)
        # Filled in place: given as a map of messages, each would be made twice.
        seqs = answer.seqs
        for conversation_id, state in states.items():
            if not is_notification_stream(conversation_id):
                entry = seqs[conversation_id]
                entry.maxSeq, entry.hasReadSeq, entry.maxSeqTime = state.max_seq, state.read_seq, state.max_time
        return answer.SerializeToString()

    async def pull_by_ranges(
        self, user_id: str, data: bytes, *, uncut: bool = False, compressed: bool = False
    ) -> bytes:
        """
        Answer 1002: the newest `num` rows of ranges of chats, dense, and all notifications of ranges of streams.

        Args:
            user_id: who asks.
            data: the encoded PullMessageBySeqsReq.
            uncut: nothing may be left out: this client would never ask for it again (OpenIM wire, §11.1).
            compressed: whether the answer will be compressed; its size counts as it is written.
        """
        request = _parse(PullMessageBySeqsReq, data)
        _check_owner(user_id, request.userID)
        asked = {one.conversationID: Range(one.begin, one.end, one.num) for one in request.seqRanges}
        states = await self._states(user_id, list(asked))
        runs = {
            conversation_id: run_of(conversation_id, asked[conversation_id], state, request.order)
            for conversation_id, state in states.items()
        }
        answer = await self._pulls.runs(runs, uncut=uncut)
        return answer.encode() if uncut else encode_within_frame(answer, compressed=compressed)

    async def pull_by_seqs(self, user_id: str, data: bytes, *, compressed: bool = False) -> bytes:
        """
        Answer 1005: one row per seq in the order asked for, and whether a seq lay beyond what the user may see.

        Every conversation asked for is named in the answer, because the pure-JavaScript client relies on it; one that the user
        has no part in stays empty. `compressed` as in `pull_by_ranges`.
        """
        request = _parse(GetSeqMessageReq, data)
        _check_owner(user_id, request.userID)
        asked = {one.conversationID: one.seqs for one in request.conversations}
        states = await self._states(user_id, list(asked))
        answer = await self._pulls.picks(asked, states, request.order)
        return encode_within_frame(answer, compressed=compressed)

    async def last_messages(self, user_id: str, data: bytes) -> bytes:
        """
        Answer 1007: the newest message of each chat that the user may see; chats for which a frame has no room are left out.
        """
        request = _parse(GetLastMessageReq, data)
        _check_owner(user_id, request.userID)
        states = await self._states(user_id, request.conversationIDs)
        answer = GetLastMessageResp()
        newest = await self.newest_messages(states, TARGET_RESPONSE_FRAME_BYTES)
        for conversation_id, body in newest.items():
            answer.msgs[conversation_id].MergeFromString(body)
        return answer.SerializeToString()

    async def newest_messages(self, states: Mapping[str, ConversationState], bytes_max: int) -> dict[str, bytes]:
        """
        Return the encoded newest messages of those chats that have one, in their order, as many as `bytes_max` has room for.

        A chat is left out, too, whose newest message only a history has that can't be read now.
        """
        found: dict[str, bytes] = {}
        room = bytes_max
        for conversation_id, state in states.items():
            if state.max_seq < state.min_seq or is_notification_stream(conversation_id):
                continue
            try:
                body = await self._rows.newest(conversation_id, state.min_seq, state.max_seq)
            except errors.HistoryUnavailable:
                continue
            if body is not None and len(body) <= room:
                found[conversation_id] = body
                room -= len(body)
        return found

    async def _states(self, user_id: str, conversation_ids: Sequence[str]) -> dict[str, ConversationState]:
        """Return the states of those conversations the user has a part in, in the order asked for."""
        if len(conversation_ids) > CONVERSATIONS_MAX:
            raise errors.ArgsError(
                f"seqRanges, or conversationIDs, name more than {CONVERSATIONS_MAX} conversations in one pull"
            )
        if not conversation_ids:
            return {}
        states = await self._broker.conversation_states(user_id, list(conversation_ids))
        return {one: states[one] for one in dict.fromkeys(conversation_ids) if one in states}

    async def _pinned(self, user_id: str) -> list[str]:
        rows = await self._conversations.conversations(UserID(user_id))
        return [row.conversation_id for row in rows if row.is_pinned]


def _parse(message_class: type[_Request], data: bytes) -> _Request:
    try:
        return message_class.FromString(data)
    except DecodeError:
        raise errors.ArgsError(f"request is not a {message_class.DESCRIPTOR.name}") from None


def _check_owner(user_id: str, named: str) -> None:
    """A request may leave the user out: it is then the caller's own."""
    if named not in ("", user_id):
        raise errors.NoPermission("userID is not the user who asks")
