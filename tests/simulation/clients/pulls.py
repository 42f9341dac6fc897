"""
The requests by which clients read, encoded and decoded.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    GetSeqMessageReq,
    GetSeqMessageResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqReq, GetMaxSeqResp, PullMessageBySeqsReq, PullMessageBySeqsResp
from tests.simulation.messages import Seen, seen_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.simulation.clients.device import Device

T = TypeVar("T")


class Range(NamedTuple):
    """
    A range of a 1002.
    """

    conversation_id: str
    begin: int
    end: int
    num: int


async def ask_maxima(device: Device) -> dict[str, int]:
    """
    Ask a 1001.
    """
    data = GetMaxSeqReq(userID=device.user_id).SerializeToString()
    answer = GetMaxSeqResp.FromString(await device.ask(RequestIdentifier.GET_NEWEST_SEQ, data))
    return dict(_in_order(answer.maxSeqs))


async def ask_states(device: Device) -> dict[str, tuple[int, int]]:
    """
    Ask a 1006; (max seq, read seq) of each conversation.
    """
    data = GetConversationsHasReadAndMaxSeqReq(userID=device.user_id).SerializeToString()
    answer = await device.ask(RequestIdentifier.GET_CONV_MAX_READ_SEQ, data)
    seqs = GetConversationsHasReadAndMaxSeqResp.FromString(answer).seqs
    return {conversation_id: (one.maxSeq, one.hasReadSeq) for conversation_id, one in _in_order(seqs)}


async def pull_ranges(device: Device, ranges: Sequence[Range]) -> dict[str, list[Seen]]:
    """
    Ask a 1002, ascending.
    """
    request = PullMessageBySeqsReq(userID=device.user_id)
    for one in ranges:
        request.seqRanges.add(conversationID=one.conversation_id, begin=one.begin, end=one.end, num=one.num)
    answer = await device.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request.SerializeToString())
    return _pulled(device, PullMessageBySeqsResp.FromString(answer))


async def pull_seqs(device: Device, conversation_id: str, seqs: Sequence[int]) -> list[Seen]:
    """
    Ask a 1005 of one conversation, descending.
    """
    request = GetSeqMessageReq(userID=device.user_id, order=1)
    request.conversations.add(conversationID=conversation_id, seqs=seqs)
    answer = await device.ask(RequestIdentifier.PULL_MSG_BY_SEQ_LIST, request.SerializeToString())
    return _pulled(device, GetSeqMessageResp.FromString(answer)).get(conversation_id, [])


def _in_order(entries: Mapping[str, T]) -> list[tuple[str, T]]:
    """Protobuf's maps come in another order in every process, which would keep a seed from being replayed."""
    return sorted(entries.items(), key=itemgetter(0))


def _pulled(device: Device, answer: PullMessageBySeqsResp | GetSeqMessageResp) -> dict[str, list[Seen]]:
    pulled = pulled_rows(answer)
    for conversation_id, found in pulled.items():
        device.world.oracle.pulled(device.user_id, conversation_id, found)
    return pulled


def pulled_rows(answer: PullMessageBySeqsResp | GetSeqMessageResp) -> dict[str, list[Seen]]:
    """
    Return what an answer to a pull holds.
    """
    return {
        conversation_id: [seen_message(message) for message in messages.Msgs]
        for part in (answer.msgs, answer.notificationMsgs)
        for conversation_id, messages in _in_order(part)
    }
