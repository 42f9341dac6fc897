"""
Erasing what a user wrote while everything else goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

import pytest

from openim_ray.core.persistence.history_lane import HistoryLane
from openim_ray.domain.conversation import home_key
from openim_ray.domain.erasure import Erasure
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import LogWrite, StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.identifiers import MessageStatus
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.services.erasing import MessageErasing
from openim_ray.services.expiry import Expiry
from openim_ray.services.history_copying import HistoryCopying, spans_of
from openim_ray.storage.memory import HistoryTables, MemoryHistoryStore, MemoryMessageStore, MessageTables

CHATS = [ConversationID(one) for one in ("si_alice_bob", "n_alice_bob", "sg_7", "si_bob_carol")]
TEXT = b"what-she-said"


class Turn:
    """Gives way to the others."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Slow:
    """A store whose calls take turns with all others, before they have effect and after it, and fail on either side now and then."""

    def __init__(self, store: object, chances: random.Random, weather: dict[str, float]) -> None:
        self._store = store
        self._chances = chances
        self._weather = weather

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        call = getattr(self._store, name)

        async def slow(*arguments: Any) -> Any:
            for _ in range(self._chances.randrange(3)):
                await Turn()
            self._may_fail()
            result = await call(*arguments)
            for _ in range(self._chances.randrange(3)):
                await Turn()
            self._may_fail()
            return result

        return slow

    def _may_fail(self) -> None:
        if self._chances.random() < self._weather["fails"]:
            raise Unavailable("not now")


class Killed(Exception):
    """The process that erases is gone."""


class Scene:
    """
    A message store with its history, and all who work with them, in seeded turns.
    """

    def __init__(self, seed: int) -> None:
        self.chances = random.Random(seed)
        self.weather = {"fails": 0.05}
        self.now = 0
        self.tables = MessageTables(lambda: self.now)
        self.past = HistoryTables()
        self.messages: Any = Slow(MemoryMessageStore(self.tables), self.chances, self.weather)
        self.history: Any = Slow(MemoryHistoryStore(self.past), self.chances, self.weather)
        lane = HistoryLane(rows_max=5, bytes_max=1 << 20, waiting_rows_max=8)
        self.copying = HistoryCopying(lane, self.messages, lambda _: True)
        self.expiry = Expiry(self.messages, lambda: 0.0, lambda _: True)
        self.noted = Erasure(user_id="alice")
        self.kills = 0
        self.is_erased = False
        self.written: dict[ConversationID, ConversationSeq] = {}

    def write(self, seq: int, conversation_id: ConversationID, sender: str) -> None:
        """Store a message, and let it follow to the history."""
        self.now += 1
        row = said(seq, conversation_id, sender)
        self.tables.write([LogWrite("p", 0, home_key(conversation_id), (), (row,), {})])
        self.copying.stored([row])
        self.written[conversation_id] = row.seq

    async def copy(self) -> None:
        """Copy to the history; what went by while it failed, is compared."""
        while True:
            if not await self.copying.work(self.history):
                self.copying.compare_again()
            await Turn()

    async def expire(self) -> None:
        """Let everything that is confirmed leave the message store."""
        while True:
            if self.chances.random() < 0.2:
                with suppress(Unavailable):
                    await self.expiry.look(self.history, 0)
            await Turn()

    async def erase(self) -> None:
        """Erase until a pass finds nothing; killed now and then, it goes on where it stands."""
        erasing = MessageErasing(self.messages, self.history)
        while True:
            with suppress(Unavailable, Killed):
                before = self.noted.messages
                self.noted = await erasing.erase(self.noted, (), self.note)
                self.is_erased = self.is_erased or self.noted.messages == before
            await Turn()

    async def note(self, erasure: Erasure) -> None:
        """Make progress durable; the process may die before or after it."""
        if self.kills < 20 and self.chances.random() < 0.2:
            self.kills += 1
            raise Killed
        self.noted = erasure

    def has_copied(self) -> bool:
        """Tell whether the history holds everything that was written."""
        return self.past.confirmed(self.written) == self.written

    def take_turns(self, running: list[Coroutine[Any, Any, None]], until: Callable[[], bool]) -> None:
        """Run them in turns, some more often than others."""
        often = [self.chances.choice((1, 1, 20)) for _ in running]
        for _ in range(200_000):
            if until():
                break
            (one,) = self.chances.choices(running, often)
            one.send(None)
        else:
            pytest.fail("they don't come to an end")


def said(seq: int, conversation_id: ConversationID, sender: str) -> StoredMessage:
    """Return a row."""
    client = f"{conversation_id} {seq}"
    body = MsgData(
        sendID=sender,
        clientMsgID=client,
        serverMsgID=f"s {client}",
        content=TEXT if sender == "alice" else b"what another said",
        contentType=101,
        seq=seq,
        sendTime=seq,
        status=MessageStatus.SUCCESS,
    )
    return StoredMessage(
        conversation_id,
        ConversationSeq(seq),
        UserID(sender),
        ClientMessageID(client),
        ServerMessageID(f"s {client}"),
        seq,
        101,
        sender_sync=True,
        operation_id="",
        body=body.SerializeToString(),
    )


@pytest.mark.parametrize("seed", range(30))
def test_nothing_brings_back_what_was_erased(seed: int) -> None:
    """Not a copy to the history that had read the row before, not retention, not a kill, not a store that fails: whatever the order."""
    scene = Scene(seed)
    senders = {}
    for conversation_id in CHATS:
        people = ["bob", "carol"] if conversation_id == "si_bob_carol" else ["alice", "bob"]
        for seq in range(1, scene.chances.randrange(2, 16)):
            senders[conversation_id, seq] = scene.chances.choice(people)
            scene.write(seq, conversation_id, senders[conversation_id, seq])

    read_before = [row for one in CHATS for row in scene.tables.read_range(one, 1, 100, 100)]
    running = [scene.copy(), scene.expire(), scene.erase()]
    scene.take_turns(running, lambda: scene.is_erased)
    scene.past.copy(
        spans_of(scene.chances.sample(read_before, len(read_before) // 2))
    )  # by one who was cut off meanwhile
    scene.weather["fails"] = 0.0
    scene.take_turns(running, scene.has_copied)
    for one in running:
        one.close()

    for (conversation_id, seq), sender in senders.items():
        recent, old = scene.tables.read_seqs(conversation_id, [seq]), scene.past.read_seqs(conversation_id, [seq])
        assert old, "the history has everything"
        for row in (*recent, *old):
            assert row.sender_id == sender
            assert (TEXT in row.body) is False
            status = MsgData.FromString(row.body).status
            assert status == (MessageStatus.DELETED if sender == "alice" else MessageStatus.SUCCESS)
