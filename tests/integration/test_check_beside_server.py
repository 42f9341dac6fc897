"""`check` while a server works: what changes under its eyes is no fault."""

from __future__ import annotations

import asyncio

from openim_ray.check import look
from openim_ray.domain.conversation import single_chat_id
from tests.e2e.program import run
from tests.integration.connection import Connection
from tests.integration.people import People

PAIRS = 4
LOOKS = 5
READ_EVERY = 5


class Chat:
    """Two people who write to and fro as fast as they are answered, and now and then read."""

    def __init__(self, people: People, one: Connection, other: Connection) -> None:
        self._server = people.server
        self._one, self._other = one, other
        self._id = single_chat_id(one.user_id, other.user_id)
        self._ends = False
        self.messages = 0
        self.answered = asyncio.Event()

    async def run(self) -> None:
        """Chat until `end` is called."""
        sender, receiver = self._one, self._other
        while not self._ends:
            await sender.send_text(receiver.user_id, f"text {self.messages}")
            self.messages += 1
            self.answered.set()
            if self.messages % READ_EVERY == 0:
                await self._read(receiver)
            sender, receiver = receiver, sender

    def end(self) -> None:
        """Let the message on its way be the last."""
        self._ends = True

    async def _read(self, reader: Connection) -> None:
        said = {"userID": reader.user_id, "conversationID": self._id, "hasReadSeq": self.messages, "seqs": []}
        await asyncio.to_thread(self._server.call, "/msg/mark_conversation_as_read", said, reader.account.token)


async def check_beside_chats(people: People) -> None:
    """Chat while it is looked at what is stored; when all is quiet, every message must have been seen."""
    chats = [
        Chat(people, await people.connect(f"one{number}"), await people.connect(f"other{number}"))
        for number in range(PAIRS)
    ]
    before = await look(people.server.places, print)
    said: list[str] = []
    async with asyncio.TaskGroup() as group:
        for chat in chats:
            group.create_task(chat.run())
        for _ in range(LOOKS):
            for chat in chats:
                chat.answered.clear()
            await look(people.server.places, lambda fault: said.append(str(fault)))
            await asyncio.gather(*(chat.answered.wait() for chat in chats))
        for chat in chats:
            chat.end()
    after = await look(people.server.places, lambda fault: said.append(str(fault)))
    assert said == []
    assert after.conversations >= before.conversations + PAIRS
    assert after.messages >= before.messages + sum(chat.messages for chat in chats)


async def test_a_check_beside_a_busy_server_finds_nothing(people: People) -> None:
    """New conversations, messages and positions come while it reads files."""
    await check_beside_chats(people)


async def test_the_command_beside_a_running_server(people: People) -> None:
    """It says one line and ends with 0."""
    one, other = await people.connect("one"), await people.connect("other")
    await one.send_text(other.user_id, "hello")
    said = await asyncio.to_thread(run, people.server, "check")
    assert (said.status, said.err) == (0, ""), said
    (line,) = said.out.splitlines()
    assert line.startswith("checked ")
    assert line.endswith(": no faults")
