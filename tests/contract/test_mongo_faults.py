"""
What the MongoDB store does when the server, the URL or the data fail it.
"""

from __future__ import annotations

import asyncio
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import pymongo
import pytest
from bson import Binary
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from openim_ray.domain.errors import ArgsError, SchemaTooNew, Unavailable, UnsuitableStore
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import DamagedRow, Outcome
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.mongo import connection as connections
from openim_ray.storage.mongo import schema
from openim_ray.storage.mongo.messages import MongoMessageStore
from openim_ray.storage.open import open_message_reader, open_message_store, prepare
from openim_ray.storage.places import Places
from tests.contract.rows import CHAT, KEY, message, reference, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

    from openim_ray.domain.message import LogWrite
    from tests.servers.mongod import Mongod

ANSWER_SECONDS = 8.0
"""A store answers within this time, whatever happens (design: the sender's deadline)."""


@pytest.fixture
async def messages(mongo_url: str, tmp_path: Path) -> AsyncIterator[MongoMessageStore]:
    """Open a MongoDB message store."""
    opened = await open_message_store(Places(tmp_path, mongo_url))
    assert isinstance(opened, MongoMessageStore)
    yield opened
    await opened.aclose()


@pytest.fixture
def documents(mongo_url: str) -> Iterator[pymongo.database.Database[dict[str, Any]]]:
    """Lend the database itself."""
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        yield client.get_default_database()


async def outcomes(store: MongoMessageStore, *writes: LogWrite) -> list[Outcome]:
    """Write a batch and return the outcomes only."""
    return [result.outcome for result in await store.write(writes)]


def files_of(folder: Path) -> list[str]:
    """Return the names of the SQLite files in a folder."""
    return sorted(path.name for path in folder.glob("*.db"))


# --- the data are damaged


async def test_no_flipped_bit_of_an_envelope_is_served(
    messages: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """A changed bit of an envelope makes its row a damaged one, not an absent one; its neighbours are served, key and seq stay taken."""
    rows = [message(seq, body=b"content") for seq in (1, 2, 3)]
    await messages.write([write(*rows)])
    stored = documents.messages.find_one({"seq": 2})
    assert stored is not None

    for bit in range(0, len(stored["envelope"]) * 8, 7):
        flipped = bytearray(stored["envelope"])
        flipped[bit // 8] ^= 1 << bit % 8
        documents.messages.update_one({"seq": 2}, {"$set": {"envelope": bytes(flipped)}})
        assert await messages.read_range(CHAT, 1, 3, 10) == [rows[0], DamagedRow(rows[1].seq), rows[2]], f"bit {bit}"

    assert await messages.read_seqs(CHAT, [1, 2]) == [rows[0], DamagedRow(rows[1].seq)]
    assert await messages.find(CHAT, "alice", "c2") == reference(rows[1])
    state = await messages.load_log(KEY, 10)
    assert state is not None
    assert (state.heads[CHAT].max_seq, state.tail) == (3, (rows[0], rows[2]))
    assert messages.damaged_rows == 1
    assert await outcomes(messages, write(*rows)) == [Outcome.STORED]
    assert await outcomes(messages, write(message(4, "c2"))) == [Outcome.DUPLICATE]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sender", "alicf"),
        ("client", "c9"),
        ("server", "other"),
        ("send_time", 1_764_000_000_003),
        ("send_time", "text"),
        ("rev", 1),
        ("seq", 7),
        ("envelope", b""),
        ("envelope", b"\x01"),
        ("envelope", "text"),
        ("envelope", Binary(b"\x01", 5)),
        ("envelope", None),
    ],
)
async def test_no_changed_field_is_served(
    messages: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]], field: str, value: Any
) -> None:
    """The checksum covers the fields beside the envelope, too."""
    rows = [message(1), message(2)]
    await messages.write([write(*rows)])

    change = {"$unset": {field: ""}} if value is None else {"$set": {field: value}}
    documents.messages.update_one({"seq": 2}, change)

    seq = value if field == "seq" else 2
    assert await messages.read_range(CHAT, 1, 10, 10) == [rows[0], DamagedRow(ConversationSeq(seq))]
    assert messages.damaged_rows == 1


# --- values that can't be stored


@pytest.mark.parametrize(
    "poison",
    [
        write(message(1, sender="\ud800")),
        write(message(1)._replace(send_time=1 << 70)),
        write(message(1)._replace(operation_id="\udfff")),
        write(message(1, body=b"x" * (17 << 20))),
        write(message(1), participants=("\ud800", "b")),
        write(message(1), read={"\ud800": 1}),
        write(read={"bob": 1 << 70}),
        write(message(1, conversation="si_\ud800")),
    ],
)
async def test_values_that_cannot_be_stored(messages: MongoMessageStore, poison: LogWrite) -> None:
    """Half a surrogate pair, a number beyond 64 bits and a row that is too large are the caller's fault; nothing of the batch is written."""
    neighbour = write(message(1, conversation="si_x_y"), participants=())

    with pytest.raises(ArgsError):
        await messages.write([neighbour, poison])

    assert await messages.heads([neighbour.rows[0].conversation_id, CHAT]) == {}
    assert await messages.load_log(KEY, 1) is None
    assert await outcomes(messages, neighbour) == [Outcome.STORED]


async def test_reading_what_cannot_be(messages: MongoMessageStore) -> None:
    """Readers refuse half a surrogate pair, too."""
    with pytest.raises(ArgsError):
        await messages.heads([ConversationID("si_\udfff")])
    with pytest.raises(ArgsError):
        await messages.find(CHAT, "\ud800", "x")


async def test_a_document_that_the_server_refuses(
    messages: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """A row that a rule of the database refuses is the caller's fault; tried alone, its neighbours are stored."""
    await messages.write([write(message(1))])
    documents.command("collMod", "messages", validator={"sender": {"$ne": "mallory"}})
    neighbours = [write(message(1, conversation=f"si_x_{number}"), participants=()) for number in range(2)]
    poison = write(message(2, sender="mallory"))

    with pytest.raises(ArgsError):
        await messages.write([neighbours[0], poison, neighbours[1]])

    assert await outcomes(messages, *neighbours) == [Outcome.STORED] * 2
    assert await outcomes(messages, write(message(2))) == [Outcome.STORED]


async def test_more_than_one_command_takes(messages: MongoMessageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is too large for one command is written in several, in order."""
    monkeypatch.setattr("openim_ray.storage.mongo.message_writer.INSERT_BYTES_MAX", 5_000)
    monkeypatch.setattr("openim_ray.storage.mongo.message_writer.INSERT_ROWS_MAX", 7)
    rows = [message(seq, body=b"x" * (6_000 if seq == 20 else 300)) for seq in range(1, 51)]

    assert await outcomes(messages, write(*rows[:30]), write(*rows[30:], read={"bob": 50})) == [Outcome.STORED] * 2

    assert await messages.read_range(CHAT, 1, 100, 100) == rows
    assert await messages.read_marks(KEY) == {"bob": 50}


# --- the schema


async def test_prepare_makes_collections(mongo_url: str, tmp_path: Path) -> None:
    """Indexes and the schema's version are made once, also by several at the same time; the other databases are files as ever."""
    places = Places(tmp_path, mongo_url)

    await asyncio.gather(*(prepare(places) for _ in range(3)))

    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        database = client.get_default_database()
        assert database.schema.find_one() == {"_id": "messages", "version": schema.VERSION}
        unique = {
            tuple(field for field, _ in index["key"])
            for index in database.messages.index_information().values()
            if index.get("unique")
        }
    assert {("conversation", "seq"), ("conversation", "sender", "client")} <= unique
    assert files_of(tmp_path) == ["directory.db", "history.db", "state.db"]


async def test_a_newer_database_is_refused(mongo_url: str, tmp_path: Path) -> None:
    """A database of a newer server is left untouched, and the error says what it has and what is known, by every door."""
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        client.get_default_database().schema.insert_one({"_id": "messages", "version": 99})

        for door in (prepare, open_message_store, open_message_reader):
            with pytest.raises(SchemaTooNew, match=r"mongodb://127.0.0.1:\d+/test_\w+ has schema 99, .* up to 1"):
                await door(Places(tmp_path, mongo_url))

        assert client.get_default_database().list_collection_names() == ["schema"]


async def test_an_old_server_is_refused(mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A MongoDB that is too old is named, with what is needed."""
    monkeypatch.setattr(schema, "SERVER_MIN", (99, 0))

    with pytest.raises(UnsuitableStore, match=r"mongodb://.* is on MongoDB \d+\.\d+\.\d+, 99\.0 or newer is needed"):
        await prepare(Places(tmp_path, mongo_url))


# --- the database is another one


async def test_nothing_is_answered_into_a_database_that_was_emptied(
    messages: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """A store that goes on beside it finds its claim gone: the write's outcome is unknown, so the owner asks anew."""
    epoch = (await messages.claim(["p"], "owner"))["p"]
    assert await outcomes(messages, write(message(1), epoch=epoch)) == [Outcome.STORED]
    for name in documents.list_collection_names():
        documents[name].delete_many({})

    with pytest.raises(Unavailable, match="lost a claim"):
        await messages.write([write(message(2), epoch=epoch)])


# --- the URL


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://user:s3cret@word@127.0.0.1:1/db",
        "mongodb://user:s3cret%zz@127.0.0.1:port/db",
        "mongodb://user:s3cret@127.0.0.1:1/db?replicaSet=a=b",
        "mongodb://user:s3cret@127.0.0.1:1/db?authMechanism=s3cret",
        "mongodb://user:s3cret@127.0.0.1:1/db?nothing=s3cret",
        "mongodb://us/er:s3cret@127.0.0.1:1",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
async def test_a_url_that_cannot_be_used(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the driver can't read, or leads nowhere, is told without repeating its secrets."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.2)

    with pytest.raises((ArgsError, Unavailable)) as failure:
        await open_message_store(Places(tmp_path, url))

    assert "s3cret" not in "".join(traceback.format_exception(failure.value))


async def test_a_wrong_password(guarded_mongod: Mongod, tmp_path: Path) -> None:
    """It is told that the name or the password is wrong, and neither shown; with the right one, odd characters included, it works."""
    with guarded_mongod.client() as client:
        client.admin.command("createUser", "openim", pwd="p@ss/wört:?&", roles=["root"])
    right = guarded_mongod.url("openim", "openim:p%40ss%2Fw%C3%B6rt%3A%3F%26") + "?authSource=admin"
    wrong = right.replace("%26", "%26s3cret")

    with pytest.raises(Unavailable, match="AuthenticationFailed") as failure:
        await open_message_store(Places(tmp_path, wrong))
    text = "".join(traceback.format_exception(failure.value))
    assert not any(part in text for part in ("s3cret", "p%40ss", "p@ss"))
    with pytest.raises(Unavailable, match="Unauthorized"):
        await open_message_store(Places(tmp_path, guarded_mongod.url("openim")))

    store = await open_message_store(Places(tmp_path, right))
    assert await store.claim(["p"], "owner") == {"p": 1}
    await store.aclose()


# --- what is asked of the server


class Commands(CommandListener):
    """
    Keeps what a client asks of its server.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Keep it."""
        self.asked.append({"name": event.command_name, **event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("options", ["", "w=1&journal=false&readConcernLevel=local"])
async def test_every_write_asks_for_a_majority_and_its_journal(
    mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    """Whatever the URL says: a server that was asked so answers when a majority has it in its journal."""
    commands = Commands()
    monkeypatch.setattr(connections, "AsyncMongoClient", partial(AsyncMongoClient, event_listeners=[commands]))
    store = await open_message_store(Places(tmp_path, f"{mongo_url}{'&' if '?' in mongo_url else '?'}{options}"))
    assert isinstance(store, MongoMessageStore)
    epoch = (await store.claim(["p"], "owner"))["p"]
    assert await outcomes(store, write(message(1), read={"bob": 1}, epoch=epoch)) == [Outcome.STORED]
    await store.read_range(CHAT, 1, 1, 1)
    await store.aclose()  # the head and the mark have followed

    writes = [one for one in commands.asked if one["name"] in ("insert", "update", "findAndModify")]
    collections = {one[one["name"]] for one in writes}
    assert {schema.MESSAGES, schema.STREAMS, schema.MARKS, schema.SENT} <= collections
    assert [one["writeConcern"] for one in writes] == [{"w": "majority", "j": True}] * len(writes)
    reads = [one for one in commands.asked if one["name"] in ("find", "aggregate")]
    assert [one["readConcern"] for one in reads] == [{"level": "majority"}] * len(reads) != []


async def test_a_user_who_may_only_read(guarded_mongod: Mongod, tmp_path: Path) -> None:
    """Whose right to write is taken away meanwhile: reads go on, writes are Unavailable, and stored when she has it again."""
    with guarded_mongod.client() as client:
        client.admin.command("createUser", "root", pwd="root", roles=["root"])
    root = pymongo.MongoClient[dict[str, Any]](guarded_mongod.url("admin", "root:root"))
    with root:
        root.openim.command("createUser", "us", pwd="us", roles=["readWrite"])
        store = await open_message_store(Places(tmp_path, guarded_mongod.url("openim", "us:us")))
        assert isinstance(store, MongoMessageStore)
        assert await outcomes(store, write(message(1))) == [Outcome.STORED]
        root.openim.command("updateUser", "us", roles=["read"])

        with pytest.raises(Unavailable, match="Unauthorized"):
            await store.write([write(message(2))])
        with pytest.raises(Unavailable, match="Unauthorized"):
            await store.claim(["p"], "owner")
        assert [row.seq for row in await store.read_range(CHAT, 1, 9, 9)] == [1]

        root.openim.command("updateUser", "us", roles=["readWrite"])
        assert await outcomes(store, write(message(2))) == [Outcome.STORED]
        await store.aclose()


# --- the server is away


async def test_a_server_that_is_away_and_comes_back(
    own_mongod: Mongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server is down everything is Unavailable in time, without a word of the URL's secrets; when it is back, the same store goes on."""
    store = await open_message_store(Places(tmp_path, own_mongod.url("openim")))
    assert isinstance(store, MongoMessageStore)
    await store.write([write(message(1))])
    own_mongod.process.kill()
    monkeypatch.setattr(connections, "CALL_SECONDS", 1.0)

    async with asyncio.timeout(ANSWER_SECONDS):
        results = await asyncio.gather(
            store.write([write(message(2))]),
            store.claim(["p"], "owner"),
            store.load_log(KEY, 1),
            store.heads([CHAT]),
            store.read_range(CHAT, 1, 2, 3),
            store.read_seqs(CHAT, [1]),
            store.find(CHAT, "alice", "c1"),
            store.read_marks(KEY),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [Unavailable] * 8, results
    with pytest.raises(Unavailable, match="mongodb://127"):
        await open_message_reader(Places(tmp_path, own_mongod.url("openim")))

    own_mongod.start()
    monkeypatch.setattr(connections, "CALL_SECONDS", 5.0)
    async with asyncio.timeout(ANSWER_SECONDS):
        assert await outcomes(store, write(message(2))) == [Outcome.STORED]
        assert [row.seq for row in await store.read_range(CHAT, 1, 9, 9)] == [1, 2]
    await store.aclose()


async def test_a_server_that_hangs(own_mongod: Mongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes requests and answers nothing makes calls Unavailable in time; what was under way may be repeated when it goes on."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 1.0)
    store = await open_message_store(Places(tmp_path, own_mongod.url("openim")))
    assert isinstance(store, MongoMessageStore)
    await store.write([write(message(1))])
    own_mongod.process.pause()

    async with asyncio.timeout(ANSWER_SECONDS):
        with pytest.raises(Unavailable):
            await store.write([write(message(2), message(3), read={"bob": 3})])
        with pytest.raises(Unavailable):
            await store.heads([CHAT])

    own_mongod.process.resume()
    monkeypatch.setattr(connections, "CALL_SECONDS", 5.0)
    assert await outcomes(store, write(message(2), message(3), read={"bob": 3})) == [Outcome.STORED]
    assert [row.seq for row in await store.read_range(CHAT, 1, 9, 9)] == [1, 2, 3]
    assert await store.read_marks(KEY) == {"bob": 3}
    await store.aclose()


async def test_closing_while_the_server_hangs(
    own_mongod: Mongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes in time, too, though heads still wait to be raised."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 1.0)
    store = await open_message_store(Places(tmp_path, own_mongod.url("openim")))
    await store.write([write(message(1))])
    own_mongod.process.pause()

    async with asyncio.timeout(ANSWER_SECONDS):
        await store.aclose()


async def test_a_closed_store_is_unavailable(messages: MongoMessageStore) -> None:
    """Calls after the end are refused like those of a store that is away; closing twice is harmless."""
    await messages.write([write(message(1))])
    await messages.aclose()
    await messages.aclose()

    with pytest.raises(Unavailable, match="closed"):
        await messages.write([write(message(2))])
    with pytest.raises(Unavailable, match="closed"):
        await messages.heads([CHAT])


async def test_closing_waits_for_what_runs(messages: MongoMessageStore) -> None:
    """A write that was under way is finished and answered."""
    running = asyncio.create_task(messages.write([write(message(1))]))
    await asyncio.sleep(0)

    await messages.aclose()

    assert [result.outcome for result in await running] == [Outcome.STORED]


async def test_too_many_calls_at_once(messages: MongoMessageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls beyond the limit are refused at once, and leave the others alone."""
    monkeypatch.setattr(connections, "PENDING_MAX", 3)

    results = await asyncio.gather(*(messages.heads([CHAT]) for _ in range(5)), return_exceptions=True)

    assert results[:3] == [{}] * 3
    assert [type(result) for result in results[3:]] == [Unavailable] * 2


async def test_a_cancelled_write_leaves_the_store_in_order(messages: MongoMessageStore) -> None:
    """Whoever doesn't wait for the outcome may write the same again."""
    one = write(message(1), message(2))
    for delay in (0.0, 0.001, 0.002, 0.004):
        running = asyncio.create_task(messages.write([one]))
        await asyncio.sleep(delay)
        running.cancel()
        await asyncio.wait([running])

    assert await outcomes(messages, one) == [Outcome.STORED]
    assert [row.seq for row in await messages.read_range(CHAT, 1, 9, 9)] == [1, 2]
