"""`check` over every set of stores: what is planted is named, once and exactly, and what is whole gives nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg
import pytest
from pymongo import MongoClient

from openim_ray import check
from openim_ray.check import Findings, look
from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.errors import SchemaTooNew, SchemaTooOld, Unavailable
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.message import DamagedRow, StoredMessage, StreamHead
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import Span
from openim_ray.services import audit
from openim_ray.storage.memory import MemoryMessageStore
from openim_ray.storage.open import (
    _memory,
    open_directory_store,
    open_history_store,
    open_message_store,
    open_state_store,
    prepare,
)
from openim_ray.storage.places import Places
from tests.contract.planting import Memory, Servers, Sqlite, planting_in
from tests.contract.rows import CHAT, KEY, STREAM, TIME, message, write
from tests.servers.postgres import Databases

ROWS = 123
"""Of the long chat: more than two spans."""

ROWS_AT_ONCE = 50
"""Rows of a span: fewer than in earnest, so that not every test has to fill a thousand."""

OTHER = single_chat_id("alice", "carol")


@dataclass
class Stores:
    """Places with a long chat of alice and bob, a short one of alice and carol, and all that belongs to them."""

    places: Places

    @property
    def planting(self) -> Memory | Sqlite | Servers:
        """What changes them."""
        return planting_in(self.places)

    @property
    def copies(self) -> Memory | Servers:
        """What changes the history; there must be one."""
        planting = self.planting
        assert not isinstance(planting, Sqlite)
        return planting

    async def check(self) -> tuple[Findings, list[str]]:
        """Look, and return what was said."""
        said: list[str] = []
        return await look(self.places, lambda fault: said.append(str(fault))), said

    async def found(self) -> list[str]:
        """Look, and return what was said."""
        _, said = await self.check()
        return said

    async def save_position(self, user: str, conversation_id: ConversationID, position: ReadPosition) -> None:
        """Save what a server would refuse."""
        state = await open_state_store(self.places)
        await state.save(positions=[(UserID(user), {conversation_id: position})])
        await state.aclose()

    async def save_row(self, row: Conversation) -> None:
        """Save a row as it is."""
        directory = await open_directory_store(self.places)
        await directory.change(lambda tx: tx.put_conversation(row))
        await directory.aclose()


def chat_row(seq: int) -> StoredMessage:
    """Return a row of the long chat: both write."""
    return message(seq, sender="alice" if seq % 2 else "bob")


@pytest.fixture(autouse=True)
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a short chat be several spans."""
    monkeypatch.setattr(check, "ROWS_AT_ONCE", ROWS_AT_ONCE)


@pytest.fixture
async def stores(places: Places) -> Stores:
    """Fill the stores as a server would."""
    await fill(places)
    return Stores(places)


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
def places(request: pytest.FixtureRequest) -> Places:
    """Tell where everything is; with MongoDB goes PostgreSQL."""
    if request.param == "mongodb":
        url = request.getfixturevalue("postgres_url")
        mongo_url = request.getfixturevalue("mongo_url")
        return Places(request.getfixturevalue("tmp_path"), mongo_url, directory=url, history=url)
    data_dir = request.getfixturevalue("data_dir")
    return Places.in_memory(data_dir) if request.param == "memory" else Places(data_dir)


async def fill(places: Places) -> None:
    """Write what the tests look at."""
    await prepare(places)
    directory = await open_directory_store(places)
    await directory.register([User(user_id=UserID(one)) for one in ("alice", "bob", "carol")])
    pairs = [("alice", "bob"), ("bob", "alice"), ("alice", "carol"), ("carol", "alice")]
    await directory.ensure_conversations([_conversation(one, other) for one, other in pairs])
    await directory.aclose()
    rows = [chat_row(seq) for seq in range(1, ROWS + 1)]
    others = [message(seq, conversation=OTHER) for seq in range(1, 4)]
    receipts = [message(1, sender="bob", conversation=STREAM)]
    messages = await open_message_store(places)
    await messages.write([write(*rows), write(*receipts, read={"bob": ROWS})])
    await messages.write([write(*others, participants=("alice", "carol"))])
    await messages.aclose()
    if places.has_history:
        history = await open_history_store(places)
        spans = [Span(held[0].conversation_id, 1, len(held), tuple(held)) for held in (rows, others, receipts)]
        await history.copy(spans)
        await history.aclose()
    state = await open_state_store(places)
    await state.save(positions=[(UserID("bob"), {CHAT: ReadPosition(ROWS, 2, ROWS + 1), OTHER: ReadPosition()})])
    await state.aclose()


def _conversation(owner: str, other: str) -> Conversation:
    conversation_id = single_chat_id(owner, other)
    return Conversation(
        owner_user_id=UserID(owner), conversation_id=conversation_id, conversation_type=1, user_id=other
    )


async def forget(places: Places, through: int) -> None:
    """Delete old rows of the long chat, as the retention does."""
    store = await open_message_store(places)
    await store.forget(CHAT, ConversationSeq(through))
    await store.aclose()


async def test_what_is_whole_gives_nothing(stores: Stores) -> None:
    """It says what it has looked at."""
    findings, said = await stores.check()
    assert said == []
    assert findings.exit_status == 0
    assert findings.summary == f"checked 3 conversations, {ROWS + 4} messages, 3 users: no faults"


async def test_a_position_above_the_newest_seq_is_found(stores: Stores) -> None:
    """Of reading, of own messages and of what may be seen; in a conversation without messages, too."""
    await stores.save_position("alice", CHAT, ReadPosition(ROWS + 1, ROWS + 2, ROWS + 3))
    nowhere = ConversationID("si_alice_dave")
    await stores.save_position("bob", nowhere, ReadPosition(1))
    await stores.save_row(replace(_conversation("alice", "bob"), min_seq=ROWS + 2))
    await stores.save_row(replace(_conversation("alice", "carol"), min_seq=2))
    assert await stores.found() == [
        f"position {CHAT}: alice has read up to {ROWS + 1}, newest seq is {ROWS}",
        f"position {CHAT}: own messages of alice are seen up to {ROWS + 2}, newest seq is {ROWS}",
        f"position {CHAT}: alice sees only from {ROWS + 3} on, newest seq is {ROWS}",
        f"position {CHAT}: the row of alice shows only from {ROWS + 2} on, newest seq is {ROWS}",
        f"position {nowhere}: bob has read up to 1, newest seq is 0",
    ]


async def test_a_read_mark_above_the_newest_seq_is_found(stores: Stores) -> None:
    """Its peer would see messages as read that nobody has read."""
    stores.planting.set_mark(KEY, "bob", ROWS + 1)
    assert await stores.found() == [f"position {CHAT}: read mark of bob is {ROWS + 1}, newest seq is {ROWS}"]


async def test_a_long_chat_is_looked_at_in_parts(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part finds its own duplicates; all else is said once."""
    monkeypatch.setattr(audit, "KEYS_MAX", 30)
    copies = {seq: chat_row(seq)._replace(client_id=chat_row(seq - 10).client_id) for seq in range(111, 121)}
    for row in copies.values():
        stores.planting.put(row)
        if stores.places.has_history:
            stores.copies.put_copy(row)
    stores.planting.spoil(CHAT, 9)
    findings, said = await stores.check()
    sender = {seq: row.sender_id for seq, row in copies.items()}
    assert sorted(said) == sorted(
        [
            f"damaged {CHAT}: damaged row in the message store at seq 9",
            *(
                f"duplicate {CHAT}: clientMsgID 'c{seq - 10}' of {sender[seq]} stands at seq {seq - 10} and {seq}"
                for seq in copies
            ),
        ]
    )
    assert findings.messages == ROWS + 4


async def test_a_user_without_her_row_is_found(stores: Stores) -> None:
    """The messages of that chat are lost to her view."""
    stores.planting.remove_conversation("carol", OTHER)
    findings, said = await stores.check()
    assert said == [f"orphan {OTHER}: carol has no row of this conversation"]
    assert findings.exit_status == 1
    assert findings.summary.endswith("3 users: 1 fault")


async def test_a_row_that_names_nobody_is_only_noted(stores: Stores) -> None:
    """It hides no message."""
    directory = await open_directory_store(stores.places)
    await directory.ensure_conversations([_conversation("alice", "zoe")])
    await directory.aclose()
    findings, said = await stores.check()
    assert said == ["note si_alice_zoe: the row of alice names zoe, who has no account"]
    assert findings.exit_status == 0


async def test_a_damaged_row_is_found(stores: Stores) -> None:
    """Neighbours are one line; no hole is made of them."""
    for seq in (50, 51, 77):
        stores.planting.spoil(CHAT, seq)
    assert await stores.found() == [
        f"damaged {CHAT}: damaged row in the message store at seq 50..51",
        f"damaged {CHAT}: damaged row in the message store at seq 77",
    ]


async def test_a_message_that_stands_twice_is_found(stores: Stores) -> None:
    """By its clientMsgID of one sender, and by its serverMsgID."""
    first = chat_row(7)
    copy = chat_row(91)._replace(client_id=first.client_id)
    again = chat_row(60)._replace(server_id=chat_row(6).server_id)
    for row in (copy, again):
        stores.planting.put(row)
        if stores.places.has_history:
            stores.copies.put_copy(row)
    assert await stores.found() == [
        f"duplicate {CHAT}: serverMsgID 's-{CHAT}-c6' stands at seq 6 and 60",
        f"duplicate {CHAT}: clientMsgID 'c7' of alice stands at seq 7 and 91",
    ]


async def test_a_head_that_knows_less_than_the_rows_is_found(stores: Stores) -> None:
    """Its time, and the newest seqs of senders: too low, or above every row."""
    stores.planting.set_head(CHAT, max_time=TIME + 100)
    stores.planting.set_sent(CHAT, "alice", 101)
    stores.planting.set_sent(CHAT, "bob", ROWS + 9)
    assert await stores.found() == [
        f"head {CHAT}: max_time is {TIME + 100}, seq {ROWS} was sent at {TIME + ROWS}",
        f"head {CHAT}: newest seq of alice is noted as 101, but is {ROWS}",
        f"head {CHAT}: newest seq of bob is noted as {ROWS + 9}, head is {ROWS}",
    ]


# --- a stream in memory can't have these


@pytest.mark.parametrize("places", ["sqlite", "mongodb"], indirect=True)
async def test_a_hole_is_found(stores: Stores) -> None:
    """Across spans as one, and the last one below the head; where a history has the row, it says so."""
    stores.planting.remove(CHAT, [17, *range(49, 53), 90])
    if stores.places.has_history:
        stores.copies.remove_copies(CHAT, [*range(49, 53), 90])
    in_history = "no row in the message store at seq 17, but in the history" if stores.places.has_history else ""
    assert await stores.found() == [
        f"hole {CHAT}: {in_history or 'no row at seq 17'}, head is {ROWS}",
        f"hole {CHAT}: no row at seq 49..52, head is {ROWS}",
        f"hole {CHAT}: no row at seq 90, head is {ROWS}",
    ]


@pytest.mark.parametrize("places", ["sqlite", "mongodb"], indirect=True)
async def test_a_head_below_a_row_is_found(stores: Stores) -> None:
    """MongoDB's reader mends a head by the rows that continue it; so there a hole lies between."""
    stores.planting.remove(OTHER, [2])
    stores.planting.set_head(OTHER, max_seq=1)
    stores.planting.set_sent(OTHER, "alice", 1)
    in_history = [f"history {OTHER}: the history confirms 3, but head is 1"] if stores.places.has_history else []
    assert await stores.found() == [f"head {OTHER}: head is 1, but a row stands at seq 3", *in_history]


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
async def test_a_head_that_says_there_is_nothing_is_found(stores: Stores) -> None:
    """Then only its users' rows lead to the messages."""
    stores.planting.set_head(OTHER, max_seq=0)
    assert await stores.found() == [f"head {OTHER}: head is 0, but a row stands at seq 3"]


# --- with a history


@pytest.mark.parametrize("places", ["memory", "mongodb"], indirect=True)
async def test_what_was_deleted_after_the_history_had_it_is_no_fault(stores: Stores) -> None:
    """Old rows are looked at in the history."""
    await forget(stores.places, 70)
    findings, said = await stores.check()
    assert said == []
    assert findings.messages == ROWS + 4


@pytest.mark.parametrize("places", ["memory", "mongodb"], indirect=True)
async def test_faults_of_a_history_are_found(stores: Stores) -> None:
    """A row that is missing, damaged, another one; below and above the floor."""
    await forget(stores.places, 70)
    stores.copies.remove_copies(CHAT, [3, 4, 100])
    stores.copies.spoil_copy(CHAT, 5)
    stores.copies.spoil_copy(CHAT, 101)
    stores.copies.put_copy(chat_row(110)._replace(body=b"another"))
    stores.copies.put_copy(chat_row(111)._replace(body=b"newer", rev=1))
    assert await stores.found() == [
        f"hole {CHAT}: no row in the history at seq 3..4, the message store begins at 71",
        f"damaged {CHAT}: damaged row in the history at seq 5",
        f"history {CHAT}: no row in the history at seq 100, it is confirmed up to {ROWS}",
        f"damaged {CHAT}: damaged row in the history at seq 101",
        f"history {CHAT}: another row in the history than in the message store at seq 110",
    ]


@pytest.mark.parametrize("places", ["memory", "mongodb"], indirect=True)
async def test_a_message_that_stands_in_both_stores_is_found(stores: Stores) -> None:
    """The history has it at an old seq, the message store at a new one."""
    await forget(stores.places, 70)
    row = chat_row(81)._replace(client_id=chat_row(1).client_id)
    stores.planting.put(row)
    stores.copies.put_copy(row)
    assert await stores.found() == [f"duplicate {CHAT}: clientMsgID 'c1' of alice stands at seq 1 and 81"]


@pytest.mark.parametrize("places", ["memory", "mongodb"], indirect=True)
async def test_rows_deleted_before_they_were_confirmed_are_found(stores: Stores) -> None:
    """Whoever scrolls there is answered with an error for ever."""
    await forget(stores.places, 70)
    stores.copies.set_confirmed(CHAT, 60)
    stores.copies.remove_copies(CHAT, range(61, 71))
    assert await stores.found() == [f"history {CHAT}: rows up to seq 70 may have been deleted, the history confirms 60"]


@pytest.mark.parametrize("places", ["memory", "mongodb"], indirect=True)
async def test_a_history_ahead_of_the_message_store_is_found(stores: Stores) -> None:
    """New messages would get the seqs of others that the history has."""
    stores.copies.set_confirmed(CHAT, ROWS + 5)
    assert await stores.found() == [f"history {CHAT}: the history confirms {ROWS + 5}, but head is {ROWS}"]


@pytest.mark.parametrize("places", ["mongodb"], indirect=True)
async def test_a_conversation_that_only_the_history_has_is_found(stores: Stores) -> None:
    """As after the message store was emptied; only its users' rows lead there."""
    stores.planting.remove(OTHER, [1, 2, 3])
    stores.planting.set_head(OTHER, max_seq=0)
    assert await stores.found() == [f"history {OTHER}: the history confirms 3, but head is 0"]


# --- with somebody at work


class Working(MemoryMessageStore):
    """
    A message store in which old rows are deleted and new ones come and are read, each time somebody has looked at heads or rows.
    """

    def __init__(self, places: Places) -> None:
        tables = _memory(places)
        super().__init__(tables.messages)
        self._history = tables.history
        self._state = tables.state
        self._seq = ROWS
        self._floor = 1

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        found = await super().heads(conversation_ids)
        self._work()
        return found

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        found = await super().read_range(conversation_id, begin, end, newest)
        self._work()
        return found

    def _work(self) -> None:
        self._floor += 7
        self.tables.forget(CHAT, self._floor)
        self._seq += 1
        self.tables.write([write(chat_row(self._seq), read={"bob": self._seq})])
        self._state.save((), [(UserID("bob"), {CHAT: ReadPosition(self._seq)})], 0)
        if self._seq % 4:  # the history is a little behind now and then
            rows = tuple(chat_row(seq) for seq in range(self._seq - 3, self._seq + 1))
            self._history.copy([Span(CHAT, rows[0].seq, rows[-1].seq, rows)])


@pytest.mark.parametrize("places", ["memory"], indirect=True)
async def test_work_at_every_moment_is_no_fault(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Retention between a head and its rows, messages between rows and the next head, a history that follows, positions at the newest seq.

    Each look by itself finds nothing: it is not the second one that makes it right.
    """
    monkeypatch.setattr(audit, "lasting", lambda first, second: [*first, *second])

    async def opened(places: Places) -> Working:
        return Working(places)

    monkeypatch.setattr(check, "open_recent_messages", opened)
    findings, said = await stores.check()
    assert said == []
    assert findings.messages >= ROWS + 4


# --- what can't be looked at


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
async def test_files_are_left_as_they_are(stores: Stores) -> None:
    """Not a byte is written; what is not there is not made."""
    folder = stores.places.data_dir
    before = {path.name: path.read_bytes() for path in folder.glob("*.db")}
    await stores.found()
    assert {path.name: path.read_bytes() for path in folder.glob("*.db")} == before
    (folder / "state.db").unlink()
    with pytest.raises(SchemaTooOld, match=r"state.db holds nothing of this server yet: start the server once"):
        await stores.found()
    assert not (folder / "state.db").exists()


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
async def test_a_damaged_file_is_found_and_the_rest_read(stores: Stores) -> None:
    """A page of it is overwritten; a file that is none is named, too."""
    path = stores.places.data_dir / "messages.db"
    content = bytearray(path.read_bytes())
    page = content.index(chat_row(64).server_id.encode()) // 4096 * 4096
    content[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    findings, said = await stores.check()
    assert findings.exit_status == 1
    assert any(line.startswith("file messages.db: ") for line in said), said
    assert findings.users == 3
    path.write_bytes(b"this is no database" * 1000)
    assert await stores.found() == ["file messages.db: can't be read to its end: SQLITE_NOTADB"]


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
async def test_a_text_that_is_none_is_a_damaged_row(stores: Stores) -> None:
    """SQLite's driver gives no row of that query; which one it is, is found out."""
    planting = stores.planting
    assert isinstance(planting, Sqlite)
    planting.run("messages", _NO_TEXT, CHAT)
    assert await stores.found() == [f"damaged {CHAT}: damaged row in the message store at seq 64"]


_NO_TEXT = (
    "UPDATE messages SET server_id = CAST(x'ff' AS TEXT)"
    " WHERE stream = (SELECT id FROM streams WHERE conversation_id = ?) AND seq = 64"
)


@pytest.mark.parametrize("places", ["mongodb"], indirect=True)
async def test_a_database_that_nobody_made_or_a_newer_server_made_is_refused(stores: Stores) -> None:
    """It is named; nothing is made in it."""
    with MongoClient(stores.places.messages) as client:
        schema = client.get_default_database()["schema"]
        schema.update_one({"_id": "messages"}, {"$set": {"version": 99}})
        with pytest.raises(SchemaTooNew, match="has schema 99"):
            await stores.found()
        schema.delete_many({})
        with pytest.raises(SchemaTooOld, match="holds nothing of this server yet"):
            await stores.found()
        assert schema.count_documents({}) == 0


@pytest.mark.parametrize("places", ["mongodb"], indirect=True)
async def test_a_database_of_postgresql_is_left_as_it_is(stores: Stores, databases: Databases) -> None:
    """One without tables gets none, one of a newer server is refused."""
    url = databases.make()
    empty = Stores(stores.places._replace(directory=url, history=url))
    with pytest.raises(SchemaTooOld, match=r"\(state\) holds nothing of this server yet"):
        await empty.found()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall() == []
        connection.execute("CREATE TABLE alembic_version_state AS SELECT '0999' AS version_num")
    with pytest.raises(SchemaTooNew, match=r"\(state\) has schema 0999"):
        await empty.found()
    databases.drop(url)


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
async def test_a_server_that_is_not_there_is_unavailable(stores: Stores) -> None:
    """Nothing can be said of what it holds."""
    away = stores.places._replace(directory="postgresql://127.0.0.1:1/openim")
    with pytest.raises(Unavailable):
        await look(away, print)
