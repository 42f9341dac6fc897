"""
What a user wrote can be taken out of every message store and every history (`ports.ErasingStore`), and nothing brings it back.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import DamagedRow, Outcome, StoredMessage, WriteResult
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import Erased, Span
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, OfflinePushInfo
from openim_ray.storage.open import open_history_store, open_message_store
from openim_ray.storage.places import IN_MEMORY, Places
from tests.contract.rows import CHAT, KEY, STREAM, message, reference, write

if TYPE_CHECKING:
    from pathlib import Path

    from openim_ray.storage.stores import OpenHistoryStore, OpenMessageReader, OpenMessageStore

EVERYTHING = (1, 1 << 62)
TEXT = "what-was-said"
NAME = "what-she-was-called"


def said(
    seq: int, sender: str = "alice", *, size: int = 0, conversation: str = CHAT, content_type: int = 101
) -> StoredMessage:
    """Return a row as a client's message makes it, with texts in every field that holds some."""
    row = message(seq, sender=sender, conversation=conversation)
    body = MsgData(
        sendID=sender,
        recvID="bob" if sender == "alice" else "alice",
        groupID="",
        clientMsgID=row.client_id,
        serverMsgID=row.server_id,
        senderPlatformID=5,
        senderNickname=NAME,
        senderFaceURL=f"https://{NAME}",
        sessionType=1,
        msgFrom=100,
        contentType=content_type,
        content=f"{TEXT} {seq} {sender}".encode() + b"." * size,
        seq=seq,
        sendTime=row.send_time,
        createTime=row.send_time - 1,
        status=2,
        options={TEXT: True, "history": True, "unreadCount": True},
        offlinePushInfo=OfflinePushInfo(title=TEXT, desc=TEXT, ex=TEXT),
        atUserIDList=[TEXT],
        attachedInfo=TEXT,
        ex=TEXT,
    ).SerializeToString()
    return row._replace(body=body, content_type=content_type, operation_id=f"op {TEXT}")


def tombstone(row: StoredMessage) -> StoredMessage:
    """Return what is to stand in the place of a row."""
    body = MsgData(
        sendID=row.sender_id,
        recvID="bob" if row.sender_id == "alice" else "alice",
        clientMsgID=row.client_id,
        serverMsgID=row.server_id,
        sessionType=1,
        msgFrom=100,
        contentType=row.content_type,
        seq=row.seq,
        sendTime=row.send_time,
        createTime=row.send_time - 1,
        status=4,
    ).SerializeToString(deterministic=True)
    return row._replace(operation_id="", body=body, rev=row.rev + 1)


ROWS = [said(seq, "alice" if seq % 2 else "bob") for seq in range(1, 9)]
BARE = [tombstone(row) if row.sender_id == "alice" else row for row in ROWS]


@pytest.fixture
async def filled(store: OpenMessageStore) -> OpenMessageStore:
    """A store with a chat in which two have written in turn."""
    await store.write([write(*ROWS, read={"bob": 3})])
    return store


async def test_what_one_wrote_becomes_tombstones(filled: OpenMessageStore, reader: OpenMessageReader) -> None:
    """With seqs, ids and times, without a text; what the other wrote, head, marks and keys stay, and seqs go on."""
    before = await filled.heads([CHAT])
    assert await filled.erase(CHAT, "alice", *EVERYTHING) == Erased(tuple(BARE[::2]), 4)

    assert list(await reader.read_range(CHAT, *EVERYTHING, 100)) == BARE
    assert list(await filled.read_seqs(CHAT, [1, 2])) == BARE[:2]
    assert await filled.heads([CHAT]) == before
    assert await filled.read_marks(KEY) == {"bob": 3}
    assert await filled.find(CHAT, "alice", "c3") == reference(ROWS[2])
    state = await filled.load_log(KEY, 3)
    assert state is not None
    assert list(state.tail) == BARE[-3:]
    assert await filled.write([write(said(9))]) == [WriteResult(Outcome.STORED, {})]


async def test_erasing_again_writes_nothing(filled: OpenMessageStore) -> None:
    """A job that was killed begins anew where it doesn't know: it is told the same rows, and no revision rises."""
    first = await filled.erase(CHAT, "alice", *EVERYTHING)
    assert await filled.erase(CHAT, "alice", *EVERYTHING) == first._replace(replaced=0)
    assert list(await filled.read_range(CHAT, *EVERYTHING, 100)) == BARE


async def test_only_what_was_asked_for_is_erased(filled: OpenMessageStore) -> None:
    """A part of a conversation, one sender, one conversation; who wrote nothing has nothing to lose."""
    assert await filled.erase(CHAT, "alice", 2, 4) == Erased((BARE[2],), 1)
    assert list(await filled.read_range(CHAT, *EVERYTHING, 100)) == [*ROWS[:2], BARE[2], *ROWS[3:]]
    nothing = Erased((), 0)
    assert await filled.erase(CHAT, "carol", *EVERYTHING) == nothing
    assert await filled.erase(STREAM, "alice", *EVERYTHING) == nothing
    assert await filled.erase(CHAT, "alice", 5, 4) == nothing
    assert await filled.erase(CHAT, "alice", -3, 0) == nothing


async def test_a_write_said_again_brings_nothing_back(filled: OpenMessageStore) -> None:
    """Its owner had no answer; the same message under another seq is a repetition as ever."""
    await filled.erase(CHAT, "alice", *EVERYTHING)
    assert await filled.write([write(*ROWS, read={"bob": 3})]) == [WriteResult(Outcome.STORED, {})]
    again = said(9)._replace(client_id=ROWS[0].client_id)
    assert await filled.write([write(again)]) == [WriteResult(Outcome.DUPLICATE, {0: reference(ROWS[0])})]
    assert list(await filled.read_range(CHAT, *EVERYTHING, 100)) == BARE


async def test_receipts_stay_readable(store: OpenMessageStore) -> None:
    """Clients need those of a notification stream; they lose what their sender was called. Other notifications are erased like messages."""
    kinds = [ContentType.HAS_READ_RECEIPT, ContentType.MESSAGE_REVOKED, ContentType.MESSAGES_DELETED, 1301]
    rows = [said(seq, conversation=STREAM, content_type=kind) for seq, kind in enumerate(kinds, 1)]
    await store.write([write(*rows)])

    erased = await store.erase(STREAM, "alice", *EVERYTHING)
    assert erased.replaced == 4
    for before, after in zip(rows[:3], erased.rows, strict=False):
        message = MsgData.FromString(after.body)
        assert (message.content, message.status) == (MsgData.FromString(before.body).content, 2)
        assert NAME.encode() not in after.body
        assert after.operation_id == ""
    assert erased.rows[3] == tombstone(rows[3])
    assert (await store.erase(STREAM, "alice", *EVERYTHING)).replaced == 0


def invitation(seq: int, *names: str) -> StoredMessage:
    """Return bob's notification that users came, called by these names."""
    users = [{"userID": user_id, "nickname": name} for user_id, name in zip(("alice", "carol"), names, strict=False)]
    content = json.dumps(
        {"detail": json.dumps({"invitedUserList": users}, separators=(",", ":"))}, separators=(",", ":")
    )
    body = MsgData(sendID="bob", content=content.encode(), seq=seq, status=2).SerializeToString(deterministic=True)
    return said(seq, "bob")._replace(content_type=1509, body=body)


async def test_notifications_of_others_lose_what_she_was_called(store: OpenMessageStore) -> None:
    """They stay, and are told of again; what doesn't name her is left alone."""
    await store.write([write(*TOLD)])
    await loses_what_she_was_called(store)


TOLD = [said(1, "bob"), invitation(2, NAME, "carol"), invitation(3), invitation(4, "", "carol")]


async def loses_what_she_was_called(place: OpenMessageStore | OpenHistoryStore) -> None:
    """Erase twice."""
    bare = invitation(2, "", "carol")._replace(rev=1)
    assert await place.erase(CHAT, "alice", *EVERYTHING) == Erased((bare, TOLD[3]), 1)
    assert await place.erase(CHAT, "alice", *EVERYTHING) == Erased((bare, TOLD[3]), 0)
    assert list(await place.read_range(CHAT, *EVERYTHING, 100)) == [TOLD[0], bare, *TOLD[2:]]


async def test_more_rows_than_are_replaced_at_once(store: OpenMessageStore) -> None:
    """Transactions and commands are short; a call does all it is asked for."""
    rows = [said(seq) for seq in range(1, 502)]
    await store.write([write(*rows)])
    erased = await store.erase(CHAT, "alice", *EVERYTHING)
    assert (len(erased.rows), erased.replaced) == (501, 501)
    assert list(await store.read_range(CHAT, *EVERYTHING, 1000)) == [tombstone(row) for row in rows]


async def test_a_damaged_row_is_erased(data_dir: Path) -> None:
    """It can't be served, but might be read from the file; as a tombstone it is whole again."""
    store = await open_message_store(Places(data_dir))
    await store.write([write(*ROWS)])
    with closing(sqlite3.connect(data_dir / "messages.db")) as connection, connection:
        connection.execute("UPDATE messages SET send_time = send_time + 1 WHERE seq = 3")
    assert list(await store.read_seqs(CHAT, [3])) == [DamagedRow(ConversationSeq(3))]

    erased = await store.erase(CHAT, "alice", *EVERYTHING)
    assert erased.replaced == 4
    (row,) = await store.read_seqs(CHAT, [3])
    assert isinstance(row, StoredMessage)
    assert MsgData.FromString(row.body) == MsgData(
        sendID="alice", clientMsgID="c3", serverMsgID=row.server_id, seq=3, sendTime=row.send_time, status=4
    )
    assert (await store.erase(CHAT, "alice", *EVERYTHING)).replaced == 0
    await store.aclose()


# --- files


@pytest.mark.parametrize("size", [0, 300, 6000], ids=["short", "longer", "overflow pages"])
async def test_no_file_holds_what_was_erased(data_dir: Path, size: int) -> None:
    """Neither the file nor its write-ahead log, while a reader has them open, and after many rows have moved in the pages."""
    store = await open_message_store(Places(data_dir))
    people = ("alice", "bob", "carol")
    rows = [said(seq, people[seq % 3], size=size + seq % 50) for seq in range(1, 301)]
    for begin in range(0, len(rows), 30):
        await store.write([write(*rows[begin : begin + 30])])
    for sender in ("alice", "carol"):
        assert f"{TEXT} {300 if sender == 'alice' else 299} {sender}".encode() in contents(data_dir)
        await store.erase(CHAT, sender, *EVERYTHING)
        assert len(await store.read_range(CHAT, *EVERYTHING, 1000)) == 300
        assert await store.scrub()
        for row in rows:
            text = f"{TEXT} {row.seq} {row.sender_id}.".encode() if size else MsgData.FromString(row.body).content
            assert (text in contents(data_dir)) == (
                row.sender_id == "bob" or (row.sender_id, sender) == ("carol", "alice")
            )
    await store.aclose()


async def test_what_retention_deleted_is_in_no_file(data_dir: Path) -> None:
    """Pages that are free hold zeros."""
    store = await open_message_store(Places(data_dir, history=IN_MEMORY))
    await store.write([write(*(said(seq, size=1000) for seq in range(1, 101)))])
    await store.forget(CHAT, ConversationSeq(100))
    assert await store.scrub()
    assert TEXT.encode() not in contents(data_dir)
    await store.aclose()


async def test_a_reader_holds_up_scrubbing(data_dir: Path) -> None:
    """The write-ahead log can't be emptied while somebody reads an older state; nobody waits for it long, and the next call does it."""
    store = await open_message_store(Places(data_dir))
    await store.write([write(*ROWS)])
    with closing(sqlite3.connect(data_dir / "messages.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM messages").fetchone()
        await store.erase(CHAT, "alice", *EVERYTHING)
        assert not await store.scrub()
        connection.execute("COMMIT")
    assert await store.scrub()
    assert f"{TEXT} 1 alice".encode() not in contents(data_dir)
    await store.aclose()


def contents(folder: Path) -> bytes:
    """Return the bytes of all files of a data directory."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- the history


def spans(*rows: StoredMessage) -> list[Span]:
    """Return each row as a span of its own."""
    return [Span(row.conversation_id, row.seq, row.seq, (row,)) for row in rows]


async def test_what_one_wrote_leaves_the_history(history: OpenHistoryStore) -> None:
    """As it leaves a message store: the same tombstones, once, in any part of the conversation."""
    await history.copy([Span(CHAT, 1, 8, tuple(ROWS))])
    assert await history.erase(CHAT, "alice", 2, 4) == Erased((BARE[2],), 1)
    assert await history.erase(CHAT, "alice", *EVERYTHING) == Erased(tuple(BARE[::2]), 3)
    assert await history.erase(CHAT, "alice", *EVERYTHING) == Erased(tuple(BARE[::2]), 0)
    assert await history.erase(CHAT, "carol", *EVERYTHING) == Erased((), 0)
    assert list(await history.read_range(CHAT, *EVERYTHING, 100)) == BARE
    assert await history.confirmed([CHAT]) == {CHAT: 8}
    assert await history.scrub()


async def test_a_late_copy_brings_nothing_back_into_the_history(history: OpenHistoryStore) -> None:
    """Whoever read the row before it was erased copies it later: to a tombstone that was erased there, and to one that was copied there."""
    await history.copy([Span(CHAT, 1, 4, tuple(ROWS[:4]))])
    await history.erase(CHAT, "alice", *EVERYTHING)
    await history.copy(spans(*BARE[4:8:2]))

    assert await history.copy([Span(CHAT, 1, 8, tuple(ROWS))]) == {CHAT: 8}
    assert list(await history.read_range(CHAT, *EVERYTHING, 100)) == BARE


async def test_notifications_in_the_history_lose_what_she_was_called(history: OpenHistoryStore) -> None:
    """As in a message store."""
    await history.copy([Span(CHAT, 1, 4, tuple(TOLD))])
    await loses_what_she_was_called(history)


async def test_many_rows_leave_the_history(history: OpenHistoryStore) -> None:
    """More than one transaction replaces."""
    rows = [said(seq) for seq in range(1, 502)]
    await history.copy([Span(CHAT, 1, 501, tuple(rows))])
    erased = await history.erase(CHAT, "alice", *EVERYTHING)
    assert (len(erased.rows), erased.replaced) == (501, 501)
    assert list(await history.read_range(CHAT, *EVERYTHING, 1000)) == [tombstone(row) for row in rows]


async def test_no_file_of_a_history_holds_what_was_erased(data_dir: Path) -> None:
    """A history in a file of its own."""
    history = await open_history_store(Places(data_dir, messages=IN_MEMORY))
    await history.copy([Span(CHAT, 1, 100, tuple(said(seq, size=seq * 20) for seq in range(1, 101)))])
    await history.erase(ConversationID(CHAT), "alice", *EVERYTHING)
    assert await history.scrub()
    assert TEXT.encode() not in contents(data_dir)
    await history.aclose()
