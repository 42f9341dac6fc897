"""
No request of the MongoDB store reads a whole collection.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pymongo
import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from openim_ray.domain.ids import ConversationID
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.mongo import connection as connections
from openim_ray.storage.mongo.followers import catch_up
from openim_ray.storage.mongo.leftovers import clear_leftovers
from openim_ray.storage.mongo.messages import MongoMessageStore
from openim_ray.storage.mongo.schema import BY_KEY, index_keys
from openim_ray.storage.open import open_message_store
from openim_ray.storage.places import Places
from tests.contract.rows import CHAT, KEY, STREAM, message, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

EXPLAINED = {
    "find": ("filter", "projection", "sort", "limit", "hint"),
    "aggregate": ("pipeline", "cursor"),
    "findAndModify": ("query", "update", "upsert", "new"),
}
NO_QUERIES = {
    "insert",
    "getMore",
    "killCursors",
    "endSessions",
    "buildinfo",
    "createIndexes",
    "hello",
    "ismaster",
    "ping",
}

WHOLE_RANGE = "['[MinKey, MaxKey]']"
WHOLE_INDEX = "whole index"


class Recorder(CommandListener):
    """
    Keeps every command that the store sends.
    """

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Keep a command."""
        self.commands.append(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Listen to every client that is made."""
    recorder = Recorder()
    monkeypatch.setattr(connections, "AsyncMongoClient", partial(AsyncMongoClient, event_listeners=[recorder]))
    return recorder


def explainable(command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what of a command can be explained: queries, updates and deletes, one by one."""
    name = next(iter(command))
    if name in EXPLAINED:
        yield {name: command[name]} | {key: command[key] for key in EXPLAINED[name] if key in command}
    elif name in {"update", "delete"}:
        for one in command[f"{name}s"]:
            yield {name: command[name], f"{name}s": [one]}
    else:
        assert name in NO_QUERIES, name


def stages(plan: Any) -> Iterator[str]:
    """Return the names of all stages of a plan, those of rejected plans left out; `WHOLE_INDEX` besides where one is read from end to end."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan["stage"]
            if set(map(str, plan.get("indexBounds", {}).values())) == {WHOLE_RANGE}:
                yield WHOLE_INDEX
        for key, part in plan.items():
            if key != "rejectedPlans":
                yield from stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from stages(part)


def plans(url: str, recorder: Recorder) -> dict[str, set[str]]:
    """Explain everything that was sent; return the stages of each."""
    found = {}
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        for command in recorder.commands:
            for one in explainable(command):
                explained = database.command("explain", one, verbosity="queryPlanner")
                found[str(one)] = set(stages(explained))
    return found


async def test_no_request_reads_a_whole_collection(mongo_url: str, tmp_path: Path, recorder: Recorder) -> None:
    """Every query, update and delete goes by an index."""
    store = await open_message_store(Places(tmp_path, mongo_url))
    assert isinstance(store, MongoMessageStore)
    await store.claim(["p", "q"], "one")
    epoch = (await store.claim(["p"], "two"))["p"]
    others = [write(message(1, conversation=f"si_x_{number}"), participants=()) for number in range(3)]
    await store.write([write(message(1), message(2, sender="bob"), read={"bob": 1}, epoch=epoch), *others])
    await store.write([write(message(2, sender="bob"), message(3), epoch=epoch), write(message(9), epoch=epoch)])
    await store.write([write(message(4, "c1"), epoch=epoch)])
    await store.write([write(message(1, conversation=STREAM), participants=(), read={"a": 1}, epoch=epoch)])
    await store.write([write(read={"bob": 3}, epoch=epoch)])
    await store.load_log(KEY, 10)
    await store.heads([CHAT, STREAM, ConversationID("si_x_1")])
    await store.read_range(CHAT, 1, 3, 2)
    await store.read_seqs(CHAT, [1, 3])
    await store.find(CHAT, "alice", "c1")
    await store.read_marks(KEY)
    await catch_up(store._database, [CHAT, STREAM])
    await store._database["messages"].insert_one(
        {"conversation": CHAT, "seq": 9, "sender": "x", "client": "x", "server": "x", "send_time": 1}
    )
    assert await store.find(CHAT, "x", "x") is None
    await clear_leftovers(store._database, CHAT)
    assert await store.expired(-1_000_000, 100) != {}
    await store.forget(CHAT, ConversationSeq(1))
    await store.page_heads("", 10)
    await store.aclose()

    found = plans(mongo_url, recorder)

    assert {
        name
        for one in found
        for name in ("find", "aggregate", "findAndModify", "update", "delete")
        if f"'{name}'" in one
    } == {
        "find",
        "aggregate",
        "findAndModify",
        "update",
        "delete",
    }
    assert all("IXSCAN" in names or names & {"IDHACK", "COUNT_SCAN", "EOF"} for names in found.values()), found
    whole = {one: names for one, names in found.items() if "COLLSCAN" in names}
    assert whole == {}
    hinted = [names for one, names in found.items() if "'hint'" in one]
    assert hinted
    assert not any(WHOLE_INDEX in names for names in hinted)
    sorted_ = [one for one, names in found.items() if "SORT" in names and "'messages'" in one]
    assert sorted_ == []


async def test_a_whole_reading_would_be_seen(mongo_url: str, tmp_path: Path, recorder: Recorder) -> None:
    """The look at the plans isn't blind."""
    store = await open_message_store(Places(tmp_path, mongo_url))
    assert isinstance(store, MongoMessageStore)
    await store.write([write(message(1))])
    recorder.commands.clear()
    await store._database["messages"].find({"server": "x"}).to_list()
    await store._database["messages"].find({"server": "x"}, hint=index_keys(BY_KEY)).to_list()
    await store.aclose()

    found = plans(mongo_url, recorder).values()
    assert any("COLLSCAN" in names for names in found)
    assert any(WHOLE_INDEX in names for names in found)


async def test_a_store_that_goes_on_reads_nothing_but_epochs(
    mongo_url: str, tmp_path: Path, recorder: Recorder
) -> None:
    """A batch that continues where this store left its logs costs two requests: one insert, and the look at the epochs after it."""
    store = await open_message_store(Places(tmp_path, mongo_url))
    chats = [f"si_x_{number}" for number in range(20)]
    await store.write([write(message(1, conversation=chat), participants=()) for chat in chats])
    recorder.commands.clear()

    await store.write([write(message(2, conversation=chat), participants=()) for chat in chats])

    assert [(next(iter(one)), next(iter(one.values()))) for one in recorder.commands] == [
        ("insert", "messages"),
        ("find", "partitions"),
    ]
    await store.aclose()


async def test_the_first_message_of_a_write_is_not_looked_up(
    mongo_url: str, tmp_path: Path, recorder: Recorder
) -> None:
    """Of a write that goes on, only those are asked for that would be refused behind others; asked for with the index that answers it."""
    store = await open_message_store(Places(tmp_path, mongo_url))
    await store.write([write(message(1))])
    recorder.commands.clear()

    await store.write([write(message(2, "c2"), message(3, "c3"), message(4, "c4", sender="bob"))])

    (asked,) = [one for one in recorder.commands if next(iter(one.values())) == "messages" and "find" in one]
    assert asked["filter"]["$or"] == [
        {"conversation": CHAT, "sender": "alice", "client": {"$in": ["c3"]}},
        {"conversation": CHAT, "sender": "bob", "client": {"$in": ["c4"]}},
    ]
    await store.aclose()
