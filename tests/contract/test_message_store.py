"""
What every message store promises (`ports.MessageStore`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.conversation import home_key
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import Outcome, StreamHead, WriteResult
from openim_ray.domain.sequence import ConversationSeq
from tests.contract.rows import CHAT, KEY, PAIR, STREAM, TIME, message, reference, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.message import DamagedRow, LogWrite, StoredMessage
    from openim_ray.storage.stores import OpenMessageReader, OpenMessageStore

STORED = WriteResult(Outcome.STORED, {})
CONFLICT = WriteResult(Outcome.CONFLICT, {})
SUPERSEDED = WriteResult(Outcome.SUPERSEDED, {})


async def outcomes(store: OpenMessageStore, *writes: LogWrite) -> list[Outcome]:
    """Write a batch and return the outcomes only."""
    return [result.outcome for result in await store.write(writes)]


async def all_rows(
    store: OpenMessageReader, conversation: ConversationID = CHAT
) -> Sequence[StoredMessage | DamagedRow]:
    """Read a whole stream."""
    return await store.read_range(conversation, 1, 1 << 62, 1000)


# --- appending


async def test_rows_come_back_as_they_were_written(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """Every field of a row survives, for any Unicode and any bytes."""
    row = message(1, "id ✓", sender="álice 🙂", body=bytes(range(256)))._replace(
        sender_sync=False, operation_id="ø", content_type=2101, rev=3
    )

    assert await store.write([write(row)]) == [STORED]
    assert [row] == await all_rows(reader)
    assert [row] == await reader.read_seqs(CHAT, [1])


async def test_seqs_continue_the_head(store: OpenMessageStore) -> None:
    """A stream grows by dense seqs, in one write or in several."""
    assert await store.write([write(message(1), message(2))]) == [STORED]
    assert await store.write([write(message(3))]) == [STORED]

    assert [row.seq for row in await all_rows(store)] == [1, 2, 3]


async def test_an_empty_write_asks_who_is_the_owner(store: OpenMessageStore) -> None:
    """It is taken from who has claimed last, also of a log that is not there yet, and changes nothing."""
    first = (await store.claim(["p"], "old"))["p"]
    await store.write([write(message(1), epoch=first)])
    empty, unknown = write(epoch=first), write(epoch=first, key="g1", participants=("g1",))
    assert await store.write([empty, unknown]) == [STORED, STORED]

    second = (await store.claim(["p"], "new"))["p"]
    assert await store.write([empty, empty._replace(epoch=second), unknown]) == [SUPERSEDED, STORED, SUPERSEDED]
    assert [row.seq for row in await all_rows(store)] == [1]


async def test_a_gap_is_a_conflict(store: OpenMessageStore) -> None:
    """A seq that doesn't continue the head writes nothing."""
    await store.write([write(message(1))])

    assert await store.write([write(message(3))]) == [CONFLICT]
    assert await store.write([write(message(2, conversation=STREAM))]) == [CONFLICT]
    assert [row.seq for row in await all_rows(store)] == [1]


async def test_a_taken_seq_is_a_conflict(store: OpenMessageStore) -> None:
    """Another message at a seq that is taken writes nothing, not even the rows after it."""
    await store.write([write(message(1))])

    assert await store.write([write(message(1, "other"), message(2))]) == [CONFLICT]
    assert [message(1)] == await all_rows(store)


async def test_a_repeated_write_is_a_success(store: OpenMessageStore) -> None:
    """The same write again, whole or as the beginning of a longer one, is STORED and changes nothing."""
    first = write(message(1), message(2), read={"bob": 1})
    await store.write([first])
    before = await store.load_log(KEY, 10)

    assert await store.write([first]) == [STORED]
    assert before == await store.load_log(KEY, 10)
    assert await store.write([write(message(2), message(3))]) == [STORED]
    assert [row.seq for row in await all_rows(store)] == [1, 2, 3]


async def test_a_known_message_at_a_new_seq_is_a_duplicate(store: OpenMessageStore) -> None:
    """Rows whose key stands in the log are named with their first place, and nothing is written."""
    one, two = message(1, "a"), message(2, "b")
    await store.write([write(one, two)])

    result = await store.write([write(message(3, "fresh"), message(4, "b", server="again"), message(5, "a"))])

    assert [WriteResult(Outcome.DUPLICATE, {1: reference(two), 2: reference(one)})] == result
    assert [one, two] == await all_rows(store)


async def test_duplicates_are_told_by_sender_and_stream(store: OpenMessageStore) -> None:
    """One client id of two senders, or in two streams of a log, is two messages."""
    rows = (message(1, "x"), message(2, "x", sender="bob"), message(1, "x", conversation=STREAM))

    assert await store.write([write(*rows)]) == [STORED]


async def test_a_conflict_outranks_a_duplicate(store: OpenMessageStore) -> None:
    """An owner that is wrong about the head has to reload before anything else is said."""
    await store.write([write(message(1, "a"), message(2, "b"))])

    assert await outcomes(store, write(message(2, "a"), message(3, "c"))) == [Outcome.CONFLICT]


async def test_both_streams_of_a_log_in_one_write(store: OpenMessageStore) -> None:
    """A chat and its notification stream have seqs of their own."""
    rows = (message(1), message(1, "n1", conversation=STREAM), message(2), message(2, "n2", conversation=STREAM))

    assert await store.write([write(*rows)]) == [STORED]
    assert [row.seq for row in await all_rows(store, STREAM)] == [1, 2]


async def test_writes_of_a_batch_see_those_before_them(store: OpenMessageStore) -> None:
    """In one batch a log may grow twice, repeat itself and be told of duplicates and conflicts."""
    results = await store.write(
        [
            write(message(1, "a")),
            write(message(2, "b")),
            write(message(2, "b")),
            write(message(3, "a")),
            write(message(2, "c")),
            write(message(2, "a")),
            write(message(3, "d")),
        ]
    )

    duplicate = WriteResult(Outcome.DUPLICATE, {0: reference(message(1, "a"))})
    assert [STORED, STORED, STORED, duplicate, CONFLICT, CONFLICT, STORED] == results
    assert [row.client_id for row in await all_rows(store)] == ["a", "b", "d"]


async def test_a_refused_write_leaves_its_neighbours_alone(store: OpenMessageStore) -> None:
    """Each write of a batch is atomic by itself."""
    other = message(1, conversation="si_carol_dave")
    await store.write([write(message(1, "old"))])

    results = await outcomes(
        store,
        write(message(2, "new"), message(3, "old")),
        write(other, participants=("carol", "dave"), read={"dave": 1}),
        write(message(5)),
    )

    assert results == [Outcome.DUPLICATE, Outcome.STORED, Outcome.CONFLICT]
    assert [row.seq for row in await all_rows(store)] == [1]
    assert [other] == await all_rows(store, other.conversation_id)


async def test_a_duplicate_in_the_file_beside_fresh_rows_of_others(store: OpenMessageStore) -> None:
    """A duplicate that only the index knows doesn't lose what other logs wrote in the batch."""
    await store.write([write(message(1, "a"))])
    others = [write(message(1, conversation=f"si_x_{number}")) for number in range(20)]

    results = await outcomes(store, *others[:10], write(message(2, "a")), *others[10:])

    assert results == [Outcome.STORED] * 10 + [Outcome.DUPLICATE] + [Outcome.STORED] * 10
    assert len(await store.heads([write_.rows[0].conversation_id for write_ in others])) == 20


async def test_an_empty_batch(store: OpenMessageStore) -> None:
    """No writes, no results."""
    assert await store.write([]) == []


@pytest.mark.parametrize(
    "rows",
    [
        (message(1), message(3)),
        (message(2), message(1)),
        (message(1), message(1, "other")),
        (message(0),),
        (message(1, "same"), message(2, "same")),
        (message(1), message(1, conversation="si_carol_dave")),
        (message(1, conversation="si_a\0b"),),
    ],
)
async def test_a_write_that_contradicts_itself_is_refused(
    store: OpenMessageStore, rows: Sequence[StoredMessage]
) -> None:
    """An owner's fault raises ValueError before anything of the batch is written."""
    neighbour = write(message(1, conversation="si_e_f"))

    with pytest.raises(ValueError, match=r"seq|stands twice|no stream|NUL"):
        await store.write([neighbour, write(*rows)])

    assert await store.heads([neighbour.rows[0].conversation_id]) == {}


# --- fencing


async def test_epochs_rise_by_claim(store: OpenMessageStore) -> None:
    """A claim raises the epochs of the named partitions only, and not of those its owner holds already."""
    assert await store.claim(["p", "q"], "one") == {"p": 1, "q": 1}
    assert await store.claim(["p"], "two") == {"p": 2}
    assert await store.claim(["q", "p"], "one") == {"q": 1, "p": 3}
    assert await store.claim([], "one") == {}


async def test_a_superseded_owner_writes_nothing(store: OpenMessageStore) -> None:
    """After a claim, writes with an older epoch are refused, also the repetition of one that is stored."""
    epoch = (await store.claim(["p"], "one"))["p"]
    await store.write([write(message(1), epoch=epoch)])
    newer = (await store.claim(["p"], "two"))["p"]

    assert await store.write([write(message(2), epoch=epoch)]) == [SUPERSEDED]
    assert await store.write([write(message(1), epoch=epoch)]) == [SUPERSEDED]
    assert await store.write([write(message(2, "new"), epoch=newer)]) == [STORED]
    assert [row.client_id for row in await all_rows(store)] == ["c1", "new"]


async def test_partitions_are_fenced_one_by_one(store: OpenMessageStore) -> None:
    """A claim of one partition leaves the owner of another alone."""
    await store.claim(["q"], "two")

    assert await outcomes(store, write(message(1))) == [Outcome.STORED]


# --- participants, marks, heads


async def test_a_log_keeps_its_participants(store: OpenMessageStore) -> None:
    """Whoever made a log has it: another pair with the same id is in conflict, an owner who names nobody isn't."""
    await store.write([write(message(1))])

    assert await store.write([write(message(2), participants=("alice_bob", ""))]) == [CONFLICT]
    assert await store.write([write(message(2), participants=())]) == [STORED]
    state = await store.load_log(KEY, 0)
    assert state is not None
    assert state.participants == PAIR


async def test_participants_may_be_named_later(store: OpenMessageStore) -> None:
    """A log that was made without participants takes the first ones it is given."""
    await store.write([write(message(1), participants=())])
    await store.write([write(message(2))])

    state = await store.load_log(KEY, 0)
    assert state is not None
    assert state.participants == PAIR


async def test_read_marks_only_rise(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """A mark is the maximum of what was written, and needs no message."""
    assert await reader.read_marks(KEY) == {}
    await store.write([write(read={"bob": 5})])
    await store.write([write(message(1), read={"bob": 3, "alice": 1}), write(message(2), read={"alice": 2})])

    assert await reader.read_marks(KEY) == {"bob": 5, "alice": 2}


async def test_a_refused_write_raises_no_mark(store: OpenMessageStore) -> None:
    """Marks are part of their write: all or nothing."""
    await store.write([write(message(1))])
    await store.write([write(message(3), read={"bob": 1}), write(message(2, "c1"), read={"bob": 2})])

    assert await store.read_marks(KEY) == {}


async def test_heads_of_streams_that_hold_messages(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """A head tells max seq, its time, each sender's newest seq, and whose it is; unknown and empty streams have none."""
    await store.write([write(message(1), message(2, sender="bob"), message(3), read={"bob": 1})])
    await store.write([write(message(4, sender="bob"))])

    head = StreamHead(CHAT, ConversationSeq(4), TIME + 4, {"alice": 3, "bob": 4}, PAIR)
    assert {CHAT: head} == await reader.heads([CHAT, STREAM, ConversationID("si_no_one")])
    assert await reader.heads([]) == {}


async def test_load_log(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """A log's state holds both heads, the marks, and the newest rows of each stream, ascending."""
    chat = [message(seq) for seq in range(1, 6)]
    notes = [message(seq, conversation=STREAM) for seq in range(1, 3)]
    await store.write([write(*chat, *notes, read={"bob": 2})])

    state = await reader.load_log(KEY, 3)

    assert state is not None
    assert state.participants == PAIR
    assert {key: head.max_seq for key, head in state.heads.items()} == {CHAT: 5, STREAM: 2}
    assert state.read == {"bob": 2}
    assert chat[2:] == [row for row in state.tail if row.conversation_id == CHAT]
    assert notes == [row for row in state.tail if row.conversation_id == STREAM]


async def test_load_log_of_nothing(reader: OpenMessageReader) -> None:
    """A log that was never written has no state."""
    assert await reader.load_log("no_body", 10) is None


async def test_a_log_of_marks_only_is_known(store: OpenMessageStore) -> None:
    """A log that got a mark but no message has a state without heads."""
    await store.write([write(read={"bob": 1})])

    state = await store.load_log(KEY, 10)
    assert state is not None
    assert tuple(state) == (PAIR, {}, {"bob": 1}, ())


# --- reading


async def test_read_range(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """A range is inclusive and ascending; where it holds too much, the newest rows win."""
    await store.write([write(*(message(seq) for seq in range(1, 11)))])

    async def seqs(begin: int, end: int, newest: int) -> list[int]:
        return [row.seq for row in await reader.read_range(CHAT, begin, end, newest)]

    assert await seqs(3, 5, 100) == [3, 4, 5]
    assert await seqs(3, 5, 2) == [4, 5]
    assert await seqs(9, 1 << 70, 100) == [9, 10]
    assert await seqs(-5, 2, 100) == [1, 2]
    assert await seqs(5, 3, 100) == []
    assert await seqs(1, 5, 0) == []
    assert await seqs(11, 20, 100) == []
    assert await reader.read_range(STREAM, 1, 5, 100) == []


async def test_read_seqs(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """The rows that exist come ascending and once, however they were asked for."""
    await store.write([write(*(message(seq) for seq in range(1, 6)))])

    assert [row.seq for row in await reader.read_seqs(CHAT, [4, 1, 99, 4, 0, -1, 1 << 70])] == [1, 4]
    assert await reader.read_seqs(CHAT, []) == []
    assert await reader.read_seqs(STREAM, [1]) == []


async def test_find(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """A message is found by conversation, sender and client id together."""
    row = message(1, "x")
    await store.write([write(row)])

    assert reference(row) == await reader.find(CHAT, "alice", "x")
    assert await reader.find(CHAT, "bob", "x") is None
    assert await reader.find(CHAT, "alice", "y") is None
    assert await reader.find(STREAM, "alice", "x") is None


async def test_ids_compare_as_bytes(store: OpenMessageStore) -> None:
    """Case, accents and width of letters are never folded."""
    names = ["a", "A", "\u00e1", "a\u0301", "\uff41", "\u00df", "ss"]
    writes = [write(message(1, conversation=f"si_{name}_z"), participants=(name, "z")) for name in names]

    assert [Outcome.STORED] * len(names) == await outcomes(store, *writes)
    assert len(names) == len(await store.heads([write_.rows[0].conversation_id for write_ in writes]))


async def test_a_large_body(store: OpenMessageStore) -> None:
    """A body of megabytes is stored like any other."""
    row = message(1, body=b"\x00\xff" * (1 << 20))
    await store.write([write(row)])

    assert [row] == await all_rows(store)


async def test_a_log_with_many_senders(store: OpenMessageStore) -> None:
    """Each of many senders has a newest seq of her own."""
    rows = [message(seq, sender=f"u{seq % 50}", conversation="sg_team") for seq in range(1, 501)]
    await store.write([write(*rows, participants=())])

    head = (await store.heads([ConversationID("sg_team")]))[ConversationID("sg_team")]
    assert {f"u{number}": 450 + number if number else 500 for number in range(50)} == head.sent


async def test_heads_come_in_pages(store: OpenMessageStore, reader: OpenMessageReader) -> None:
    """In order of ids, each once, with the newest seq; a stream without messages is left out."""
    other = ConversationID("si_alice_carol")
    await store.write([write(message(1), message(2), message(1, "c9", conversation=STREAM))])
    await store.write([write(message(1, conversation=other), key=home_key(other), participants=("alice", "carol"))])

    first = await reader.page_heads("", 2)
    rest = await reader.page_heads(first[-1][0], 2)
    assert [*first, *rest] == sorted([(CHAT, 2), (STREAM, 1), (other, 1)])
    assert (len(first), await reader.page_heads(rest[-1][0], 2)) == (2, [])
