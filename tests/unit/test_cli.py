"""The command line as far as it needs no server: what it refuses, and what it says about itself. The rest is in tests/e2e/test_cli.py."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from openim_ray import __version__, cli
from openim_ray.actors import cluster
from openim_ray.api_client import ErasureStatus
from openim_ray.cli import PLATFORMS, main
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.protocol.identifiers import Platform
from openim_ray.storage.open import open_directory_store, open_state_store, prepare
from openim_ray.storage.places import Places
from tests.certificates import make_pair

OLD_RUN = {
    "address": "127.0.0.1:1",
    "namespace": "openim",
    "pid": 1,
    "ws_urls": ["ws://127.0.0.1:1"],
    "api_urls": ["http://127.0.0.1:1"],
}


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run a command in this process, with an environment and a current directory of its own."""
    for name in os.environ:
        if name.startswith("OPENIM"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        return Said(status, *capsys.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def refusal(said: Said) -> str:
    """Return the one line by which a command refused."""
    assert said.status == 2, said
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("openim-ray: ")
    return line


def up(command: Command, *arguments: str) -> str:
    """Return the line by which `up` on free ports refused; if it tried to start Ray, the fixture of unit tests fails."""
    return refusal(command("up", "--ws-port", "0", "--api-port", "0", *arguments))


# --- starts that are refused


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "SO_REUSEPORT"])
@pytest.mark.parametrize("port", ["ws_port", "api_port"])
def test_a_port_that_another_program_listens_on_is_refused(command: Command, port: str, shared: bool) -> None:
    """Also if it listens with SO_REUSEPORT, as our own servers do: then two servers would share the clients."""
    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = str(other.getsockname()[1])
        line = up(command, f"--{port.replace('_', '-')}", number)
    assert number in line
    assert "in use" in line
    assert f"set server.{port} (OPENIM_{port.upper()}, --{port.replace('_', '-')})" in line


def test_an_address_that_this_machine_does_not_have_is_refused(command: Command) -> None:
    """The line names it."""
    assert "192.0.2.1" in up(command, "--host", "192.0.2.1")


def test_a_data_directory_below_a_file_is_refused(command: Command, tmp_path: Path) -> None:
    """Not even root can write there."""
    (tmp_path / "file").touch()
    line = up(command, "--data-dir", str(tmp_path / "file" / "data"))
    assert "not writable" in line
    assert "server.data_dir" in line


def test_a_data_directory_that_is_a_file_is_refused(command: Command, tmp_path: Path) -> None:
    """The line says so."""
    (tmp_path / "file").touch()
    assert "is a file" in up(command, "--data-dir", str(tmp_path / "file"))


def test_a_data_directory_where_nothing_can_be_made_is_refused(command: Command) -> None:
    """/proc takes no folders, whoever asks."""
    assert "not writable" in up(command, "--data-dir", "/proc/data")


@pytest.mark.parametrize("name", ["up", "down", "status"])
def test_a_data_directory_that_is_a_link_to_itself_is_refused(command: Command, tmp_path: Path, name: str) -> None:
    """By every command."""
    (tmp_path / "data").symlink_to("data")
    refusal(command(name))


def test_a_data_directory_in_use_is_refused(command: Command, tmp_path: Path) -> None:
    """Two servers would write the same databases."""
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = up(command)
    assert f"in use by another server: `openim-ray status --data-dir {tmp_path / 'data'}` shows it" in line


def test_a_missing_certificate_is_refused(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the file."""
    pair = make_pair(tmp_path, "server")
    monkeypatch.setenv("OPENIM_SERVER_TLS_CERTIFICATE", str(tmp_path / "nowhere.pem"))
    monkeypatch.setenv("OPENIM_SERVER_TLS_KEY", str(pair.key))
    assert f"{tmp_path / 'nowhere.pem'} is not readable: No such file" in up(command)


def test_a_certificate_with_another_key_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says that they don't fit."""
    monkeypatch.setenv("OPENIM_SERVER_TLS_CERTIFICATE", str(make_pair(tmp_path, "one").certificate))
    monkeypatch.setenv("OPENIM_SERVER_TLS_KEY", str(make_pair(tmp_path, "other").key))
    assert "key values mismatch" in up(command)


def test_a_file_that_holds_no_certificate_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says that it is not usable."""
    (tmp_path / "text.pem").write_text("no certificate\n")
    monkeypatch.setenv("OPENIM_SERVER_TLS_CERTIFICATE", str(tmp_path / "text.pem"))
    monkeypatch.setenv("OPENIM_SERVER_TLS_KEY", str(make_pair(tmp_path, "one").key))
    assert "text.pem" in up(command)


def test_a_locked_key_is_refused_and_no_password_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question at the terminal would hang whoever starts the server by a program."""
    pair = make_pair(tmp_path, "one", password=b"secret")
    monkeypatch.setenv("OPENIM_SERVER_TLS_CERTIFICATE", str(pair.certificate))
    monkeypatch.setenv("OPENIM_SERVER_TLS_KEY", str(pair.key))
    assert "is not usable" in up(command)


def test_a_database_of_a_newer_server_is_refused(command: Command, tmp_path: Path) -> None:
    """It is named, and not touched."""
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "messages.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    database.close()
    line = up(command)
    assert "messages.db has schema 9999" in line
    assert "newer server" in line


def test_a_damaged_database_is_refused(command: Command, tmp_path: Path) -> None:
    """The line names the file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.db").write_bytes(b"this is no database" * 100)
    assert "state.db" in up(command)


def test_an_empty_secret_file_is_refused(command: Command, tmp_path: Path) -> None:
    """An empty secret would let anybody in."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin-secret").touch()
    assert "is empty" in up(command)


def test_settings_that_are_unknown_or_out_of_range_are_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by its name, with what is allowed or meant, before anything is made."""
    (tmp_path / "openim.toml").write_text("[server]\nwsport = 1\n")
    assert "did you mean server.ws_port?" in refusal(command("up", "--config", "openim.toml"))
    assert "must be a whole number from 0 to 65535" in refusal(command("up", "--ws-port", "99999"))
    assert "must be a whole number" in refusal(command("up", "--ws-port", "many"))
    assert "shared, per-user" in refusal(command("up", "--placement", "nowhere"))
    monkeypatch.setenv("OPENIM_WSPORT", "1")
    assert "did you mean OPENIM_WS_PORT?" in refusal(command("up"))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("setting", "value"), [("ADDRESS", "127.0.0.1:6479"), ("PORT", "6479")])
def test_settings_of_a_detached_start_are_refused_in_the_foreground(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    """Whoever names a Ray to join must not be told that the server is ready in another one."""
    monkeypatch.setenv(f"OPENIM_CLUSTER_{setting}", value)
    line = up(command)
    assert f"cluster.{setting.lower()} = {value}" in line
    assert "--detach" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_lock_that_can_not_be_opened_is_refused(command: Command, tmp_path: Path, detach: tuple[str, ...]) -> None:
    """As one that belongs to another user; for root, who may open any file, a folder stands in its place."""
    (tmp_path / "data" / "lock").mkdir(parents=True)
    assert f"{tmp_path / 'data' / 'lock'} can't be opened: Is a directory" in up(command, *detach)


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_a_run_file_that_can_not_be_replaced_is_refused(
    command: Command, tmp_path: Path, detach: tuple[str, ...]
) -> None:
    """A start would find out only when everything runs."""
    (tmp_path / "data" / "run.json").mkdir(parents=True)
    said = f"{tmp_path / 'data' / 'run.json'} is not readable: Is a directory"
    assert said in up(command, *detach)
    assert said in refusal(command("down"))


def test_a_token_of_ray_that_can_not_be_read_is_refused(command: Command, tmp_path: Path) -> None:
    """Ray itself would make another one, in the home directory."""
    (tmp_path / "data" / "ray-token").mkdir(parents=True)
    assert "ray-token: Is a directory" in up(command)


def test_what_a_refused_start_leaves_is_for_its_owner_only(command: Command, tmp_path: Path) -> None:
    """The admin secret and the databases are made before the ports are judged."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        up(command, "--ws-port", str(other.getsockname()[1]))
    data = tmp_path / "data"
    assert data.stat().st_mode & 0o077 == 0
    assert not [file for file in data.iterdir() if file.stat().st_mode & 0o077]


# --- no server


@pytest.mark.parametrize("arguments", [("down",), ("status",), ("user", "add", "alice"), ("user", "token", "alice")])
def test_commands_say_that_no_server_runs(command: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The line names the data directory that was looked at, and what to do."""
    line = refusal(command(*arguments))
    assert f"no server runs with data directory {tmp_path / 'data'}: start it (`make serve`" in line
    assert "--data-dir" in line


def test_status_for_programs_says_that_nothing_runs(command: Command) -> None:
    """As an object, like any other answer; the exit status tells, too."""
    said = command("status", "--json")
    assert said.status == 2
    assert json.loads(said.out)["running"] is False


@pytest.mark.parametrize("content", ["", "{}", json.dumps(OLD_RUN)], ids=["empty", "strange", "old"])
def test_an_old_or_damaged_run_file_is_seen_through(command: Command, tmp_path: Path, content: str) -> None:
    """A crash or another version may leave one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "run.json").write_text(content)
    (tmp_path / "data" / "admin-secret").write_text("a-secret-of-mine\n")
    assert command("status", "--json").status == 2
    assert "no server runs" in refusal(command("down"))
    refusal(command("user", "add", "alice"))


def test_ending_actors_without_a_connection_starts_no_ray() -> None:
    """Nearly every function of Ray starts or joins one by itself, and then it would be a stranger's actors that end."""
    cluster.end_actors("openim")


def test_connecting_without_a_server_is_one_line(tmp_path: Path) -> None:
    """As scripts and notebooks see it."""
    with pytest.raises(cluster.ClusterError, match=r"no server runs with data directory .*nowhere"):
        cluster.connect(tmp_path / "nowhere")


# --- configuration


def test_secrets_are_hidden_in_the_listing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that came from the environment."""
    monkeypatch.setenv("OPENIM_ADMIN_SECRET", "a-secret-of-mine")
    monkeypatch.setenv("COLUMNS", "300")
    said = command("config", "show")
    assert said.status == 0
    assert "a-secret-of-mine" not in said.out
    assert "(hidden)" in said.out
    assert "OPENIM_ADMIN_SECRET" in said.out


def test_the_default_file_is_valid_and_changes_nothing(command: Command, tmp_path: Path) -> None:
    """It is what people begin with."""
    text = command("config", "default").out
    assert not any(tomllib.loads(text).values())
    (tmp_path / "openim.toml").write_text(text)
    assert command("config", "check", "--config", "openim.toml") == (0, "the configuration is valid\n", "")


def test_a_file_is_checked_without_a_start(command: Command, tmp_path: Path) -> None:
    """The line names setting, value, file and what is allowed."""
    (tmp_path / "openim.toml").write_text("[auth]\ntoken_days = 0\n")
    line = refusal(command("config", "check", "--config", "openim.toml"))
    assert "auth.token_days = 0 (openim.toml): must be a whole number from 1" in line
    assert "cannot read the configuration file" in refusal(command("config", "check", "--config", "nowhere.toml"))


# --- looking at what is stored


async def fill(data_dir: Path, *, read_up_to: int = 0) -> None:
    """Make the stores of a server that has one user, who has read so much of nothing."""
    places = Places(data_dir)
    await prepare(places)
    directory, state = await open_directory_store(places), await open_state_store(places)
    await directory.register([User(user_id=UserID("alice"))])
    positions = {ConversationID("si_alice_bob"): ReadPosition(read_up_to)}
    await state.save(positions=[(UserID("alice"), positions)])
    await directory.aclose()
    await state.aclose()


def test_stores_that_are_whole_are_said_to_be(command: Command, tmp_path: Path) -> None:
    """In one line, with what was looked at; exit status 0."""
    asyncio.run(fill(tmp_path / "data"))
    said = command("check")
    assert said == (0, "checked 0 conversations, 0 messages, 1 user: no faults\n", "")


def test_a_fault_of_the_stores_is_named(command: Command, tmp_path: Path) -> None:
    """One line each, for programs as one object; exit status 1."""
    asyncio.run(fill(tmp_path / "elsewhere", read_up_to=7))
    said = command("check", "--data-dir", "elsewhere")
    assert (said.status, said.err) == (1, "")
    assert said.out.splitlines() == [
        "position si_alice_bob: alice has read up to 7, newest seq is 0",
        "checked 0 conversations, 0 messages, 1 user: 1 fault",
    ]
    said = command("check", "--json", "--data-dir", "elsewhere")
    assert (said.status, said.err) == (1, "")
    assert json.loads(said.out) == {
        "conversations": 0,
        "messages": 0,
        "users": 1,
        "faults": 1,
        "kinds": {"position": 1},
        "found": [
            {
                "kind": "position",
                "where": "si_alice_bob",
                "what": "alice has read up to 7",
                "context": "newest seq is 0",
            }
        ],
    }


def test_stores_that_are_not_there_are_not_made(command: Command, tmp_path: Path) -> None:
    """Whoever only looks writes nothing; exit status 2."""
    assert "messages.db holds nothing of this server yet" in refusal(command("check", "--json"))
    assert not (tmp_path / "data").exists()


def test_stores_of_a_newer_server_are_not_looked_at(command: Command, tmp_path: Path) -> None:
    """The line names the file; exit status 2."""
    asyncio.run(fill(tmp_path / "data"))
    with sqlite3.connect(tmp_path / "data" / "state.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert "state.db has schema 9999" in refusal(command("check"))


@pytest.mark.parametrize(
    ("setting", "url"),
    [("MESSAGES", "mongodb://127.0.0.1:1/openim"), ("DIRECTORY", "postgresql://me:pw@127.0.0.1:1/me")],
)
def test_a_store_that_is_down_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, url: str
) -> None:
    """Without the password; exit status 2."""
    asyncio.run(fill(tmp_path / "data"))
    monkeypatch.setenv(f"OPENIM_STORAGE_{setting}_URL", url)
    line = refusal(command("check"))
    assert "a store can't be read" in line
    assert "127.0.0.1" in line
    assert "pw" not in line


# --- about itself


def test_the_version_is_told(command: Command) -> None:
    """By the command and by the usual flag."""
    assert command("version").out == command("--version").out == f"openim-ray {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("up", "down", "status", "check", "user", "config", "version")),
        (("up",), ("--detach", "--ws-port", "--data-dir", "--config")),
        (("status",), ("--json", "not ready")),
        (("check",), ("--json", "not checked")),
        (("user", "add"), ("ID", "--nickname")),
        (("user", "token"), ("--platform", "--link", "harmonyos")),
        (("config",), ("show", "check", "default")),
    ],
)
def test_help_names_what_there_is(command: Command, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Every command explains itself."""
    said = command(*arguments, "--help")
    assert said.status == 0
    assert not [word for word in words if word not in said.out]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("up", "--ws-prot", "1"), "--ws-port"),
        (("user", "token", "alice", "--platfrom=web"), "--platform"),
        (("status", "--jsno"), "--json"),
    ],
)
def test_an_option_with_a_typing_error_is_recognised(command: Command, arguments: tuple[str, ...], meant: str) -> None:
    """The line says what may have been meant, and the usage of that command stands above."""
    said = command(*arguments)
    assert said.status == 2
    assert f"did you mean {meant}?" in said.err.splitlines()[-1]
    assert said.err.startswith(f"usage: openim-ray {arguments[0]}")


@pytest.mark.parametrize("platform", ["web", "Web", "5"])
def test_a_platform_is_named_by_name_or_number(command: Command, platform: str) -> None:
    """Applications know the number, people the name."""
    assert "no server runs" in refusal(command("user", "token", "alice", "--platform", platform))


@pytest.mark.parametrize("platform", ["webb", "0", "10", "-1", "5.0", "²"])
def test_a_platform_that_there_is_not_is_refused(command: Command, platform: str) -> None:
    """The line lists those that there are; 10 is the administrator's."""
    said = command("user", "token", "alice", f"--platform={platform}")
    assert said.status == 2
    assert "is none of ios (1), android (2)" in said.err.splitlines()[-1]


def test_a_data_directory_keeps_itself_out_of_version_control(command: Command, tmp_path: Path) -> None:
    """It may lie in a repository, and holds the admin secret; what an operator wrote there stays."""
    ignored = tmp_path / "data" / ".gitignore"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        up(command, "--ws-port", port)
        assert ignored.read_text() == "*\n"
        ignored.write_text("mine\n")
        up(command, "--ws-port", port)
    assert ignored.read_text() == "mine\n"


def test_every_platform_of_the_protocol_can_be_named() -> None:
    """But for the administrator's, whose tokens the secret buys."""
    assert set(PLATFORMS.values()) == {int(one) for one in Platform} - {int(Platform.ADMIN)}


class _Erasing:
    """An API that erases a little further whenever it is asked."""

    def __init__(self, *phases: str) -> None:
        self.phases = list(phases)
        self.begun: list[str] = []

    def erase_user(self, user_id: str) -> ErasureStatus:
        """Begin."""
        self.begun.append(user_id)
        return self.erasure(user_id)

    def erasure(self, user_id: str) -> ErasureStatus:
        """Tell how far it has come."""
        return ErasureStatus(user_id, self.phases.pop(0), 7)


@pytest.mark.parametrize(
    ("options", "phases", "begins", "status", "said"),
    [
        ([], ["messages"], True, 0, "user alice is being erased (messages; 7 messages so far)\n"),
        (["--wait"], ["messages", "files", "done"], True, 0, "user alice is erased, with 7 messages\n"),
        (["--status"], ["files"], False, 1, "user alice is being erased (files; 7 messages so far)\n"),
        (["--status"], ["done"], False, 0, "user alice is erased, with 7 messages\n"),
        (["--status", "--wait"], ["messages", "done"], False, 0, "user alice is erased, with 7 messages\n"),
    ],
)
def test_a_user_is_erased_behind_the_answer(
    options: list[str],
    phases: list[str],
    begins: bool,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command returns when it is certain, or waits for the end, or only tells."""
    api = _Erasing(*phases)
    monkeypatch.setattr(cli, "_api", lambda _: api)
    monkeypatch.setattr(cli, "ERASURE_LOOK_SECONDS", 0.0)
    assert main(["user", "erase", "alice", *options]) == status
    assert capsys.readouterr().out == said
    assert api.begun == (["alice"] if begins else [])
    assert api.phases == []
