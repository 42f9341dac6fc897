"""
From SQLite files to MongoDB and PostgreSQL: everything arrives, whatever is killed, and nothing else is touched.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from pymongo import MongoClient

from openim_ray.check import look
from openim_ray.domain.errors import UnsuitableStore
from openim_ray.domain.group import GroupRequest, Member
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.message import Outcome
from openim_ray.domain.people import FriendRequest, User, UserCommand
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import SeqRange
from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.migrate import MigrateError, Report, Watch, migrate
from openim_ray.migration_note import NOTE, read_note
from openim_ray.ports import TokenRecord
from openim_ray.prepare import StartError, locked, settle
from openim_ray.storage import transfer_logs
from openim_ray.storage.open import (
    open_directory_store,
    open_history_reader,
    open_message_store,
    open_state_store,
)
from openim_ray.storage.places import Places
from openim_ray.storage.relational.copying import tables_of
from openim_ray.storage.transfer import Transfer
from tests.contract.directory_queries import ask_every_table, fill_every_table
from tests.contract.planting import flipped
from tests.contract.rows import CHAT, KEY, STREAM, message, write
from tests.contract.test_backup import SKIP, backed_up, config_of, restored
from tests.contract.test_check import OTHER, ROWS, fill

if TYPE_CHECKING:
    from pathlib import Path

    from openim_ray.config import Config
    from openim_ray.transactions import DirectoryTransaction

CHATS = 21
LOGS_AT_ONCE = 20
"""Fewer than there are, so that logs come in pages."""

ROWS_AT_ONCE = 50
"""Fewer than are in the long chat."""


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few chats be more than one page of logs, and few messages more than one of rows."""
    monkeypatch.setattr(transfer_logs, "LOGS_AT_ONCE", LOGS_AT_ONCE)
    monkeypatch.setattr(transfer_logs, "ROWS_AT_ONCE", ROWS_AT_ONCE)


@pytest.fixture
def data_dir(fresh_files: Path, tmp_path: Path) -> Path:
    """A data directory; MongoDB's driver for tests has threads, so none are looked for here."""
    shutil.copytree(fresh_files, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def made_source(fresh_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make once what each test gets a copy of."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(fresh_files, folder / "data")
    return asyncio.run(_make_source(folder))


@pytest.fixture
def source(made_source: Path, tmp_path: Path) -> Path:
    """A data directory of a server that has a restored backup, and went on since."""
    shutil.copytree(made_source, tmp_path / "source")
    return tmp_path / "source"


async def _make_source(folder: Path) -> Path:
    await fill(Places(folder / "data"))
    await backed_up(folder / "data", folder / "backup")
    await restored(folder / "source", folder / "backup")
    places = Places(folder / "source")
    messages = await open_message_store(places)
    epoch = (await messages.claim(["p"], "owner"))["p"]
    pair = ("alice", "bob")
    rows = [message(seq) for seq in range(ROWS + SKIP + 1, ROWS + SKIP + 6)]
    await messages.write([write(*rows, epoch=epoch, participants=pair)])
    chats = [message(SKIP + 1, conversation=f"si_alice_u{number:04d}") for number in range(CHATS)]
    await messages.write([write(row, epoch=epoch, participants=("alice", row.conversation_id[9:])) for row in chats])
    await messages.aclose()
    directory = await open_directory_store(places)
    await directory.register([User(user_id=UserID("dora"), nickname="Dôra ☺", ex='{"a": "\\t\\\\n"}')])
    await directory.conversations_delta(UserID("alice"), "", 0)
    await directory.change(fill_every_table)
    await directory.aclose()
    state = await open_state_store(places)
    await state.save(
        tokens=[TokenRecord("one", "alice", 5, NORMAL, 1 << 40), TokenRecord("two", "bob", 5, KICKED, 1 << 40)]
    )
    await state.save(positions=[(UserID("bob"), {CHAT: ReadPosition(ROWS + SKIP + 3)})])
    await state.aclose()
    return places.data_dir


MESSAGES = ROWS + 4 + 5 + CHATS


@pytest.fixture
def target(mongo_url: str, postgres_url: str) -> dict[str, str]:
    """The settings of empty databases."""
    return {"messages_url": mongo_url, "directory_url": postgres_url, "history_url": postgres_url}


class Seen:
    """What was told of a migration."""

    def __init__(self) -> None:
        self.parts: list[list[object]] = []
        self.watch = Watch(
            lambda what, count: self.parts.append([what, count, 0]),
            self._advance,
        )

    def _advance(self, count: int) -> None:
        self.parts[-1][2] += count  # type: ignore[operator]


async def migrated(config: Config, seen: Seen | None = None) -> Report:
    """Migrate while this event loop goes on."""
    return await asyncio.to_thread(migrate, config, (seen or Seen()).watch)


async def faults_of(places: Places) -> list[str]:
    """Return what a check finds, except that the many chats have no rows of people."""
    said: list[str] = []
    await look(places, lambda fault: said.append(str(fault)))
    return [one for one in said if not one.startswith("orphan si_alice_u")]


def places_of(data_dir: Path, target: dict[str, str]) -> Places:
    """Return where everything is afterwards."""
    return Places(data_dir, target["messages_url"], target.get("directory_url", ""), target.get("history_url", ""))


async def test_everything_arrives(source: Path, target: dict[str, str]) -> None:
    """Messages, skipped seqs, heads, marks, tokens, positions, people and versions; a server goes on where the old one ended."""
    old = await everything(Places(source))
    seen = Seen()

    report = await migrated(config_of(source, **target), seen)

    assert (report.messages, report.copied, report.damaged) == (MESSAGES, MESSAGES, 0)
    assert seen.parts == [["copying", MESSAGES, MESSAGES], ["comparing", MESSAGES, MESSAGES]]
    places = places_of(source, target)
    assert await faults_of(places) == []
    assert await everything(places) == old
    history = await open_history_reader(places)
    assert await history.confirmed([CHAT, STREAM]) == {CHAT: ROWS + SKIP + 5, STREAM: 1 + SKIP}
    assert len(await history.read_range(CHAT, 1, 2 * ROWS, 2 * ROWS)) == ROWS + 5
    await history.aclose()
    await goes_on(places)


async def everything(places: Places) -> list[object]:
    """Return what the stores of these places say, as far as it is the same in all."""
    messages = await open_message_store(places)
    ids = [CHAT, STREAM, OTHER, ConversationID("si_alice_u0007")]
    found: list[object] = [await messages.heads(ids), await messages.read_marks(KEY), await messages.origin()]
    found += [list(await messages.read_range(one, 1, 10_000, 10_000)) for one in ids]
    found.append(await messages.expired(0, 10_000))
    await messages.aclose()
    state = await open_state_store(places)
    for user in ("alice", "bob", "carol"):
        found += [await state.tokens(user, 5), await state.read_positions(UserID(user))]
    await state.aclose()
    directory = await open_directory_store(places)
    found.append(await directory.users(["alice", "bob", "carol", "dora"]))
    found.append(await directory.view(ask_every_table))
    found += [await directory.members_delta("g", (await directory.member_ids("g"))[1], 1)]
    for user in ("alice", "bob", "dora"):
        found += [await directory.conversation_ids(UserID(user)), await directory.conversations(UserID(user))]
    await directory.aclose()
    return found


async def goes_on(places: Places) -> None:
    """Epochs, seqs and numbers of rows continue."""
    messages = await open_message_store(places)
    epoch = (await messages.claim(["p"], "new owner"))["p"]
    assert epoch > 1 << 32
    head = ROWS + SKIP + 5
    for seq, outcome in ((head, Outcome.CONFLICT), (head + 1, Outcome.STORED)):
        row = message(seq, f"new{seq}")
        (result,) = await messages.write([write(row, epoch=epoch)])
        assert result.outcome is outcome
    new = "si_bob_nobody"
    for seq, outcome in ((1, Outcome.CONFLICT), (SKIP + 1, Outcome.STORED), (SKIP + 2, Outcome.STORED)):
        (result,) = await messages.write(
            [write(message(seq, f"n{seq}", conversation=new), epoch=epoch, participants=("bob", "nobody"))]
        )
        assert result.outcome is outcome
    (made,) = (await messages.heads([ConversationID(new)])).values()
    assert (made.max_seq, made.skipped) == (SKIP + 2, (SeqRange(1, SKIP),))
    await messages.aclose()
    directory = await open_directory_store(places)
    await directory.register([User(user_id=UserID("newcomer"))])
    await directory.change(join_and_tell)
    assert (await directory.member_ids("g"))[2] == ["bob", "alice", "newcomer"]
    assert [effect.number for effect in await directory.view(lambda view: view.waiting_effects("g", 9))] == [2, 3, 4]
    await directory.aclose()


def join_and_tell(transaction: DirectoryTransaction) -> None:
    """Let somebody join, so that the numbers of rows and effects go on."""
    newcomer = transaction.users(["newcomer"])["newcomer"]
    transaction.put_member(Member(group_id=GroupID("g"), user=newcomer))
    transaction.put_friend_request(FriendRequest(from_user=newcomer, to_user=newcomer))
    transaction.put_user_command(UserCommand(user_id=newcomer.user_id, kind=1, uuid="u"))
    transaction.put_group_request(GroupRequest(group_id=GroupID("g"), user=newcomer))
    transaction.put_effect("g", b"new", 6)


def test_no_table_of_the_source_is_empty(source: Path) -> None:
    """Else nobody would see that it doesn't arrive."""
    for database in ("directory", "state"):
        with closing(sqlite3.connect(source / f"{database}.db")) as connection:
            rows = {
                table.name: connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0]
                for table in tables_of([database])
            }
        assert [name for name, count in rows.items() if not count] == []


KILLED = """
import os, signal, sys
from openim_ray.storage import transfer, transfer_logs
from openim_ray.storage.mongo.intake import MongoIntake
left = int(sys.argv[1])
transfer_logs.LOGS_AT_ONCE, transfer_logs.ROWS_AT_ONCE = int(sys.argv[2]), int(sys.argv[3])

def counting(method):
    async def counted(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return await method(*arguments)
    return counted

transfer_logs.LogCopier._flush = counting(transfer_logs.LogCopier._flush)
transfer_logs.LogCopier._copy_spans = counting(transfer_logs.LogCopier._copy_spans)
MongoIntake.complete = counting(MongoIntake.complete)
MongoIntake.end = counting(MongoIntake.end)
transfer.Transfer.compare = counting(transfer.Transfer.compare)
from openim_ray.cli import main
sys.exit(main(sys.argv[4:]))
"""


async def test_killed_at_every_step_it_goes_on(source: Path, target: dict[str, str]) -> None:
    """Called again and again, each time it comes further before it is killed, until it comes to its end; nothing is doubled or left out."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OPENIM")}
    variables |= {f"OPENIM_STORAGE_{name.upper()}": value for name, value in target.items()}
    old = await everything(Places(source))
    killed = 0
    while True:
        assert killed < 20
        arguments = [str(2 * killed), str(LOGS_AT_ONCE), str(ROWS_AT_ONCE), "migrate", "--data-dir", str(source)]
        command = [sys.executable, "-c", KILLED, *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode != -signal.SIGKILL:
            break
        killed += 1
    assert killed >= 4
    # Killed behind its end, it says that there is nothing left to do.
    assert done.returncode == 0 or "migrated already" in done.stderr, done
    places = places_of(source, target)
    assert await faults_of(places) == []
    assert await everything(places) == old
    note = read_note(source)
    assert note is not None
    assert note.finished_at
    with psycopg.connect(target["directory_url"]) as connection:
        assert connection.execute("SELECT to_regclass('openim_transfers')").fetchone() == (None,)


async def test_a_database_that_holds_something_is_refused(source: Path, data_dir: Path, target: dict[str, str]) -> None:
    """Messages, people or a history; not a row of it is changed, and no server is kept from it."""
    places = places_of(data_dir, target)
    messages = await open_message_store(places)
    await messages.write([write(message(1))])
    await messages.aclose()
    with pytest.raises(MigrateError, match=r"mongodb://.* holds messages already; take an empty database"):
        await migrated(config_of(source, **target))
    await (await open_message_store(places)).aclose()
    with MongoClient(target["messages_url"]) as client:
        client.drop_database(client.get_default_database().name)

    directory = await open_directory_store(places)
    await directory.register([User(user_id=UserID("somebody"))])
    await directory.aclose()
    with pytest.raises(MigrateError, match=r"postgresql at .* holds rows of users already"):
        await migrated(config_of(source, **target))
    with psycopg.connect(target["directory_url"], autocommit=True) as connection:
        assert connection.execute("SELECT user_id FROM users").fetchall() == [("somebody",)]
        connection.execute("DELETE FROM users")

    assert (await migrated(config_of(source, **target))).messages == MESSAGES


async def test_a_migration_of_another_data_directory_is_refused(
    source: Path, data_dir: Path, target: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose unfinished work lies in the target is told by more than that something lies there; servers are refused, too."""
    with monkeypatch.context() as patched:
        patched.setattr(Transfer, "compare", _interrupted)
        with pytest.raises(Interrupted):
            await migrated(config_of(source, **target))
    with pytest.raises(MigrateError, match="unfinished migration of another data directory"):
        await migrated(config_of(data_dir, **target))
    with pytest.raises(UnsuitableStore, match="holds an unfinished migration; run `openim-ray migrate` once more"):
        await open_message_store(places_of(data_dir, target))
    other = {**target, "messages_url": f"{target['messages_url']}2"}
    with pytest.raises(
        MigrateError, match=r"was begun before; set the same URLs, or remove .*migration.json to give it up"
    ):
        await migrated(config_of(source, **other))
    report = await migrated(config_of(source, **target))
    assert (report.messages, report.copied) == (MESSAGES, 0)


class Interrupted(Exception):
    """Stands for the end of a process."""


def _interrupted(_transfer: Transfer) -> None:
    raise Interrupted


async def test_files_that_were_migrated_are_not_served_by_accident(
    source: Path, target: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is unfinished by nobody, afterwards with the new settings only, unless the note is removed."""
    before = {path.name: path.read_bytes() for path in files_of(source)}
    with monkeypatch.context() as patched:
        patched.setattr(Transfer, "compare", _interrupted)
        with pytest.raises(Interrupted):
            await migrated(config_of(source, **target))
    for config in (config_of(source), config_of(source, **target)):
        with pytest.raises(StartError, match="is unfinished: run `openim-ray migrate` once more"):
            settle(config, source, print)

    await migrated(config_of(source, **target))

    assert {path.name: path.read_bytes() for path in files_of(source)} == before
    with pytest.raises(
        StartError, match=r"messages.db in .* was migrated to mongodb://.*: set storage.messages_url"
    ) as refused:
        settle(config_of(source), source, print)
    assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(StartError, match=r"state.db in .* was migrated to postgresql://.*: set storage.directory_url"):
        settle(config_of(source, messages_url=target["messages_url"]), source, print)
    with pytest.raises(MigrateError, match="it was migrated already, at 20"):
        await migrated(config_of(source, **target))
    (source / NOTE).unlink()
    assert await faults_of(Places(source)) == []


def files_of(folder: Path) -> list[Path]:
    """Return the SQLite files of a folder."""
    return sorted(folder.glob("*.db"))


@pytest.mark.parametrize("where", ["message", "head", "history", "table"])
async def test_what_arrived_differently_is_not_switched_to(
    source: Path, target: dict[str, str], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row, a head, a copy in the history or a read position that is not what was sent is named; no server starts on either side."""
    compare = Transfer.compare

    async def tampered(transfer: Transfer) -> None:
        tamper(target, where)
        await compare(transfer)

    monkeypatch.setattr(Transfer, "compare", tampered)
    expected = {"message": CHAT, "head": OTHER, "history": CHAT, "table": "table read_positions"}[where]
    with pytest.raises(MigrateError, match=f"differs from what is here: {expected}"):
        await migrated(config_of(source, **target))
    with pytest.raises(StartError, match="is unfinished"):
        settle(config_of(source), source, print)


def tamper(target: dict[str, str], where: str) -> None:
    """Change something that has arrived."""
    if where in ("message", "head"):
        with MongoClient(target["messages_url"]) as client:
            database = client.get_default_database()
            row = database["messages"].find_one({"conversation": CHAT, "seq": 7})
            assert row is not None
            if where == "message":
                database["messages"].update_one({"_id": row["_id"]}, {"$set": {"envelope": flipped(row["envelope"])}})
            else:
                database["sent"].update_one({"conversation": OTHER}, {"$inc": {"seq": -1}})
        return
    statement = {
        "history": f"DELETE FROM history_messages WHERE conversation_id = '{CHAT}' AND seq = 9",
        "table": "UPDATE read_positions SET has_read_seq = 1 WHERE user_id = 'carol'",
    }[where]
    with psycopg.connect(target["history_url"], autocommit=True) as connection:
        assert connection.execute(statement.encode()).rowcount == 1


async def test_a_damaged_row_is_copied_as_it_is(source: Path, target: dict[str, str]) -> None:
    """It is a damaged row there, too, and neither a message nor absent; the history ends before it."""
    with closing(sqlite3.connect(source / "messages.db", isolation_level=None)) as connection:
        where = "stream = (SELECT id FROM streams WHERE conversation_id = ?) AND seq = 20"
        (envelope,) = connection.execute(f"SELECT envelope FROM messages WHERE {where}", (CHAT,)).fetchone()
        connection.execute(f"UPDATE messages SET envelope = ? WHERE {where}", (flipped(envelope), CHAT))

    report = await migrated(config_of(source, **target))

    assert (report.messages, report.damaged) == (MESSAGES, 1)
    places = places_of(source, target)
    assert await faults_of(places) == [f"damaged {CHAT}: damaged row in the message store at seq 20"]
    history = await open_history_reader(places)
    assert await history.confirmed([CHAT]) == {CHAT: 19}
    await history.aclose()


async def test_messages_may_go_alone(source: Path, mongo_url: str) -> None:
    """People stay in their files, and a history in a file comes beside them."""
    config = config_of(source, messages_url=mongo_url)
    report = await migrated(config)
    assert report.databases.keys() == {"messages"}
    places = Places(source, mongo_url)
    assert await faults_of(places) == []
    history = await open_history_reader(places)
    assert await history.confirmed([CHAT]) == {CHAT: ROWS + SKIP + 5}
    await history.aclose()
    await asyncio.to_thread(settle, config, source, print)


async def test_people_may_go_alone(source: Path, postgres_url: str) -> None:
    """Messages stay in their file."""
    report = await migrated(config_of(source, directory_url=postgres_url))
    assert report.databases.keys() == {"state", "directory"}
    assert await faults_of(Places(source, directory=postgres_url)) == []


async def test_not_without_a_target_and_not_beside_a_server(source: Path, target: dict[str, str]) -> None:
    """Both are said in a line; passwords are in no file."""
    with pytest.raises(MigrateError, match=r"no server to migrate to: set storage.messages_url"):
        await migrated(config_of(source))
    with locked(source), pytest.raises(StartError, match="in use by another server"):
        await migrated(config_of(source, **target))
    assert not (source / NOTE).exists()
    secret = target["directory_url"].replace("://", "://me:geheim@", 1) if "@" not in target["directory_url"] else ""
    if secret:
        with pytest.raises(MigrateError):
            await migrated(config_of(source, directory_url=secret.replace("me:", "nobody:")))
        assert "geheim" not in json.dumps(json.loads((source / NOTE).read_text()))
