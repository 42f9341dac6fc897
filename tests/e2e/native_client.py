"""
A client that behaves as the native SDKs do (Go core on phones and desktops): the rules of synchronisation of OpenIM wire §7
and §8 over the socket of `native_connection`.

Only what a server can tell from outside is here; written from the wire's description, for tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from openim_ray.protocol.frames import Response
from openim_ray.protocol.identifiers import ContentType, MessageSource, MessageStatus, PullOrder, RequestIdentifier
from openim_ray.protocol.pb import msg_pb2, push_pb2, sdkws_pb2
from tests.e2e.client import Account, Client, Endpoints, HistoryPage, Message
from tests.e2e.native_connection import NativeConnection, RequestError, operation_id

SYNC_PAUSE_SECONDS: Final = 5.0
"""A connection made sooner after the start of the last synchronisation isn't synchronised (OpenIM wire, §8.1)."""

NEWEST_SEQ_PAUSES: Final = (2.0, 4.0)
GAP_MESSAGES: Final = 10
HISTORY_SEQS_MAX: Final = 50
PULL_CONVERSATIONS: Final = 100
SINGLE_CHAT: Final = 1


@dataclass
class Device:
    """What stays on a device between two logins. A fresh one is a new installation."""

    installed: bool = False
    synced: dict[str, int] = field(default_factory=dict)
    """Highest seq known of each conversation and notification stream."""

    messages: defaultdict[str, dict[int, sdkws_pb2.MsgData]] = field(default_factory=lambda: defaultdict(dict))
    unread: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


class NativeClient(Client):
    """
    One device of one user; `device` holds what it kept from earlier logins, `clock` is what it takes for the time (seconds).

    Besides the callbacks of the SDKs its events tell what an SDK keeps to itself: `pushed` (conversation, seqs), `repeated push`,
    `gap` (conversation, known seq, pushed seq), `echo` of an own message, `unstored` messages, `sync skipped`.
    """

    def __init__(
        self,
        account: Account,
        endpoints: Endpoints,
        *,
        device: Device | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(account)
        self.device = device or Device()
        self._endpoints = endpoints
        self._clock = clock
        self._connection: NativeConnection | None = None
        self._work: asyncio.Queue[Response | None] = asyncio.Queue()
        self._working: asyncio.Task[None] | None = None
        self._sync_started = -SYNC_PAUSE_SECONDS

    @property
    def connection(self) -> NativeConnection:
        """The socket, once `start` was called."""
        assert self._connection is not None, "not started"
        return self._connection

    # --- life

    async def start(self) -> None:
        """Begin to connect; lost connections are made again until the login ends."""
        self._working = asyncio.create_task(self._synchronise())
        self._connection = NativeConnection(
            self.account,
            self._endpoints.ws_url,
            self.events,
            lambda: self._work.put_nowait(None),
            self._work.put_nowait,
        )

    async def logout(self) -> None:
        """Ask the server to end the login (2003), and close."""
        request = push_pb2.DelUserPushTokenReq(userID=self.user_id, platformID=self.account.platform)
        await self.connection.ask(RequestIdentifier.LOGOUT, request.SerializeToString())
        await self.connection.end()

    async def close(self) -> None:
        """End the device as a process that is killed."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        if self._connection is not None:
            await self._connection.kill()

    # --- messages

    async def send_text(self, peer: str, text: str, *, client_msg_id: str = "") -> Message:
        """Send a text; RequestError if it was refused or not answered. A second try repeats the `client_msg_id` of the first."""
        message = self._new_text(peer, text, client_msg_id or new_client_msg_id())
        data = await self.connection.ask(RequestIdentifier.SEND_MSG, message.SerializeToString())
        answer = msg_pb2.SendMsgResp.FromString(data)
        return Message(text, self.user_id, 0, answer.sendTime, answer.clientMsgID, answer.serverMsgID)

    async def echo_of(self, sent: Message) -> Message:
        """Wait for the push that tells the seq of an own message, and return it."""
        event = await self.events.wait(
            lambda event: event.name == "echo" and event.data.client_msg_id == sent.client_msg_id,
            f"echo of {sent.text!r}",
        )
        echo: Message = event.data
        return echo

    async def history(self, peer: str, count: int, before: Message | None = None) -> HistoryPage:
        """Return a page; what isn't on the device is pulled by seq (OpenIM wire, §7.5)."""
        chat = self.chat_with(peer)
        top = before.seq if before else self.device.synced.get(chat, 0) + 1
        seqs = range(max(1, top - count), top)
        is_end = await self._fetch(chat, [seq for seq in seqs if seq not in self.device.messages[chat]])
        stored = (self.device.messages[chat].get(seq) for seq in seqs)
        texts = [_text(message) for message in stored if message and _is_shown(message)]
        return HistoryPage(texts, is_end or seqs.start == 1)

    async def unread(self, peer: str) -> int:
        """Return the unread count of the chat with `peer`."""
        return self.device.unread[self.chat_with(peer)]

    async def mark_read(self, peer: str) -> None:
        """Mark the chat with `peer` as read, by HTTP as the SDK does; nothing if nothing is unread."""
        chat = self.chat_with(peer)
        if not self.device.unread[chat]:
            return
        messages = self.device.messages[chat]
        unread = sorted(seq for seq, found in messages.items() if found.sendID != self.user_id and not found.isRead)
        position = self.device.synced.get(chat, 0)
        body = {"conversationID": chat, "userID": self.user_id, "hasReadSeq": position, "seqs": unread}
        await self._post("/msg/mark_conversation_as_read", body)
        self.device.unread[chat] = 0

    async def receipt_of(self, message: Message) -> None:
        """Wait until the server tells that the peer has read `message`."""
        await self.events.wait(
            lambda event: event.name == "OnRecvC2CReadReceipt" and message.client_msg_id in event.data,
            f"receipt of {message.text!r}",
        )

    def _new_text(self, peer: str, text: str, client_msg_id: str) -> sdkws_pb2.MsgData:
        return sdkws_pb2.MsgData(
            sendID=self.user_id,
            recvID=peer,
            clientMsgID=client_msg_id,
            senderPlatformID=self.account.platform,
            senderNickname=self.user_id,
            sessionType=SINGLE_CHAT,
            msgFrom=MessageSource.USER,
            contentType=ContentType.TEXT,
            content=json.dumps({"content": text}).encode(),
            createTime=int(self._clock() * 1000),
            status=MessageStatus.SENDING,
            offlinePushInfo=sdkws_pb2.OfflinePushInfo(title="You have a new message.", iOSPushSound="+1"),
            attachedInfo="null",
        )

    # --- synchronisation: one thing after the other, connections and pushes

    async def _synchronise(self) -> None:
        while True:
            work = await self._work.get()
            try:
                await (self._connected() if work is None else self._pushed(work))
            except RequestError as error:  # the SDK gives up, too, and doesn't ask again
                self.events.add("OnSyncServerFailed", str(error))

    async def _connected(self) -> None:
        if time.monotonic() - self._sync_started < SYNC_PAUSE_SECONDS:
            self.events.add("sync skipped")
            return
        self._sync_started = time.monotonic()
        newest = await self._newest_seqs()
        await self._read_positions()
        await self._pull([wanted for wanted in map(self._range, newest, newest.values()) if wanted.end >= wanted.begin])
        for chat, seq in newest.items():
            self.device.synced[chat] = max(seq, self.device.synced.get(chat, 0))
        self.device.installed = True
        self.events.add("OnSyncServerFinish")

    async def _newest_seqs(self) -> dict[str, int]:
        request = sdkws_pb2.GetMaxSeqReq(userID=self.user_id).SerializeToString()
        for pause in NEWEST_SEQ_PAUSES:
            try:
                return _newest(await self.connection.ask(RequestIdentifier.GET_NEWEST_SEQ, request))
            except RequestError:
                await asyncio.sleep(pause)
        return _newest(await self.connection.ask(RequestIdentifier.GET_NEWEST_SEQ, request))

    async def _read_positions(self) -> None:
        request = msg_pb2.GetConversationsHasReadAndMaxSeqReq(userID=self.user_id).SerializeToString()
        data = await self.connection.ask(RequestIdentifier.GET_CONV_MAX_READ_SEQ, request)
        for chat, seqs in msg_pb2.GetConversationsHasReadAndMaxSeqResp.FromString(data).seqs.items():
            self.device.unread[chat] = max(seqs.maxSeq - seqs.hasReadSeq, 0)

    def _range(self, chat: str, newest: int) -> sdkws_pb2.SeqRange:
        """Of a chat the newest message, of a notification stream everything since the last time and nothing at first."""
        known = self.device.synced.get(chat, 0)
        if chat.startswith("n_"):
            known = known if self.device.installed else newest
        return sdkws_pb2.SeqRange(conversationID=chat, begin=known + 1, end=newest, num=1)

    async def _pull(
        self, ranges: list[sdkws_pb2.SeqRange], operation: str = ""
    ) -> list[tuple[str, sdkws_pb2.PullMsgs]]:
        """Pull ranges and keep what comes; returns it by conversation."""
        pulled: list[tuple[str, sdkws_pb2.PullMsgs]] = []
        for start in range(0, len(ranges), PULL_CONVERSATIONS):
            batch = ranges[start : start + PULL_CONVERSATIONS]
            request = sdkws_pb2.PullMessageBySeqsReq(userID=self.user_id, seqRanges=batch).SerializeToString()
            data = await self.connection.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, operation)
            answer = sdkws_pb2.PullMessageBySeqsResp.FromString(data)
            pulled += [*answer.msgs.items(), *answer.notificationMsgs.items()]
        for chat, messages in pulled:
            self._keep(chat, messages.Msgs, "OnRecvOfflineNewMessages")
        return pulled

    async def _pushed(self, response: Response) -> None:
        push = sdkws_pb2.PushMessages.FromString(response.data)
        for chat, messages in [*push.msgs.items(), *push.notificationMsgs.items()]:
            unstored = [message for message in messages.Msgs if not message.seq]
            stored = [message for message in messages.Msgs if message.seq]
            if unstored:
                self.events.add("unstored", unstored)
            if stored:
                await self._push_of(chat, stored, response.operation_id)

    async def _push_of(self, chat: str, stored: list[sdkws_pb2.MsgData], operation: str) -> None:
        last, known = stored[-1].seq, self.device.synced.get(chat, 0)
        self.events.add("pushed", (chat, [message.seq for message in stored]))
        if last <= known:
            self.events.add("repeated push", (chat, known, last))
            return
        if last == known + len(stored):
            self._count_unread(chat, stored)
            self._keep(chat, stored, "OnRecvNewMessages")
        else:
            self.events.add("gap", (chat, known, last))
            wanted = sdkws_pb2.SeqRange(conversationID=chat, begin=known + 1, end=last, num=GAP_MESSAGES)
            for of_chat, messages in await self._pull([wanted], operation):
                self._count_unread(of_chat, messages.Msgs)
        self.device.synced[chat] = last

    def _count_unread(self, chat: str, messages: Iterable[sdkws_pb2.MsgData]) -> None:
        told = [message for message in messages if message.status != MessageStatus.DELETED]
        self.device.unread[chat] += sum(message.sendID != self.user_id for message in told)

    def _keep(self, chat: str, messages: Iterable[sdkws_pb2.MsgData], event: str) -> None:
        for message in messages:
            self.device.messages[chat].setdefault(message.seq, message)
            if message.contentType == ContentType.HAS_READ_RECEIPT:
                self._receipt(json.loads(json.loads(message.content)["detail"]))
            elif _is_shown(message):
                self.events.add("echo" if message.sendID == self.user_id else event, _text(message))

    def _receipt(self, tips: Mapping[str, Any]) -> None:
        messages = self.device.messages[tips["conversationID"]]
        if tips["markAsReadUserID"] == self.user_id:
            position = self.device.synced.get(tips["conversationID"], 0)
            self.device.unread[tips["conversationID"]] = max(position - tips["hasReadSeq"], 0)
            return
        read = [messages[seq] for seq in tips["seqs"] or [] if seq in messages]
        for message in read:
            message.isRead = True
        self.events.add("OnRecvC2CReadReceipt", [message.clientMsgID for message in read])

    async def _fetch(self, chat: str, seqs: list[int]) -> bool:
        """Pull messages by seq; returns whether the server said that the conversation ends there."""
        is_end = False
        for start in range(0, len(seqs), HISTORY_SEQS_MAX):
            wanted = msg_pb2.ConversationSeqs(conversationID=chat, seqs=seqs[start : start + HISTORY_SEQS_MAX])
            request = msg_pb2.GetSeqMessageReq(
                userID=self.user_id, conversations=[wanted], order=PullOrder.DESCENDING.value
            )
            data = await self.connection.ask(RequestIdentifier.PULL_MSG_BY_SEQ_LIST, request.SerializeToString())
            pulled = msg_pb2.GetSeqMessageResp.FromString(data).msgs[chat]
            for message in pulled.Msgs:
                self.device.messages[chat].setdefault(message.seq, message)
            is_end = is_end or pulled.isEnd
        return is_end

    async def _post(self, path: str, body: Mapping[str, Any]) -> None:
        headers = {"operationID": operation_id(), "token": self.account.token}
        session = self.connection.session
        async with session.post(self._endpoints.api_url + path, json=body, headers=headers) as response:
            text = await response.text()
        self.events.add("http", {"path": path, "status": response.status, "body": text})
        envelope = json.loads(text)
        if envelope["errCode"]:
            raise RequestError(envelope["errCode"], f"{path}: {envelope['errMsg']}")


def new_client_msg_id() -> str:
    """Return an id as SDKs make them: 32 hex digits."""
    return hashlib.md5(uuid.uuid4().bytes).hexdigest()


def _newest(data: bytes) -> dict[str, int]:
    return dict(sdkws_pb2.GetMaxSeqResp.FromString(data).maxSeqs)


def _is_shown(message: sdkws_pb2.MsgData) -> bool:
    """Tell whether a message is a text that is not deleted."""
    return message.contentType == ContentType.TEXT and message.status != MessageStatus.DELETED


def _text(message: sdkws_pb2.MsgData) -> Message:
    return Message(
        text=json.loads(message.content)["content"],
        send_id=message.sendID,
        seq=message.seq,
        send_time=message.sendTime,
        client_msg_id=message.clientMsgID,
        server_msg_id=message.serverMsgID,
        is_read=message.isRead,
    )
