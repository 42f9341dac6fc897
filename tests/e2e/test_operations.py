"""How a server starts, ends and fails, and what of it can be reached from outside; on real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from openim_ray.actors.leftovers import processes
from openim_ray.domain.conversation import single_chat_id
from openim_ray.protocol.frames import Response
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, PullMessageBySeqsReq, PullMessageBySeqsResp
from tests.e2e.listening import LISTEN, sockets
from tests.e2e.processes import processes_of
from tests.e2e.program import COMMAND_SECONDS, ROOT, refusal, run, run_python, traces
from tests.e2e.server import Server
from tests.integration.connection import JS, Connection, text_message
from tests.integration.people import People
from tests.integration.websocket import Ended

WAIT_SECONDS = 60.0
HANGING_SECONDS = 20.0
"""Ten less than Ray itself would wait: a busy machine takes the other ten to import it."""

OK = 200
GOING_AWAY = 1001
STOPPED = "the server has stopped"


class OwnSession(Server):
    """A server in a session of its own, as from a terminal of its own."""

    def command(self, *arguments: str) -> list[str]:
        """Return the same command line, begun by setsid."""
        return ["setsid", *super().command(*arguments)]

    def ended(self) -> int:
        """Wait for the end of `up` and return its exit status."""
        assert self._process is not None
        return self._process.wait(WAIT_SECONDS)


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that processes bring about and that gives no event."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in {WAIT_SECONDS:g} s: {what}"
        time.sleep(0.05)


def printed(server: Server) -> list[str]:
    """Return what `up` printed, each announcement as its first line."""
    return [line for line in server.log_file.read_text().splitlines() if not line.startswith("  ")]


def get(url: str) -> tuple[int, str]:
    """Return status and body of an HTTP answer."""
    try:
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def parent(pid: int) -> int:
    """Return the process that a process was started by."""
    return int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])


# --- start and end


@pytest.fixture(scope="module")
def spare() -> Iterator[list[OwnSession]]:
    """Servers that a test has left running, for the next who does something to one: most of what is tested here is an end."""
    servers: list[OwnSession] = []
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def own(spare: list[OwnSession], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSession]:
    """A running server to end, kill and freeze; left running it goes to the next test."""
    if not spare:
        spare.append(OwnSession(tmp_path_factory.mktemp("own")))
        spare[-1].start()
    server = spare.pop()
    until(lambda: get(f"{server.api_url}/readyz")[0] == OK, "ready")
    yield server
    if server.running:
        spare.append(server)


async def test_ctrl_c_drains_and_kill_9_leaves_nothing_in_the_way(own: OwnSession) -> None:
    """
    Clients are hung up on so that they come back; nothing but the announcement and the end is printed; a new `up` works at once.

    No actor has imported anything itself: each is forked from a process that was forked from `up`.
    """
    server, before = own, len(printed(own))
    actors = server.actors("")
    assert len(actors) == 4
    assert {parent(parent(pid)) for pid in actors} == {server.pid}
    people = People(server)
    alice, bob = await people.connect("alice"), await people.connect("bob", JS)
    await alice.send_text(bob.user_id, "before the end")

    os.killpg(server.pid, signal.SIGINT)
    os.killpg(server.pid, signal.SIGINT)  # whoever is impatient changes nothing
    assert await asyncio.to_thread(server.ended) == 0
    await alice.ended()
    await bob.ended()
    await people.close()
    assert printed(server)[before:] == [STOPPED], server.log_tail()
    assert traces(server) == []

    await asyncio.to_thread(server.start)
    first = set(server.processes())
    server.kill()
    await asyncio.to_thread(server.start)
    assert not first & set(server.processes())
    assert len(printed(server)) == before + 3, server.log_tail()


async def test_a_drain_answers_what_is_under_way(
    spare: list[OwnSession], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Messages that wait for their store at SIGTERM are still stored and answered; newcomers and later messages are refused by the close."""
    folder = tmp_path_factory.mktemp("drained")
    server = OwnSession(folder, environment={"OPENIM_SERVER_DRAIN_SECONDS": "60"})
    await asyncio.to_thread(server.start)
    people = People(server)
    alice, bob = await people.connect("alice"), await people.connect("bob", JS)
    before = await alice.send_text(bob.user_id, "before")
    (store,) = server.actors("PersistenceActor")

    os.kill(store, signal.SIGSTOP)
    under_way = [send_text(alice, bob.user_id, f"under way {number}") for number in range(8)]
    await alice.answer(RequestIdentifier.GET_NEWEST_SEQ, b"")  # whatever came before it has been read, too
    assert not any(answer.done() for answer in under_way)
    os.kill(server.pid, signal.SIGTERM)
    await asyncio.to_thread(until, lambda: refuses_connections(server.ws_port), "no newcomer is taken")
    too_late = send_text(alice, bob.user_id, "too late")
    os.kill(store, signal.SIGCONT)

    answered = [before, *(SendMsgResp.FromString(answer.data) for answer in await asyncio.gather(*under_way))]
    assert (await alice.ended(), await bob.ended()) == (GOING_AWAY, GOING_AWAY)
    assert isinstance(too_late.exception(), Ended)
    assert await asyncio.to_thread(server.ended) == 0
    await people.close()

    server = OwnSession(folder)
    await asyncio.to_thread(server.start)
    spare.append(server)
    people = People(server)
    bob = await people.connect(await people.login(bob.user_id, JS), JS)
    stored = await everything_of(bob, single_chat_id(alice.user_id, bob.user_id))
    assert [(one.clientMsgID, one.serverMsgID) for one in stored] == [
        (one.clientMsgID, one.serverMsgID) for one in answered
    ]
    assert [one.seq for one in stored] == list(range(1, len(answered) + 1))
    await people.close()


def send_text(sender: Connection, receiver: str, text: str) -> asyncio.Future[Response]:
    """Send a text; the answer arrives in the future."""
    return sender.send(RequestIdentifier.SEND_MSG, text_message(sender.user_id, receiver, text).SerializeToString())


def refuses_connections(port: int) -> bool:
    """Tell whether nobody listens at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), WAIT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


async def everything_of(reader: Connection, chat: str) -> Sequence[MsgData]:
    """Return the messages of a conversation that are stored, as one of its users pulls them."""
    request = PullMessageBySeqsReq(userID=reader.user_id)
    request.seqRanges.add(conversationID=chat, begin=1, end=100, num=100)
    answer = await reader.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    return answer.msgs[chat].Msgs


@pytest.fixture(params=["raylet", "gcs_server", "ray::Inbox", "ray::Supervisor"])
def frozen(request: pytest.FixtureRequest) -> str:
    """How the title of a process begins that is frozen."""
    return str(request.param)


def freeze(server: Server, frozen: str) -> int:
    """Freeze a process and return its id."""
    (pid,) = [pid for pid, title in server.processes().items() if re.search(rf"(^|/){frozen}", title.split()[0])]
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_server_that_hangs_is_not_waited_for(own: OwnSession, frozen: str) -> None:
    """One line each, and no word of Ray's native code; a script gives up within seconds, `status` says that it is not ready."""
    pid = freeze(own, frozen)
    try:
        line = refusal(run_python(own, str(ROOT / "scripts" / "inbox.py"), "imAdmin", seconds=HANGING_SECONDS))
        assert re.match(r"inbox: no answer from ", line)
        said = run(own, "status", seconds=COMMAND_SECONDS)
        assert (said.status, said.err) == (1, "")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_unready_server_says_so_and_down_ends_it(own: OwnSession) -> None:
    """
    While nothing can be stored it lives but is not ready; metrics and status tell who does not answer; it recovers by itself.

    Gateway and store frozen, each is waited for as long as configured, and then ended like all the others.
    """
    assert get(f"{own.api_url}/healthz") == (OK, "ok\n")
    persistence = freeze(own, "ray::Persistence")
    status, body = get(f"{own.api_url}/readyz")
    assert (status, json.loads(body)["ready"]) == (503, False)
    assert "persistence" in json.loads(body)
    assert get(f"{own.api_url}/healthz") == (OK, "ok\n")
    metrics = get(f"{own.api_url}/metrics")[1]
    assert 'openim_actor_up{actor="persistence-0"} 0.0' in metrics
    assert 'openim_actor_up{actor="inbox-0"} 1.0' in metrics
    said = run(own, "status")
    assert said.status == 1
    assert said.out.startswith("not ready: persistence:")
    os.kill(persistence, signal.SIGCONT)
    until(lambda: get(f"{own.api_url}/readyz")[0] == OK, "ready again")

    for frozen in ("ray::Persistence", "ray::Gateway"):
        freeze(own, frozen)
    assert run(own, "down") == (0, f"{STOPPED}\n", "")
    assert own.ended() == 0
    assert traces(own) == []


@pytest.mark.parametrize("frozen", ["ray::Supervisor", "gcs_server", "raylet"], indirect=True)
def test_a_frozen_process_does_not_keep_the_server(own: OwnSession, frozen: str) -> None:
    """It is waited for as long as configured, and then ended like all the others; status 0."""
    before = len(printed(own))
    freeze(own, frozen)
    os.kill(own.pid, signal.SIGTERM)
    assert own.ended() == 0
    assert printed(own)[before:] == [STOPPED], own.log_tail()
    assert traces(own) == []


def test_a_start_can_be_broken_off(tmp_path: Path) -> None:
    """While Ray is starting: status 0, nothing printed, nothing left."""
    server = OwnSession(tmp_path)
    command = server.command("up", "--ws-port", "0", "--api-port", "0")
    with subprocess.Popen(command, env=server.variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as up:
        until(lambda: list(processes(server.data_dir)), "first process of Ray")
        os.killpg(up.pid, signal.SIGINT)
        said, _ = up.communicate(timeout=HANGING_SECONDS)
    assert (up.returncode, said) == (0, b"")
    assert traces(server) == []


@pytest.mark.parametrize("part", ["gcs_server", "raylet"])
def test_the_server_ends_when_ray_has_ended(own: OwnSession, part: str) -> None:
    """Without it nothing works and nobody would know: one line, status 1, so that a service manager starts it again."""
    before = len(printed(own))
    (pid,) = [pid for pid, title in own.processes().items() if title.split()[0].endswith(f"/{part}")]
    os.kill(pid, signal.SIGKILL)
    assert own.ended() == 1
    (line,) = printed(own)[before:]
    assert re.fullmatch(r"openim-ray: .* of Ray ended unexpectedly.*", line), own.log_tail()
    assert traces(own) == []


# --- detached


@pytest.fixture(scope="module")
def detached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that outlives its `up`."""
    server = Server(tmp_path_factory.mktemp("detached"))
    said = run(server, "up", "--detach", "--ws-port", str(server.ws_port), "--api-port", str(server.api_port))
    assert (said.status, said.err) == (0, "")
    yield server
    run(server, "down")


def test_a_detached_server_is_started_once(detached: Server) -> None:
    """A second start finds it; one in the foreground is refused with the way to end it."""
    before = set(processes_of(detached.data_dir))
    again = run(detached, "up", "--detach", "--ws-port", "0", "--api-port", "0")
    assert again.status == 0
    assert f"  WebSocket   {detached.ws_url}" in again.out.splitlines()
    assert before <= set(processes_of(detached.data_dir))
    assert "openim-ray down" in refusal(run(detached, "up", "--ws-port", "0", "--api-port", "0"))
    assert run(detached, "status").status == 0
    user = detached.add_user("alice")
    assert detached.token(user)


def test_a_detached_server_replaces_what_was_killed(detached: Server) -> None:
    """`up` is gone, and nobody misses it; nor the fork server, in whose place Ray starts the actor itself."""
    titles = processes_of(detached.data_dir)
    (fork_server,) = [pid for pid, title in titles.items() if re.match(r"\S+ \S+/fork_server\.py ", title)]
    (gateway,) = [pid for pid, title in titles.items() if title.startswith("ray::GatewayActor")]
    os.kill(fork_server, signal.SIGKILL)
    os.kill(gateway, signal.SIGKILL)
    until(lambda: _answers(detached), "gateway again")
    assert run(detached, "up", "--detach").status == 0


def _answers(server: Server) -> bool:
    try:
        return get(f"{server.api_url}/readyz")[0] == 200
    except OSError:
        return False


def test_a_ray_that_can_not_be_joined_is_one_line(tmp_path: Path) -> None:
    """And no other Ray is started, joined or ended in its place; not even Ray's own folder is made."""
    home = tmp_path / "home"
    home.mkdir()
    server = Server(tmp_path, environment={"HOME": str(home)})
    server.data_dir.mkdir()
    (server.data_dir / "ray-token").write_text("0" * 64)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        line = refusal(run(server, "up", "--detach", "--cluster-address", address, "--ws-port", "0", "--api-port", "0"))
    assert f"no server answers at {address}" in line
    assert list(home.iterdir()) == []
    assert traces(server) == []


# --- closed


LISTENERS = ("gcs_server", "raylet", "ray::Supervisor", "ray::Gateway", "ray::Inbox", "ray::Persistence")
AGENTS = r"ray::DashboardAgent|dashboard/agent\.py|ray::RuntimeEnvAgent|runtime_env/agent/main\.py"
"""Of Ray, which listen, too; they are left out. They have their program's path for a title until they have given themselves one."""


@pytest.mark.parametrize("mode", ["server", "detached"])
def test_nothing_can_be_reached_from_another_machine(mode: str, request: pytest.FixtureRequest) -> None:
    """Every socket that any process of the server listens on or is connected by is on loopback; ours and all of Ray's, `up` included."""
    server: Server = request.getfixturevalue(mode)
    titles = processes_of(server.data_dir)
    if mode == "server":
        titles[server.pid] = "up"
    assert lacking(titles.values(), AGENTS) == [AGENTS]
    held = sockets(titles)
    listening = [one for one in held if one.state == LISTEN]
    assert {server.ws_port, server.api_port} < {one.port for one in listening}
    expected = (*LISTENERS, "^up$") if mode == "server" else LISTENERS
    assert lacking([titles[one.pid] for one in listening], *expected) == []
    assert [one for one in held if not one.is_closed_to_others] == []


def lacking(titles: Collection[str], *patterns: str) -> list[str]:
    """Return the patterns that fit none of the titles."""
    return [pattern for pattern in patterns if not any(re.search(pattern, title) for title in titles)]


WITHOUT_TOKEN = """
import sys, time
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1])
except AuthenticationError:
    print("refused")
"""


@pytest.mark.parametrize(
    ("mode", "token"), [("server", ""), ("detached", "0" * 64)], ids=["server-none", "detached-wrong"]
)
def test_ray_refuses_a_client_without_the_token(mode: str, token: str, request: pytest.FixtureRequest) -> None:
    """Whoever reaches Ray can run programs, so on a shared machine loopback alone would not do."""
    server: Server = request.getfixturevalue(mode)
    address = json.loads((server.data_dir / "run.json").read_text())["address"]
    variables = {name: value for name, value in server.variables().items() if not name.startswith("RAY_")}
    variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TOKEN, address],
        env=variables,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert done.stdout == "refused\n", done.stderr


def test_down_ends_a_detached_server(detached: Server) -> None:
    """All of it; then there is nothing to end."""
    assert run(detached, "down") == (0, f"{STOPPED}\n", "")
    assert traces(detached) == []
    assert "no server runs" in refusal(run(detached, "down"))
