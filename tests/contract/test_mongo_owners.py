"""
Two owners of one partition at once, and what the first one leaves behind, in MongoDB.
"""

from __future__ import annotations

import asyncio
import gc
import random
from typing import TYPE_CHECKING, Any

import pymongo
import pytest

from openim_ray.domain.errors import Unavailable
from openim_ray.domain.message import Outcome
from openim_ray.storage.mongo import claims, head_raiser
from openim_ray.storage.mongo.messages import MongoMessageReader, MongoMessageStore
from openim_ray.storage.mongo.schema import ensure_schema
from tests.contract.rows import CHAT, KEY, STREAM, TIME, message, reference, write
from tests.servers.mongod import database_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from openim_ray.domain.message import LogWrite
    from tests.servers.mongod import MongoServer


@pytest.fixture(params=["standalone", "replica set"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name a database on either kind of server."""
    server: MongoServer = request.getfixturevalue("mongo" if request.param == "standalone" else "mongo_replica_set")
    url = server.url(f"owners_{random.getrandbits(64):x}")
    yield url
    gc.collect()
    server.drop(database_of(url))


@pytest.fixture
async def one(url: str) -> AsyncIterator[MongoMessageStore]:
    """Open the store of the first owner."""
    await ensure_schema(url)
    opened = MongoMessageStore(url)
    yield opened
    await opened.aclose()


@pytest.fixture
async def two(one: MongoMessageStore, url: str) -> AsyncIterator[MongoMessageStore]:
    """Open the store of the second owner."""
    opened = MongoMessageStore(url)
    yield opened
    await opened.aclose()


@pytest.fixture
def documents(url: str) -> Iterator[pymongo.database.Database[dict[str, Any]]]:
    """Lend the database itself."""
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        yield client.get_default_database()


async def outcome(store: MongoMessageStore, one: LogWrite) -> Outcome:
    """Write and return what became of it."""
    (result,) = await store.write([one])
    return result.outcome


async def epoch_of(store: MongoMessageStore, owner: str) -> int:
    """Claim the partition."""
    return (await store.claim(["p"], owner))["p"]


async def client_ids(store: MongoMessageReader) -> list[str]:
    """Return the ids of all messages of the chat in order."""
    return [row.client_id for row in await store.read_range(CHAT, 1, 1000, 1000)]


def before_insert(store: MongoMessageStore, act: Callable[[], Awaitable[object]]) -> None:
    """Let something happen once, after the store has decided and before it inserts."""
    writer = store._writer
    insert = writer._insert

    async def insert_late(documents: Any) -> bool:
        writer._insert = insert  # type: ignore[method-assign]
        await act()
        return await insert(documents)

    writer._insert = insert_late  # type: ignore[method-assign]


# --- fencing


async def test_a_superseded_owner_of_another_process(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """Whoever was superseded is told so, whether its store has looked at the epochs a moment ago or never."""
    old = await epoch_of(one, "one")
    assert await outcome(one, write(message(1), epoch=old)) is Outcome.STORED
    new = await epoch_of(two, "two")

    assert await outcome(one, write(message(2, "late"), epoch=old)) is Outcome.SUPERSEDED
    assert await outcome(one, write(message(3, "later"), epoch=old)) is Outcome.SUPERSEDED
    assert await outcome(two, write(message(2, "new"), epoch=old)) is Outcome.SUPERSEDED

    assert "later" not in await client_ids(two)
    state = await two.load_log(KEY, 10)
    assert state is not None
    following = message(state.heads[CHAT].max_seq + 1, "new")
    assert await outcome(two, write(following, epoch=new)) is Outcome.STORED


async def test_a_claim_between_insert_and_answer(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """Rows that were inserted while somebody else claimed are answered by nobody, and the new owner finds them."""
    old = await epoch_of(one, "one")
    before_insert(one, lambda: epoch_of(two, "two"))

    assert await outcome(one, write(message(1), epoch=old)) is Outcome.SUPERSEDED

    state = await two.load_log(KEY, 10)
    assert state is not None
    assert list(state.tail) == [message(1)]
    (result,) = await two.write([write(message(2, "c1"), epoch=2)])
    assert result.existing == {0: reference(message(1))}


async def test_a_late_row_is_a_conflict_once(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """A row that an old owner inserts after the new one has read is in the way once: read again, it is the head."""
    old = await epoch_of(one, "one")
    await one.write([write(message(1), epoch=old)])
    new = await epoch_of(two, "two")
    loaded = await two.load_log(KEY, 10)
    assert loaded is not None
    assert loaded.heads[CHAT].max_seq == 1

    before_insert(two, lambda: one._writer.write([write(message(2, "late"), message(3, "later"), epoch=old)]))
    one._writer._epochs._seen["p"] = (old, float("inf"))  # it has not heard of the claim yet

    assert await outcome(two, write(message(2, "mine"), epoch=new)) is Outcome.CONFLICT
    loaded = await two.load_log(KEY, 10)
    assert loaded is not None
    assert loaded.heads[CHAT].max_seq == 3
    assert await outcome(two, write(message(4, "mine"), epoch=new)) is Outcome.STORED
    assert await client_ids(two) == ["c1", "late", "later", "mine"]


async def test_an_old_owner_is_stopped_by_the_first_row_of_the_new_one(
    one: MongoMessageStore, two: MongoMessageStore
) -> None:
    """The old owner's rows after one that is in conflict are not inserted: no hole, nothing behind it."""
    old = await epoch_of(one, "one")
    await one.write([write(message(1), epoch=old)])
    new = await epoch_of(two, "two")
    one._writer._epochs._seen["p"] = (old, float("inf"))
    other = write(message(1, conversation="si_x_y"), participants=(), epoch=old)
    before_insert(one, lambda: two.write([write(message(2, "mine"), epoch=new)]))

    results = await one.write([write(message(2, "late"), message(3, "later"), epoch=old), other])

    # It reads again after the collision, so it hears of the claim; what it writes to other logs isn't answered either.
    assert {result.outcome for result in results} == {Outcome.SUPERSEDED}
    assert await client_ids(two) == ["c1", "mine"]


async def test_neighbours_of_a_collision_are_stored(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """Of a batch that is stopped by somebody's row only the write that holds the row is refused."""
    writes = [write(message(1, conversation=f"si_x_{number}"), participants=()) for number in range(5)]
    before_insert(one, lambda: two.write([write(message(1, "other", conversation="si_x_2"), participants=())]))

    results = await one.write(writes)

    assert [result.outcome for result in results] == [
        Outcome.CONFLICT if number == 2 else Outcome.STORED for number in range(5)
    ]
    heads = await two.heads([one.rows[0].conversation_id for one in writes])
    assert [head.max_seq for head in heads.values()] == [1] * 5


async def test_a_message_that_comes_by_two_ways(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """One message that two owners write at once, at different seqs, stands once."""
    await one.write([write(message(1))])
    before_insert(one, lambda: two.write([write(message(2, "other"), message(3, "same"))]))

    (result,) = await one.write([write(message(2, "same"))])

    assert result.outcome is Outcome.CONFLICT  # reload: then it is a duplicate
    (result,) = await one.write([write(message(4, "same"))])
    assert result.existing == {0: reference(message(3, "same"))}
    assert await client_ids(two) == ["c1", "other", "same"]


async def test_another_pair_makes_the_log_at_the_same_time(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """A log that two pairs make at once belongs to one of them, and the other is refused."""
    taken = write(participants=("alice_bob", ""), read={"x": 1})
    make = one._writer._make_logs

    async def make_late(known: Any) -> bool:
        one._writer._make_logs = make  # type: ignore[method-assign]
        await two.write([taken])
        return await make(known)

    one._writer._make_logs = make_late  # type: ignore[method-assign]

    assert await outcome(one, write(message(1))) is Outcome.CONFLICT
    state = await two.load_log(KEY, 1)
    assert state is not None
    assert state.participants == ("alice_bob", "")
    assert state.heads == {}


# --- claims


async def test_many_claims_at_once(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """Of many that claim the same partitions at once, each gets epochs nobody else has, and the highest holds."""
    names = [f"p{number}" for number in range(20)]
    claimed = await asyncio.gather(
        *((one, two)[number % 2].claim(names[number % 3 :], f"owner {number}") for number in range(6))
    )

    for name in names:
        epochs = [epochs[name] for epochs in claimed if name in epochs]
        assert len(set(epochs)) == len(epochs)
        (held,) = (await claims.epochs(one._database, [name])).values()
        assert held == max(epochs)
    assert len({epoch for epochs in claimed for epoch in epochs.values()}) >= len(claimed)


async def test_a_raised_epoch_is_above_all_others(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """An epoch that is raised is above every epoch of any partition, whoever raised it."""
    for number in range(4):
        await one.claim([f"q{number}"], f"owner {number}")

    assert await two.claim(["fresh"], "two") == {"fresh": 5}
    assert await two.claim(["fresh", "q0"], "two") == {"fresh": 5, "q0": 6}


async def test_a_claim_that_is_overtaken(
    one: MongoMessageStore, two: MongoMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that take numbers at once, the one whose number is lower by the time it uses it takes another one: it comes second."""
    next_epoch = claims._next_epoch

    async def overtaken(database: Any) -> int:
        raised = await next_epoch(database)
        monkeypatch.setattr(claims, "_next_epoch", next_epoch)
        assert await two.claim(["p", "q"], "two") == {"p": raised + 1, "q": raised + 1}
        return raised

    monkeypatch.setattr(claims, "_next_epoch", overtaken)

    assert await one.claim(["p", "q"], "one") == {"p": 3, "q": 4}
    assert await outcome(two, write(message(1), epoch=2)) is Outcome.SUPERSEDED
    assert await two.claim(["p"], "two") == {"p": 5}


async def test_a_claim_that_never_succeeds_is_unavailable(
    one: MongoMessageStore, two: MongoMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who comes in between at every attempt makes a claim end as Unavailable, not last for ever."""
    next_epoch = claims._next_epoch

    async def overtaken(database: Any) -> int:
        raised = await next_epoch(database)
        rival = {"epoch": await next_epoch(database), "owner": "rival"}
        await database["partitions"].update_one({"_id": "p"}, {"$set": rival})
        return raised

    monkeypatch.setattr(claims, "_next_epoch", overtaken)

    with pytest.raises(Unavailable, match="claim the same"):
        await one.claim(["p"], "one")


# --- rows behind a hole


def row_of(documents: pymongo.database.Database[dict[str, Any]], seq: int, client: str) -> None:
    """Put a row where no owner would: it isn't sealed, as nobody is meant to read it."""
    documents.messages.insert_one(
        {"conversation": CHAT, "seq": seq, "sender": "alice", "client": client, "server": "x", "send_time": TIME}
    )


async def test_what_lies_behind_a_hole_does_not_count(
    one: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """Neither heads nor the tail nor marks nor places show a row behind a hole."""
    await one.write([write(message(1))])
    row_of(documents, 3, "behind")
    documents.messages.update_one({"seq": 3}, {"$set": {"read": [{"reader": "bob", "seq": 3}]}})

    state = await one.load_log(KEY, 10)
    assert state is not None
    assert (state.heads[CHAT].max_seq, state.heads[CHAT].sent) == (1, {"alice": 1})
    assert list(state.tail) == [message(1)]
    assert await one.read_marks(KEY) == {}
    assert (await one.heads([CHAT]))[CHAT].max_seq == 1
    assert await one.find(CHAT, "alice", "behind") is None
    assert one.damaged_rows == 0


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
async def test_the_owner_writes_over_what_lies_behind_a_hole(
    one: MongoMessageStore,
    two: MongoMessageStore,
    documents: pymongo.database.Database[dict[str, Any]],
    remembers: bool,
    rows: int,
) -> None:
    """An owner that does as it is told (reload after a conflict) comes past such rows, also with a message that is one of them."""
    await one.write([write(message(1))])
    row_of(documents, 3, "behind")
    row_of(documents, 5, "farther")
    store = one if remembers else two

    waiting = ["behind", "new", "farther", "newer", "newest"]
    for _ in range(10):
        state = await store.load_log(KEY, 10)
        assert state is not None
        first = state.heads[CHAT].max_seq + 1
        batch = [message(first + number, client) for number, client in enumerate(waiting[:rows])]
        (result,) = await store.write([write(*batch)])
        if result.outcome is Outcome.STORED:
            waiting = waiting[rows:]
        elif result.outcome is Outcome.DUPLICATE:
            waiting = [one for index, one in enumerate(waiting) if index not in result.existing]
        if not waiting:
            break

    stored = await client_ids(two)
    assert waiting == []
    assert sorted(stored) == sorted(["c1", "behind", "new", "farther", "newer", "newest"])
    assert documents.messages.count_documents({}) == len(stored)


async def test_rows_that_only_seem_to_lie_behind_a_hole_stay(
    one: MongoMessageStore, two: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """A hole that somebody fills before it is looked at again was none: nothing is deleted."""
    await one.write([write(message(1))])
    row_of(documents, 3, "behind")
    collection = one._database["messages"]
    find_one = type(collection).find_one

    async def fill_first(self: Any, *arguments: Any, **named: Any) -> Any:
        if arguments and "seq" in arguments[0]:
            row_of(documents, 2, "between") if documents.messages.find_one({"seq": 2}) is None else None
        return await find_one(self, *arguments, **named)

    type(collection).find_one = fill_first  # type: ignore[method-assign, assignment]
    try:
        (result,) = await one.write([write(message(2, "behind"))])
    finally:
        type(collection).find_one = find_one  # type: ignore[method-assign]

    assert result.outcome is Outcome.CONFLICT
    assert [row["seq"] for row in documents.messages.find().sort("seq", 1)] == [1, 2, 3]


# --- heads that do not follow


async def test_an_owner_that_ended_before_its_heads_followed(
    one: MongoMessageStore, two: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """What follows from rows is the same before and after the heads follow, also if the next owner has to raise them over old rows."""
    one._raiser.add = lambda batch: None  # type: ignore[method-assign, assignment] - killed before it could
    rows = [message(1), message(2, sender="bob"), message(1, "n", conversation=STREAM, sender="bob")]
    await one.write([write(*rows, read={"bob": 1})])
    await one.write([write(message(3, sender="carol"), read={"alice": 2})])
    assert [stream["max_seq"] for stream in documents.streams.find()] == [0, 0]
    before = await two.load_log(KEY, 10)
    assert before is not None
    assert before.heads[CHAT].sent == {"alice": 1, "bob": 2, "carol": 3}
    assert before.read == {"bob": 1, "alice": 2}

    await two.write([write(message(4))])
    await two._raiser.aclose()

    assert documents.streams.find_one({"_id": CHAT}) == {
        "_id": CHAT,
        "home_key": KEY,
        "max_seq": 4,
        "max_time": TIME + 4,
    }
    assert {one["sender"]: one["seq"] for one in documents.sent.find({"conversation": CHAT})} == {
        "alice": 4,
        "bob": 2,
        "carol": 3,
    }
    after = await one.load_log(KEY, 10)
    assert after is not None
    assert after.read == before.read
    assert after.heads[STREAM] == before.heads[STREAM]
    assert after.heads[CHAT].sent == {"alice": 4, "bob": 2, "carol": 3}


async def test_owners_in_turn(
    one: MongoMessageStore, two: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]]
) -> None:
    """Two stores that write in turn before either raises heads lose nothing of what follows from rows."""
    for seq in range(1, 9):
        store = (one, two)[seq % 2]
        sender = f"u{seq}"
        assert await outcome(store, write(message(seq, sender=sender), read={sender: seq})) is Outcome.STORED
    await one.aclose()
    await two._raiser.aclose()

    head = (await two.heads([CHAT]))[CHAT]
    assert head.sent == {f"u{seq}": seq for seq in range(1, 9)}
    assert await two.read_marks(KEY) == head.sent
    assert documents.streams.find_one({"_id": CHAT}, {"max_seq": True}) == {"_id": CHAT, "max_seq": 8}


async def test_heads_that_cannot_be_raised_are_raised_later(
    one: MongoMessageStore, documents: pymongo.database.Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the task that raises heads is harmless: nothing is read wrongly, and the next rise makes up for it."""
    monkeypatch.setattr(head_raiser, "RAISE_SECONDS", 0.0)
    failed = asyncio.Event()

    async def fail(*arguments: object) -> None:
        failed.set()
        raise Unavailable("no")

    with monkeypatch.context() as patch:
        patch.setattr(head_raiser, "raise_heads", fail)
        await one.write([write(message(1), read={"bob": 1})])
        async with asyncio.timeout(10):
            await failed.wait()
    assert (await one.heads([CHAT]))[CHAT].max_seq == 1

    await one.write([write(message(2, sender="bob"))])
    await one._raiser.aclose()

    assert documents.streams.find_one({"_id": CHAT}, {"max_seq": True}) == {"_id": CHAT, "max_seq": 2}
    assert await one.read_marks(KEY) == {"bob": 1}
    assert (await one.heads([CHAT]))[CHAT].sent == {"alice": 1, "bob": 2}


# --- all at once


class Owner:
    """
    An owner as the server's: loads after a claim and after a conflict, repeats what is unknown, answers nothing when superseded.
    """

    def __init__(self, store: MongoMessageStore, name: str, waiting: list[str], seed: int) -> None:
        self._store = store
        self._name = name
        self._random = random.Random(seed)
        self.waiting = waiting
        self.answered: dict[str, int] = {}

    async def run(self) -> None:
        """Claim, load and write until every message is answered; another owner ends each round."""
        while self.waiting:
            epoch = (await self._store.claim(["p"], f"{self._name} {self._random.random()}"))["p"]
            while self.waiting and await self._write(epoch):
                pass
            await asyncio.sleep(self._random.random() * 0.2)  # let the other one have it for a moment

    async def _write(self, epoch: int) -> bool:
        state = await self._store.load_log(KEY, 5)
        head = state.heads[CHAT].max_seq if state and CHAT in state.heads else 0
        taken = self.waiting[: self._random.randint(1, 4)]
        rows = [message(head + number, client) for number, client in enumerate(taken, 1)]
        (result,) = await self._store.write([write(*rows, epoch=epoch)])
        if result.outcome is Outcome.STORED:
            self.answered |= {row.client_id: row.seq for row in rows}
        elif result.outcome is Outcome.DUPLICATE:
            self.answered |= {taken[index]: place.seq for index, place in result.existing.items()}
        self.waiting = [client for client in self.waiting if client not in self.answered]
        return result.outcome is not Outcome.SUPERSEDED


async def test_rival_owners_keep_the_log_straight(one: MongoMessageStore, two: MongoMessageStore) -> None:
    """Owners that take a partition from each other all the time: each message stands once, at the seq that was answered, no hole, no loss."""
    clients = [f"m{number}" for number in range(30)]
    owners = [
        Owner(store, f"owner {number}", random.Random(number).sample(clients, len(clients)), number)
        for number, store in enumerate((one, two, one))
    ]

    async with asyncio.timeout(90):
        await asyncio.gather(*(owner.run() for owner in owners))

    rows = await one.read_range(CHAT, 1, 1000, 1000)
    assert [row.seq for row in rows] == list(range(1, len(clients) + 1))
    stored = {row.client_id: row.seq for row in rows}  # type: ignore[union-attr]
    assert len(stored) == len(clients)
    for owner in owners:
        assert owner.answered == stored
    assert (await two.heads([CHAT]))[CHAT].max_seq == len(clients)
