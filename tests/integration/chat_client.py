"""
A client that stays connected, sends each message until it is answered, and keeps books: what it sent, what it was answered, what it
has seen, and everything that must not happen.

It syncs after connecting in the way of its kind (OpenIM wire, §8.1, §10.1, §11.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Final, NamedTuple

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.errors import Overloaded, Unavailable
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    SendMsgResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import (
    GetMaxSeqReq,
    GetMaxSeqResp,
    MsgData,
    PullMessageBySeqsReq,
    PullMessageBySeqsResp,
)
from tests.integration.connection import JS, PYPI, Account, Connection, Kind, Push, Refused, connect, text_message
from tests.integration.websocket import Ended, HttpAnswer

ANSWER_SECONDS: Final = 10.0
"""SDKs give up then, and send again."""

SYNC_PAUSE_SECONDS: Final = 5.0
"""A Go SDK starts no other sync within this time."""

TEMPORARY_CODES: Final = frozenset({Unavailable.code, Overloaded.code})
GOING_AWAY: Final = 1001
TOKEN_CODES: Final = range(1501, 1508)
PING_SECONDS: Final = 10.0
RECONNECT_SECONDS: Final = (0.1, 0.2, 0.4, 0.8)
PAGE: Final = 100
GAP_PULL_MAX: Final = 10
GROUP_CHAT: Final = "sg_"


class Answered(NamedTuple):
    """What the server said of a message."""

    chat: str
    server_id: str
    send_time: int


class Leap(NamedTuple):
    """A push in the chat of a group that doesn't continue the one before: right only for who came to the group with it."""

    chat: str
    last: int
    seq: int


class ChatClient:
    """One device of one user; `close` ends it. `faults` must stay empty."""

    def __init__(self, port: int, account: Account, kind: Kind, on_change: Callable[[], None]) -> None:
        self.account = account
        self.kind = kind
        self.unanswered = 0
        self.answered: dict[str, Answered] = {}
        """By clientMsgID."""

        self.seen: dict[str, dict[int, str]] = {}
        """Conversation -> seq -> clientMsgID, from pushes and pulls."""

        self.faults: list[str] = []
        self.leaps: list[Leap] = []
        self.connects = 0
        self.ends: list[int | None] = []
        """How connections ended: the code of the close frame, or None."""

        self.made_to_sync = 0
        """
        Connections that the server closed because this client had begun no sync, too soon after its last one, or because it could not answer one
        in time: the next connection's sync repairs either. They are not among `ends`.
        """

        self.gap_pulls = 0
        """How often a Go client's first push of a chat on a connection didn't continue what it had."""

        self.long_gaps = 0
        """How many of these gaps the Go SDK would have filled in part only; the rest comes when the user scrolls back."""

        self.temporary_errors = 0
        self.late_answers = 0
        self._port = port
        self._on_change = on_change
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._pushed: dict[str, int] = {}
        self._start: dict[str, int] | None = None
        self._last_sync = float("-inf")
        self._skipped_sync = False
        self._is_syncing = False
        self._repairs: list[asyncio.Task[None]] = []
        self._living = asyncio.create_task(self._live())
        self._pinging = asyncio.create_task(self._ping())

    @property
    def user_id(self) -> str:
        """Who it is."""
        return self.account.user_id

    async def connected(self) -> None:
        """Wait until it is connected."""
        await self._connected.wait()

    async def close(self) -> None:
        """End it."""
        tasks = [self._living, self._pinging, *self._repairs]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- sending

    def send(self, receiver: str, text: str) -> asyncio.Task[None]:
        """Send a text, again and again until it is answered."""
        self.unanswered += 1
        return asyncio.create_task(self._send(text_message(self.user_id, receiver, text)))

    async def _send(self, message: MsgData) -> None:
        data = message.SerializeToString()
        while (answer := await self._attempt(data)) is None:  # noqa: ASYNC110 - a client's patience, not a wait for something
            await asyncio.sleep(RECONNECT_SECONDS[0])
        self.unanswered -= 1
        if answer.clientMsgID != message.clientMsgID:
            self.faults.append(f"answer to {message.clientMsgID} names {answer.clientMsgID}")
        chat = single_chat_id(self.user_id, message.recvID)
        self.answered[message.clientMsgID] = Answered(chat, answer.serverMsgID, answer.sendTime)
        self._on_change()

    async def _attempt(self, data: bytes) -> SendMsgResp | None:
        await self._connected.wait()
        connection = self._connection
        assert connection is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await connection.send(RequestIdentifier.SEND_MSG, data)
        except Ended:
            return None
        except TimeoutError:
            self.late_answers += 1
            return None
        if response.err_code:
            self.temporary_errors += 1
            if response.err_code not in TEMPORARY_CODES:
                self.faults.append(f"send refused: {response.err_code} {response.err_msg}")
            return None
        return SendMsgResp.FromString(response.data)

    # --- living

    async def _live(self) -> None:
        try:
            while True:
                connection = await self._connect()
                self._connection, self._is_syncing = connection, False
                self._connected.set()
                self._on_change()
                try:
                    await self._sync(connection)
                    await connection.until_end()
                finally:
                    self._connected.clear()
                    await connection.close()
                self._note_end(connection.end.code if connection.end else None)
        except Exception as error:
            self.faults.append(f"died of {error!r}")
            raise

    def _note_end(self, code: int | None) -> None:
        if code == GOING_AWAY and (self._skipped_sync or self._is_syncing):
            self.made_to_sync += 1
        else:
            self.ends.append(code)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await self._connected.wait()
            assert self._connection is not None
            self._connection.ping()

    async def _connect(self) -> Connection:
        for delay in itertools.chain(RECONNECT_SECONDS, itertools.repeat(RECONNECT_SECONDS[-1])):
            self.connects += 1
            self._pushed, self._start = {}, None
            try:
                connection = await connect(self._port, self.account, self.kind, on_push=self._on_push)
            except HttpAnswer as refused:
                self._check_refusal(refused.body)
            except (OSError, Ended, asyncio.IncompleteReadError):
                pass
            else:
                if connection.end is None and not self._is_refused(connection):
                    return connection
                await connection.close()
            await asyncio.sleep(delay)
        raise AssertionError

    def _is_refused(self, connection: Connection) -> bool:
        outcome = connection.received[0] if connection.received else ""
        return isinstance(outcome, str) and bool(outcome) and self._check_refusal(outcome.encode())

    def _check_refusal(self, envelope: bytes) -> bool:
        code = int(json.loads(envelope)["errCode"])
        if code in TOKEN_CODES:
            self.faults.append(f"logged out: {code}")
        return code != 0

    # --- syncing

    async def _sync(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        self._skipped_sync = self.kind not in (JS, PYPI) and now - self._last_sync < SYNC_PAUSE_SECONDS
        if self._skipped_sync:
            return
        self._last_sync = now
        self._is_syncing = True
        try:
            maxima = await (self._read_states(connection) if self.kind is JS else self._newest(connection))
            if self.kind in (JS, PYPI):
                self._start = maxima
            for chat, max_seq in maxima.items():
                await self._pull(connection, chat, max_seq)
        except (Ended, TimeoutError):
            return
        except Refused as error:
            self.faults.append(f"sync refused: {error}")
        self._is_syncing = False
        self._on_change()

    def _first_missing(self, chat: str) -> int:
        seen = self.seen.setdefault(chat, {})
        return next(seq for seq in itertools.count(1) if seq not in seen)

    async def _newest(self, connection: Connection) -> dict[str, int]:
        request = GetMaxSeqReq(userID=self.user_id)
        answer = await connection.ask(RequestIdentifier.GET_NEWEST_SEQ, request, GetMaxSeqResp)
        return dict(answer.maxSeqs)

    async def _read_states(self, connection: Connection) -> dict[str, int]:
        request = GetConversationsHasReadAndMaxSeqReq(userID=self.user_id)
        answer = await connection.ask(
            RequestIdentifier.GET_CONV_MAX_READ_SEQ, request, GetConversationsHasReadAndMaxSeqResp
        )
        return {chat: seqs.maxSeq for chat, seqs in answer.seqs.items()}

    async def _pull(self, connection: Connection, chat: str, max_seq: int) -> None:
        for first in range(self._first_missing(chat), max_seq + 1, PAGE):
            request = PullMessageBySeqsReq(userID=self.user_id)
            request.seqRanges.add(conversationID=chat, begin=first, end=min(first + PAGE - 1, max_seq), num=PAGE)
            answer = await connection.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
            for message in answer.msgs[chat].Msgs:
                self._see(chat, message)

    # --- seeing

    def _on_push(self, push: Push) -> None:
        if push.seq == 0:  # a notification that is not stored: no part of any order of seqs
            self._on_change()
            return
        last = self._pushed.get(push.stream)
        if last is None and self._start is not None:
            last = self._start.get(push.stream, 0)
        leaps = last is not None and push.seq > last + 1 and push.stream.startswith(GROUP_CHAT)
        if last is not None and leaps:
            self.leaps.append(Leap(push.stream, last, push.seq))
        elif last is not None and push.seq != last + 1:
            self.faults.append(f"{self.kind.name}: pushed {push.seq} of {push.stream} after {last}")
        self._pushed[push.stream] = push.seq
        self._see(push.stream, push.message)
        if (last is None or leaps) and self.kind not in (JS, PYPI) and self._first_missing(push.stream) < push.seq:
            self.gap_pulls += 1
            self.long_gaps += push.seq - self._first_missing(push.stream) > GAP_PULL_MAX
            self._repairs.append(asyncio.create_task(self._fill_gap(push.stream, push.seq)))
        self._on_change()

    async def _fill_gap(self, chat: str, max_seq: int) -> None:
        """Do what a Go SDK does on a push that does not continue what it has (OpenIM wire, §7.3)."""
        assert self._connection is not None
        with contextlib.suppress(Ended, TimeoutError):
            await self._pull(self._connection, chat, max_seq)
        self._on_change()

    def _see(self, chat: str, message: MsgData) -> None:
        seen = self.seen.setdefault(chat, {})
        known = seen.setdefault(message.seq, message.clientMsgID)
        if known != message.clientMsgID or message.status == 4:
            self.faults.append(f"seq {message.seq} of {chat} is {message.clientMsgID!r} and was {known!r}")
