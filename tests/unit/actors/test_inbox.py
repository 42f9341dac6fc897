"""The shell around a shard: loads, and newer placements. Other actors and the directory are played by the test."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from openim_ray.actors.inbox import LOADS_AT_ONCE, InboxActor
from openim_ray.config import Config, load_config
from openim_ray.core import items
from openim_ray.core.logs.mentions import MARKS_AT_ONCE
from openim_ray.core.placement import Placement
from openim_ray.domain.conversation import Conversation, SessionType, single_chat_id
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.group import GroupChatFacts, Role
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.people import SingleChatFacts
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.storage.memory import MemoryMessageStore, MemoryStateStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

inbox_module = import_module("openim_ray.actors.inbox")  # the package has a function of that name
placement_module = import_module("openim_ray.actors.placement_updates")
CHAT = ConversationID("si_alice_bob")
MOVED = Placement(epoch=2, shards=("inbox-0",), dedicated={"carol": "inbox-user-carol"})


class Others:
    """
    The supervisor and the persistence actor, and what this actor sent to anybody.
    """

    def __init__(self) -> None:
        self.placement = Placement(epoch=1, shards=("inbox-0",))
        self.sent: asyncio.Queue[items.AnyItem] = asyncio.Queue()
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    async def call(self, _actor: str, _namespace: str, method: str, *arguments: Any) -> Any:
        """Play a call to another actor."""
        self.asked.put_nowait(method)
        return dict.fromkeys(arguments[0], 1) if method == "claim" else self.placement

    async def until_sent(self, kind: type[items.Item]) -> items.AnyItem:
        """Return the next item of a kind."""
        while not isinstance(item := await self.sent.get(), kind):
            pass
        return item


class Directory:
    """
    Everybody has one chat; reading it waits until the test lets it go, or fails.
    """

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.errors: list[Exception] = []
        self.reading = 0
        self.reading_max = 0
        self.refused_user = ""
        self.is_down = False
        self.ensured: list[int] = []
        self.was_asked = asyncio.Event()
        self.friends: set[tuple[str, str]] = set()
        self.changing = 0

    async def conversations(self, user_id: str) -> list[Conversation]:
        """See `ports.ConversationStore`."""
        self.reading += 1
        self.reading_max = max(self.reading_max, self.reading)
        await self.go_on.wait()
        self.reading -= 1
        if self.errors:
            raise self.errors.pop()
        return [
            Conversation(
                owner_user_id=UserID(user_id), conversation_id=CHAT, conversation_type=SessionType.SINGLE, user_id="x"
            )
        ]

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """See `ports.DirectoryStore`."""
        return SingleChatFacts(
            receiver_exists=True,
            blocked_by_receiver=False,
            receiver_global_option=0,
            receiver_conversation_option=0,
            sender_is_system=False,
            are_friends=(receiver_id, sender_id) in self.friends,
        )

    async def group_chat_facts(self, _group_id: str, _sender_id: str) -> GroupChatFacts:
        """See `ports.DirectoryStore`; everybody is a member of every group."""
        return GroupChatFacts(exists=True, role_level=Role.MEMBER)

    async def change(self, _use_case: object) -> None:
        """See `ports.DirectoryStore`; waits until the test lets it go, then fails."""
        self.changing += 1
        await self.go_on.wait()
        raise Unavailable("down")

    async def ensure_conversations(self, rows: list[Conversation]) -> None:
        """See `ports.ConversationStore`; refuses `refused_user`, and with her all others of the same call."""
        self.ensured.append(len(rows))
        self.was_asked.set()
        if self.is_down:
            raise Unavailable("down")
        if self.refused_user in {row.owner_user_id for row in rows}:
            raise ValueError("a fault of ours")


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    """The actors that this one talks to."""
    others = Others()
    monkeypatch.setattr(inbox_module, "call", others.call)
    monkeypatch.setattr(placement_module, "call", others.call)
    monkeypatch.setattr(inbox_module, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(inbox_module.Links, "send", lambda _links, _peer, item: others.sent.put_nowait(item))
    return others


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Directory:
    """The directory that this actor reads; the other stores are empty."""
    stores = {
        "open_directory_store": (directory := Directory()),
        "open_message_reader": MemoryMessageStore(),
        "open_state_reader": MemoryStateStore(),
    }
    for name, store in stores.items():
        monkeypatch.setattr(inbox_module, name, _opening(store))
    return directory


def _opening(store: object) -> Any:
    async def open_store(_places: object, *_options: object) -> object:
        return store

    return open_store


@pytest.fixture
async def actor(others: Others, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InboxActor]:
    """An inbox actor that serves."""
    monkeypatch.setattr(inbox_module, "load_actor_config", lambda _payload, _name: Config())
    actor = InboxActor("inbox-0", b"")
    while await others.asked.get() != "claim":
        pass
    await asyncio.sleep(0)
    yield actor
    await actor.drain()


def states(call: int, user_id: str) -> items.AskStates:
    """Return a question to an inbox."""
    return items.AskStates(call, user_id)


def text(call: int, receiver_id: str, *, stored: bool = True) -> items.Submit:
    """Return a message of alice."""
    chat_id = single_chat_id("alice", receiver_id)
    return items.Submit(call, chat_id, "alice", receiver_id, f"c{call}", f"s{call}", 101, "op", b"", stored)


def position(call: int, user_id: str) -> items.SetPosition:
    """Return a change that must become durable."""
    return items.SetPosition(call, user_id, CHAT, 1, exact=False, operation_id="op", notify=False)


async def test_inboxes_are_read_a_bounded_number_at_once(
    actor: InboxActor, others: Others, directory: Directory
) -> None:
    """After a restart all users come at once; whom the stores have no room for would fail, and be read again, and fail."""
    count = LOADS_AT_ONCE + 10
    actor.on_items("gateway-0", [states(number, f"user-{number}") for number in range(count)])
    await asyncio.sleep(0)
    assert directory.reading == LOADS_AT_ONCE

    directory.go_on.set()
    answered = [await others.until_sent(items.Reply) for _ in range(count)]

    assert (len(answered), directory.reading_max) == (count, LOADS_AT_ONCE)


async def test_marks_keep_nobody_waiting(actor: InboxActor, others: Others, directory: Directory) -> None:
    """They are the longest work there is: a few are under way, and logs and facts are read meanwhile."""
    body = MsgData(atUserIDList=["bob"]).SerializeToString()
    for call in range(LOADS_AT_ONCE + 1):
        group = f"g{call}"
        item = items.Submit(call, f"sg_{group}", "alice", group, f"c{call}", f"s{call}", 106, "op", body)
        actor.on_items("gateway-0", [item])
        write = await others.until_sent(items.StoreLog)
        assert isinstance(write, items.StoreLog)
        actor.on_items("persistence-0", [items.StoredLog(write.call, "stored")])
    await asyncio.sleep(0)
    assert directory.changing == MARKS_AT_ONCE
    assert (await actor.health())["marks_dropped"] == 0

    actor.on_items("gateway-0", [text(1, "bob", stored=False)])
    await others.until_sent(items.Accepted)


async def test_an_inbox_that_could_not_be_read_is_read_again(
    actor: InboxActor, others: Others, directory: Directory
) -> None:
    """Whatever kept it from being read: who waits for it must not wait for ever."""
    directory.go_on.set()
    directory.errors += [ValueError("a fault of ours"), Unavailable("down")]
    actor.on_items("gateway-0", [states(1, "bob")])
    reply = await others.until_sent(items.Reply)
    assert isinstance(reply, items.Reply)
    assert (reply.call, reply.code, directory.errors) == (1, 0, [])


async def test_rows_that_a_store_refuses_keep_no_other_chat_waiting(
    actor: InboxActor, others: Others, directory: Directory
) -> None:
    """Rows of several new chats are written together; whatever is wrong with one, its neighbours and later tries pass."""
    directory.refused_user = "carol"
    actor.on_items("gateway-0", [text(1, "bob", stored=False), text(2, "carol", stored=False)])
    for _ in range(2):
        await others.until_sent(items.Accepted)

    actor.on_items("gateway-0", [text(3, "bob"), text(4, "carol")])
    write = await others.until_sent(items.StoreLog)
    assert isinstance(write, items.StoreLog)
    assert (write.home_key, directory.ensured[:3]) == ("alice_bob", [4, 2, 2])

    directory.refused_user = ""
    write = await others.until_sent(items.StoreLog)
    assert isinstance(write, items.StoreLog)
    assert write.home_key == "alice_carol"


async def test_rows_are_not_asked_for_one_by_one_while_the_store_is_down(
    actor: InboxActor, others: Others, directory: Directory
) -> None:
    """Each would wait for the store's deadline: together they are written as soon as it is back."""
    actor.on_items("gateway-0", [text(1, "bob", stored=False), text(2, "carol", stored=False)])
    for _ in range(2):
        await others.until_sent(items.Accepted)
    directory.is_down = True
    actor.on_items("gateway-0", [text(3, "bob"), text(4, "carol")])
    await directory.was_asked.wait()

    directory.is_down = False
    await others.until_sent(items.StoreLog)
    await others.until_sent(items.StoreLog)

    assert set(directory.ensured) == {4}


async def test_strangers_are_refused_where_friends_only_may_write(
    others: Others, directory: Directory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """1303 by the setting as it is when the facts are read: it changes while the actor runs. Friends pass."""
    file = tmp_path / "server.toml"
    file.write_text("[relations]\nfriends_only = true\n")
    monkeypatch.setattr(inbox_module, "load_actor_config", lambda _payload, _name: load_config(file, {}, {}))
    actor = InboxActor("inbox-0", b"")
    while await others.asked.get() != "claim":
        pass
    await asyncio.sleep(0)
    directory.friends = {("carol", "alice")}

    actor.on_items("gateway-0", [text(1, "bob", stored=False)])
    reply = await others.until_sent(items.Reply)
    assert isinstance(reply, items.Reply)
    assert (reply.call, reply.code) == (1, 1303)
    actor.on_items("gateway-0", [text(2, "carol", stored=False)])
    await others.until_sent(items.Accepted)

    file.write_text("[relations]\nfriends_only = false\n")
    actor.on_items("gateway-0", [text(3, "dave", stored=False)])
    await others.until_sent(items.Accepted)
    await actor.drain()


async def test_a_placement_that_was_not_heard_of_is_found(actor: InboxActor, others: Others) -> None:
    """Who starts while the supervisor tells of a newer one would go on with the old one, and refuse or keep users wrongly."""
    others.placement = MOVED
    while not others.asked.empty():
        others.asked.get_nowait()
    await others.asked.get()
    actor.on_items("gateway-0", [states(1, "carol")])
    assert await others.until_sent(items.Moved) == items.Moved(1, MOVED.epoch)


async def test_a_move_waits_for_the_positions_of_who_moves(
    actor: InboxActor, others: Others, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Her next actor reads them; those of the others, of whom some is always under way, don't matter."""
    monkeypatch.setattr(inbox_module, "PLACE_SECONDS", 0.0)
    directory.go_on.set()
    actor.on_items("gateway-0", [position(1, "bob"), position(2, "carol")])
    saves = [await others.until_sent(items.SavePositions) for _ in range(2)]
    with pytest.raises(Unavailable):
        await actor.place(MOVED)

    (of_carol,) = [save.call for save in saves if isinstance(save, items.SavePositions) and save.user_id == "carol"]
    actor.on_items("persistence-0", [items.Reply(of_carol)])
    await actor.place(MOVED)


async def test_a_fault_is_logged_with_the_kind_of_the_item(
    actor: InboxActor, others: Others, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without what is in it; who asked is answered."""
    directory.go_on.set()
    actor.on_items("gateway-0", [states(1, "bob")])
    await others.until_sent(items.Reply)

    def fail(*_arguments: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(actor._serving().inboxes, "_tell_states", fail)
    with capture_logs() as logs:
        actor.on_items("gateway-0", [states(2, "bob")])

    assert await others.until_sent(items.Reply) == items.Reply(2, 500, "internal error")
    assert [(line["event"], line["what"]) for line in logs] == [("item failed", "AskStates")]
    assert "secret" not in str(logs)
