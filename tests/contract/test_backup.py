"""
Backups of SQLite files: what they hold, what they refuse, and what a restored one is like for those who have seen more.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest

from openim_ray.backup import MANIFEST, BackupError, Manifest, save
from openim_ray.check import look
from openim_ray.config import Config
from openim_ray.domain.conversation import Conversation
from openim_ray.domain.errors import RegisteredAlready, Unavailable
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.message import Outcome
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import SeqRange
from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.ports import TokenRecord
from openim_ray.prepare import RESTORE_MARK, StartError, locked, settle
from openim_ray.restore import SKIP_MAX, restore
from openim_ray.storage.open import open_directory_store, open_message_store, open_state_store
from openim_ray.storage.places import Places
from openim_ray.storage.sqlite.writer_lock import WriterLock
from tests.contract.directory_queries import ask_every_table, fill_every_table
from tests.contract.rows import CHAT, STREAM, message, write
from tests.contract.test_check import OTHER, ROWS, fill
from tests.contract.test_migrations import make_old_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SKIP = 50
BACKUPS = 5
DEADLINE = 60
NEW_CHAT = "si_bob_carol"


def config_of(data_dir: Path, **storage: str) -> Config:
    """Return the settings of a server with this data directory."""
    config = Config()
    return msgspec.structs.replace(
        config,
        server=msgspec.structs.replace(config.server, data_dir=str(data_dir)),
        storage=msgspec.structs.replace(config.storage, **storage),
    )


async def backed_up(data_dir: Path, folder: Path) -> Manifest:
    """Make a backup while this event loop goes on."""
    return await asyncio.to_thread(save, config_of(data_dir), folder)


async def restored(data_dir: Path, folder: Path, *, skip: int = SKIP, replace: bool = False) -> list[str]:
    """Restore a backup, and return what was told."""
    told: list[str] = []
    await asyncio.to_thread(restore, config_of(data_dir), folder, skip=skip, replace=replace, tell=told.append)
    return told


async def faults_of(folder: Path) -> list[str]:
    """Return what a check of the files in a folder finds."""
    said: list[str] = []
    await look(Places(folder), lambda fault: said.append(str(fault)))
    return said


@pytest.fixture
async def backup(data_dir: Path, tmp_path: Path) -> Path:
    """Fill the stores as a server would, and make a backup."""
    await fill(Places(data_dir))
    (data_dir / "admin-secret").write_text("the secret\n")
    await backed_up(data_dir, tmp_path / "backup")
    return tmp_path / "backup"


def names_in(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


def modes_of(paths: Iterable[Path]) -> set[int]:
    """Return who may do what with files."""
    return {path.stat().st_mode & 0o777 for path in paths}


def put_aside(data_dir: Path) -> list[Path]:
    """Return the folders with what restores have replaced."""
    return list(data_dir.glob("replaced-*"))


# --- making one


async def test_a_backup_holds_what_was_there(data_dir: Path, backup: Path) -> None:
    """Files of their owner's alone, with nothing beside them, and a manifest that counts them."""
    assert names_in(backup) == {"messages.db", "state.db", "directory.db", "admin-secret", MANIFEST}
    assert modes_of([backup]) == {0o700}
    assert modes_of([backup / name for name in names_in(backup)]) == {0o600}
    manifest = json.loads((backup / MANIFEST).read_text())
    assert manifest["counts"] == {"conversations": 3, "messages": ROWS + 4, "users": 3, "read_positions": 2}
    assert await faults_of(backup) == []
    assert await faults_of(data_dir) == []


class Busy:
    """Somebody who chats: first the row, then the message, then the position; each durable before the next."""

    def __init__(self, data_dir: Path) -> None:
        self._places = Places(data_dir)
        self.rounds = 0
        self._ended = asyncio.Condition()

    async def some(self) -> int:
        """Return how many rounds there were, and let a few more come."""
        before = self.rounds
        async with self._ended:
            await self._ended.wait_for(lambda: self.rounds >= before + 5)
        return before

    async def run(self) -> None:
        """Chat until cancelled."""
        directory = await open_directory_store(self._places)
        messages = await open_message_store(self._places)
        state = await open_state_store(self._places)
        try:
            while True:
                await self._round(f"peer{self.rounds}", directory, messages, state)
                async with self._ended:
                    self.rounds += 1
                    self._ended.notify_all()
        finally:
            for store in (directory, messages, state):
                await store.aclose()

    async def _round(self, peer: str, directory: object, messages: object, state: object) -> None:
        chat = f"si_alice_{peer}"
        pair = [("alice", peer), (peer, "alice")]
        rows = [
            Conversation(owner_user_id=UserID(one), conversation_id=chat, conversation_type=1, user_id=other)  # type: ignore[arg-type]
            for one, other in pair
        ]
        await directory.register([User(user_id=UserID(peer))])  # type: ignore[attr-defined]
        await directory.ensure_conversations(rows)  # type: ignore[attr-defined]
        await messages.write([write(message(1, conversation=chat), participants=("alice", peer))])  # type: ignore[attr-defined]
        await state.save(positions=[(UserID(peer), {chat: ReadPosition(1)})])  # type: ignore[attr-defined]


async def test_a_backup_beside_a_busy_server_is_whole(data_dir: Path, tmp_path: Path) -> None:
    """Whatever is under way, no message lacks its row and no position is above its head: the files are of one moment."""
    await fill(Places(data_dir))
    busy = Busy(data_dir)
    task = asyncio.create_task(busy.run())
    for number in range(BACKUPS):
        before = await busy.some()
        manifest = await backed_up(data_dir, tmp_path / f"backup{number}")
        assert manifest.counts["conversations"] >= before + 5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    for number in range(BACKUPS):
        assert await faults_of(tmp_path / f"backup{number}") == []


async def test_a_backup_takes_nothings_place(data_dir: Path, backup: Path) -> None:
    """A name that is taken, by whatever, is refused, and what has it stays as it is."""
    before = (backup / MANIFEST).read_bytes()
    with pytest.raises(BackupError, match=r"backup is there already"):
        await backed_up(data_dir, backup)
    assert (backup / MANIFEST).read_bytes() == before
    link = backup.parent / "link"
    link.symlink_to("nowhere")
    with pytest.raises(BackupError, match=r"link is there already"):
        await backed_up(data_dir, link)


async def test_a_folder_that_is_not_there_is_named(data_dir: Path, tmp_path: Path) -> None:
    """The folder in which it is to be made must be there."""
    with pytest.raises(BackupError, match=r"no/backup can't be made: No such file or directory"):
        await backed_up(data_dir, tmp_path / "no" / "backup")


async def test_a_lock_that_can_not_be_taken_is_named(data_dir: Path, tmp_path: Path) -> None:
    """It is not the backup's folder that is to blame."""
    await fill(Places(data_dir))
    (data_dir / "messages.db-lock").unlink()
    (data_dir / "messages.db-lock").mkdir()
    with pytest.raises(BackupError, match=r"can't be copied to .*backup: messages.db-lock: Is a directory"):
        await backed_up(data_dir, tmp_path / "backup")
    assert "backup" not in names_in(tmp_path)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from openim_ray.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("size", [60_000, 200])
async def test_a_disk_without_room_leaves_nothing(data_dir: Path, tmp_path: Path, size: int) -> None:
    """One line, exit status 2, and neither a backup nor a part of one."""
    await fill(Places(data_dir))
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["backup", str(folder / "backup"), "--data-dir", str(data_dir)]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LIMITED, str(size), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    assert "backup" in line
    assert names_in(folder) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_interrupted_by_a_signal_it_leaves_nothing(data_dir: Path, tmp_path: Path, number: int) -> None:
    """Whatever a service manager or a terminal sends."""
    await fill(Places(data_dir))
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [sys.executable, "-m", "openim_ray", "backup", str(folder / "backup"), "--data-dir", str(data_dir)]
    with closing(WriterLock(data_dir / "messages.db", 1)) as lock, lock.held():  # it waits for it
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        async with asyncio.timeout(DEADLINE):
            await asyncio.to_thread(_until_locked, data_dir / "state.db")
            process.send_signal(number)
            _, said = await process.communicate()
    assert (process.returncode, said) == (130, b"")
    assert names_in(folder) == set()


def _until_locked(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    with closing(WriterLock(path, 0)) as lock:
        while time.monotonic() < deadline:
            try:
                with lock.held():
                    pass
            except Unavailable:
                return
            time.sleep(0.02)
    pytest.fail("nobody came for the lock")


async def test_a_damaged_file_is_not_saved_as_if_it_were_whole(data_dir: Path, tmp_path: Path) -> None:
    """It is named instead."""
    await fill(Places(data_dir))
    with closing(sqlite3.connect(data_dir / "messages.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages_seq'").fetchone()
    with (data_dir / "messages.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(BackupError, match=r"messages.db"):
        await backed_up(data_dir, tmp_path / "backup")
    assert "backup" not in names_in(tmp_path)


@pytest.mark.parametrize(
    ("setting", "url", "tool"),
    [
        ("messages_url", "mongodb://me:secret@host/db", "mongodump"),
        ("directory_url", "postgresql://me:secret@host/db", "pg_dump"),
        ("history_url", "postgresql://me:secret@host/db", "pg_dump"),
    ],
)
def test_servers_are_left_to_their_tools(data_dir: Path, tmp_path: Path, setting: str, url: str, tool: str) -> None:
    """Saving and restoring name the setting and the tool, and no password."""
    config = config_of(data_dir, **{setting: url})
    for call in (
        lambda: save(config, tmp_path / "backup"),
        lambda: restore(config, tmp_path / "backup", skip=1, replace=False, tell=print),
    ):
        with pytest.raises(BackupError, match=rf"storage.{setting} \({tool}\)") as refused:
            call()
        assert "secret" not in str(refused.value)


# --- restoring one


async def test_a_restored_backup_is_whole_and_goes_on_later(tmp_path: Path, backup: Path) -> None:
    """What was saved is there; the next message of each conversation stands behind the seqs that were skipped, which no check takes for holes."""
    data_dir = tmp_path / "restored"
    assert await restored(data_dir, backup) == []
    assert await faults_of(data_dir) == []
    assert (data_dir / "admin-secret").read_text() == "the secret\n"
    assert (data_dir / "admin-secret").stat().st_mode & 0o777 == 0o600

    store = await open_message_store(Places(data_dir))
    heads = await store.heads([CHAT, STREAM, OTHER])
    assert {one: (head.max_seq, head.skipped) for one, head in heads.items()} == {
        CHAT: (ROWS + SKIP, (SeqRange(ROWS + 1, ROWS + SKIP),)),
        STREAM: (1 + SKIP, (SeqRange(2, 1 + SKIP),)),
        OTHER: (3 + SKIP, (SeqRange(4, 3 + SKIP),)),
    }
    assert [row.seq for row in await store.read_range(CHAT, 1, 2 * ROWS, 2 * ROWS)] == list(range(1, ROWS + 1))
    await _append(store, CHAT, ROWS + SKIP, ("alice", "bob"))
    await store.aclose()
    assert await faults_of(data_dir) == []


async def _append(store: object, chat: str, head: int, pair: Sequence[str]) -> None:
    """The seqs up to the head are refused, the one behind it is stored."""
    for seq in (head - 1, head, head + 2):
        refused = write(message(seq, f"refused{seq}", conversation=chat), participants=pair)
        (result,) = await store.write([refused])  # type: ignore[attr-defined]
        assert result.outcome is Outcome.CONFLICT
    (result,) = await store.write([write(message(head + 1, conversation=chat), participants=pair)])  # type: ignore[attr-defined]
    assert result.outcome is Outcome.STORED


async def test_a_conversation_that_is_not_in_the_backup_goes_on_later_too(tmp_path: Path, backup: Path) -> None:
    """Clients may have seen messages of it: it begins behind as many seqs."""
    data_dir = tmp_path / "restored"
    await restored(data_dir, backup)
    store = await open_message_store(Places(data_dir))
    assert await store.origin() == SKIP
    await _append(store, NEW_CHAT, SKIP, ("bob", "carol"))
    (head,) = (await store.heads([NEW_CHAT])).values()  # type: ignore[list-item]
    assert (head.max_seq, head.skipped) == (SKIP + 1, (SeqRange(1, SKIP),))
    await store.aclose()
    assert [one for one in await faults_of(data_dir) if "no row of this conversation" not in one] == []


async def test_restored_twice_both_skips_count(tmp_path: Path, backup: Path) -> None:
    """A backup of what was restored is a backup as every other."""
    first, second = tmp_path / "first", tmp_path / "second"
    await restored(first, backup)
    await backed_up(first, tmp_path / "again")
    await restored(second, tmp_path / "again")
    store = await open_message_store(Places(second))
    assert (await store.heads([CHAT]))[CHAT].skipped == (SeqRange(ROWS + 1, ROWS + 2 * SKIP),)
    assert await store.origin() == 2 * SKIP
    await store.aclose()
    assert await faults_of(second) == []


async def test_what_was_skipped_takes_a_check_no_time(tmp_path: Path, backup: Path) -> None:
    """However much it is: seq by seq it would take days."""
    await restored(tmp_path / "restored", backup, skip=SKIP_MAX)
    async with asyncio.timeout(DEADLINE):
        findings = await look(Places(tmp_path / "restored"), print)
    assert (findings.messages, findings.faults) == (ROWS + 4, 0)


async def test_the_same_backup_restored_twice(tmp_path: Path, backup: Path) -> None:
    """What was sent between was seen, too: what comes then stands behind it, also in conversations that the backup doesn't have."""
    data_dir = tmp_path / "restored"
    await restored(data_dir, backup)
    store = await open_message_store(Places(data_dir))
    epoch = (await store.claim(["p"], "owner"))["p"]
    for chat, head, pair in ((CHAT, ROWS + SKIP, ("alice", "bob")), (NEW_CHAT, SKIP, ("bob", "carol"))):
        rows = [message(head + number, conversation=chat) for number in range(1, 4)]
        await store.write([write(*rows, epoch=epoch, participants=pair)])
    await store.aclose()

    (line,) = await restored(data_dir, backup, replace=True)

    assert line.startswith("what was there is in ")
    store = await open_message_store(Places(data_dir))
    head = (await store.heads([CHAT]))[CHAT]
    assert (head.max_seq, head.skipped) == (ROWS + 2 * SKIP + 3, (SeqRange(ROWS + 1, ROWS + 2 * SKIP + 3),))
    assert (await store.heads([OTHER]))[OTHER].skipped == (SeqRange(4, 3 + 2 * SKIP),)
    assert await store.origin() == 2 * SKIP + 3
    assert (await store.claim(["p"], "another"))["p"] > epoch
    await store.aclose()
    assert await faults_of(data_dir) == []


async def test_what_an_interrupted_restore_has_moved_counts(
    data_dir: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients have seen it."""
    store = await open_message_store(Places(data_dir))
    await store.write([write(message(seq)) for seq in range(ROWS + 1, ROWS + 6)])
    await store.aclose()
    (data_dir / "directory.db-wal").write_bytes(b"log")
    interrupted_restore(data_dir, backup, monkeypatch)
    assert not (data_dir / "messages.db").exists()

    await restored(data_dir, backup)

    (aside,) = put_aside(data_dir)
    assert {"messages.db", "state.db", "directory.db", "directory.db-wal"} <= names_in(aside)
    store = await open_message_store(Places(data_dir))
    assert (await store.heads([CHAT]))[CHAT].max_seq == ROWS + 5 + SKIP
    await store.aclose()


def interrupted_restore(data_dir: Path, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a restore as it is about to rename the first `directory.db`."""
    rename = type(data_dir).rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "directory.db":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(type(data_dir), "rename", fail)
        with pytest.raises(KeyboardInterrupt):
            restore(config_of(data_dir), backup, skip=SKIP, replace=True, tell=print)


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
async def test_files_that_can_not_be_read_keep_nothing_from_being_restored(
    data_dir: Path, backup: Path, content: bytes
) -> None:
    """They are what a backup is for; that it can't be told how far they had got is said."""
    for suffix in ("-wal", "-shm"):
        (data_dir / f"messages.db{suffix}").unlink(missing_ok=True)
    (data_dir / "messages.db").write_bytes(content)
    lines = await restored(data_dir, backup, replace=True)
    assert [line for line in lines if line.startswith(f"how far conversations had got in {data_dir}, can't be told: ")]
    store = await open_message_store(Places(data_dir))
    assert (await store.heads([CHAT]))[CHAT].max_seq == ROWS + SKIP
    await store.aclose()


async def test_no_position_of_an_inbox_comes_again(data_dir: Path, tmp_path: Path, backup: Path) -> None:
    """What is claimed after a restore has an epoch above all that were claimed before, also after the backup."""
    store = await open_message_store(Places(data_dir))
    before = max([(await store.claim(["p", "q"], f"owner{number}"))["q"] for number in range(20)])
    await store.aclose()
    await restored(tmp_path / "restored", backup)
    store = await open_message_store(Places(tmp_path / "restored"))
    after = await store.claim(["p", "never claimed before"], "owner")
    await store.aclose()
    assert min(after.values()) > before


async def test_no_token_lives_again(data_dir: Path, tmp_path: Path) -> None:
    """Which tokens were kicked after the backup, it can't tell: all of them end."""
    state = await open_state_store(Places(data_dir))
    tokens = [TokenRecord("normal", "alice", 5, NORMAL, 1 << 40), TokenRecord("kicked", "alice", 5, KICKED, 1 << 40)]
    await state.save(tokens)
    await state.aclose()
    await backed_up(data_dir, tmp_path / "backup")
    await restored(tmp_path / "restored", tmp_path / "backup")
    state = await open_state_store(Places(tmp_path / "restored"))
    assert [await state.token_state("alice", 5, one.digest) for one in tokens] == [None, None]
    await state.aclose()


@pytest.mark.parametrize(("tokens_url", "seconds"), [("", 0.0), ("redis://127.0.0.1:1", 3.5)])
def test_hot_copies_have_ended_before_it_is_served(
    tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch, tokens_url: str, seconds: float
) -> None:
    """Redis may hold tokens that the server before it believed; the lease under which they count has run out before the files are in place."""
    slept: list[tuple[float, bool]] = []
    data_dir = tmp_path / "restored"
    monkeypatch.setattr(
        "openim_ray.restore.time.sleep", lambda time: slept.append((time, (data_dir / "state.db").exists()))
    )
    restore(config_of(data_dir, tokens_url=tokens_url), backup, skip=SKIP, replace=False, tell=print)
    assert (seconds, False) in slept


async def test_nothing_counts_as_unread(tmp_path: Path, backup: Path) -> None:
    """Users may have read since the backup, which it can't tell; what they may see stays as it was."""
    await restored(tmp_path / "restored", backup)
    state = await open_state_store(Places(tmp_path / "restored"))
    read: dict[str, dict[ConversationID, ReadPosition]] = {
        user: await state.read_positions(UserID(user)) for user in ("alice", "bob", "carol")
    }
    await state.aclose()
    newest, other = ROWS + SKIP, 3 + SKIP
    assert read == {
        "alice": {CHAT: ReadPosition(newest), OTHER: ReadPosition(other)},
        "bob": {CHAT: ReadPosition(newest, 2, ROWS + 1), OTHER: ReadPosition(other)},
        "carol": {OTHER: ReadPosition(other)},
    }


async def test_groups_come_back(data_dir: Path, tmp_path: Path) -> None:
    """With members, applications and what waits for their logs; nothing is unread, and version lists are fetched anew."""
    await fill(Places(data_dir))
    directory = await open_directory_store(Places(data_dir))
    await directory.change(fill_every_table)
    before = await directory.view(ask_every_table)
    version, version_id, ids = await directory.member_ids("g")
    await directory.aclose()
    messages = await open_message_store(Places(data_dir))
    chat = ConversationID("sg_g")
    await messages.write([write(message(1, conversation=chat), participants=("g",))])
    await messages.aclose()
    await backed_up(data_dir, tmp_path / "backup")

    await restored(tmp_path / "restored", tmp_path / "backup")

    directory = await open_directory_store(Places(tmp_path / "restored"))
    assert (await directory.view(ask_every_table))[:-1] == before[:-1]
    assert (await directory.members_delta("g", version_id, version)).full
    assert (await directory.member_ids("g"))[2] == ids
    await directory.aclose()
    state = await open_state_store(Places(tmp_path / "restored"))
    assert (await state.read_positions(UserID("bob")))[chat] == ReadPosition(1 + SKIP)
    assert await state.read_positions(UserID("g")) == {}
    await state.aclose()
    assert await faults_of(tmp_path / "restored") == []


async def test_copies_of_lists_are_fetched_anew(data_dir: Path, tmp_path: Path, backup: Path) -> None:
    """A version that a client knows, from before or after the backup, means nothing any more."""
    directory = await open_directory_store(Places(data_dir))
    known = await directory.conversations_delta(UserID("alice"), "", 0)
    await directory.aclose()
    await restored(tmp_path / "restored", backup)
    directory = await open_directory_store(Places(tmp_path / "restored"))
    delta = await directory.conversations_delta(UserID("alice"), known.version_id, known.version)
    assert delta.full
    again = await directory.conversations_delta(UserID("alice"), delta.version_id, delta.version)
    assert not again.full
    assert delta.version_id != known.version_id
    with pytest.raises(RegisteredAlready):
        await directory.register([User(user_id=UserID("alice"))])
    await directory.aclose()


async def test_what_is_there_is_not_replaced_unasked(data_dir: Path, backup: Path) -> None:
    """Asked to, it is put aside, whole; the secret that callers know stays."""
    (data_dir / "admin-secret").write_text("a newer secret\n")
    before = (data_dir / "messages.db").read_bytes()
    with pytest.raises(BackupError, match=r"holds messages.db already; --replace puts such files aside"):
        await restored(data_dir, backup)
    assert (data_dir / "messages.db").read_bytes() == before

    (line,) = await restored(data_dir, backup, replace=True)
    (aside,) = put_aside(data_dir)
    assert line == f"what was there is in {aside}"
    assert (aside / "messages.db").read_bytes() == before
    assert await faults_of(aside) == []
    assert await faults_of(data_dir) == []
    assert (data_dir / "admin-secret").read_text() == "a newer secret\n"


def give(folder: Path, user: int) -> None:
    """Let a folder and all in it belong to a user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user)


def owners_of(folder: Path) -> set[int]:
    """Return to whom a folder and what is in it belong."""
    return {path.stat().st_uid for path in (folder, *folder.rglob("*"))}


async def test_restored_by_root_it_is_its_owners(data_dir: Path, backup: Path) -> None:
    """The server of the user to whom the data directory belongs can open everything in it, and what was put aside is hers."""
    if os.geteuid() != 0:
        pytest.skip("only root can restore for another user")
    nobody = 65534
    give(data_dir, nobody)

    await restored(data_dir, backup, replace=True)

    assert len(put_aside(data_dir)) == 1
    assert owners_of(data_dir) == {nobody}


@pytest.mark.parametrize("name", ["messages.db", "state.db", "directory.db", "admin-secret", MANIFEST])
async def test_a_backup_that_changed_is_refused(tmp_path: Path, backup: Path, name: str) -> None:
    """One bit is enough, and so is a file that is not there; the data directory stays as it is."""
    content = bytearray((backup / name).read_bytes())
    content[len(content) // 2] ^= 4 if name != MANIFEST else 0x80
    (backup / name).write_bytes(content)
    with pytest.raises(BackupError, match=name):
        await restored(tmp_path / "restored", backup)
    (backup / name).unlink()
    with pytest.raises(BackupError, match=name):
        await restored(tmp_path / "restored", backup)
    assert not (tmp_path / "restored" / "messages.db").exists()


async def test_a_backup_of_an_older_version_is_carried_forward(tmp_path: Path, backup: Path) -> None:
    """Its conversations go on later as all do; no further copy is made of what is a copy."""
    (backup / "messages.db").unlink()
    make_old_messages(backup / "messages.db", [message(seq) for seq in range(1, 4)])
    with closing(sqlite3.connect(backup / "messages.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    manifest = json.loads((backup / MANIFEST).read_text())
    content = (backup / "messages.db").read_bytes()
    manifest["files"]["messages.db"] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    (backup / MANIFEST).write_text(json.dumps(manifest))

    data_dir = tmp_path / "restored"
    await restored(data_dir, backup)
    store = await open_message_store(Places(data_dir))
    assert (await store.heads([CHAT]))[CHAT].skipped == (SeqRange(4, 3 + SKIP),)
    assert [row.seq for row in await store.read_range(CHAT, 1, 100, 100)] == [1, 2, 3]
    await store.aclose()
    assert not [name for name in names_in(data_dir) if "schema" in name]


async def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, backup: Path) -> None:
    """By the schema of its files as by its own format."""
    manifest = json.loads((backup / MANIFEST).read_text())
    (backup / MANIFEST).write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(BackupError, match="has format 2, this version knows 1"):
        await restored(tmp_path / "restored", backup)


async def test_not_while_a_server_has_the_data_directory(data_dir: Path, backup: Path) -> None:
    """It would write into files that nobody reads any more."""
    with locked(data_dir), pytest.raises(StartError, match="in use by another server"):
        await restored(data_dir, backup, replace=True)
    assert put_aside(data_dir) == []


async def test_nobody_has_to_listen(data_dir: Path, backup: Path) -> None:
    """What is told is told behind the work: who can't be told anything keeps nothing half done."""
    command = [sys.executable, "-m", "openim_ray", "restore", str(backup), "--replace", "--data-dir", str(data_dir)]
    read, write_end = os.pipe()
    os.close(read)
    try:
        await asyncio.to_thread(subprocess.run, command, stdout=write_end, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write_end)
    assert not (data_dir / RESTORE_MARK).exists()
    assert len(put_aside(data_dir)) == 1
    assert await faults_of(data_dir) == []


async def test_an_interrupted_restore_is_not_served(
    tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With some files in place and some not, no server starts; once more, and it is whole."""
    data_dir = tmp_path / "restored"
    interrupted_restore(data_dir, backup, monkeypatch)
    assert (data_dir / RESTORE_MARK).exists()
    with pytest.raises(StartError, match="was interrupted; run `openim-ray restore` once more"):
        settle(config_of(data_dir), data_dir, print)

    await restored(data_dir, backup)
    assert not (data_dir / RESTORE_MARK).exists()
    assert await faults_of(data_dir) == []
