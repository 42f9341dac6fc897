"""The commands beside a running server. What needs no server is in tests/unit/test_cli.py."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import urllib.parse

import pytest

from openim_ray import __version__
from tests.e2e.program import ROOT, refusal, run, run_python
from tests.e2e.server import ApiError, Server

INBOX = str(ROOT / "scripts" / "inbox.py")
WAIT_SECONDS = 30.0
BY_HAND = "print(ray.get(inbox('imAdmin').describe.remote())['user_id'])"


def test_up_says_where_everything_is_and_nothing_else(server: Server) -> None:
    """Where to point a browser and clients, where data and secret lie, and what to do next."""
    lines = server.log_file.read_text().splitlines()
    started = len(lines) - 1 - lines[::-1].index(f"OpenIM on Ray {__version__} is ready")
    command = f"{sys.executable} -m openim_ray"
    assert lines[started:] == [
        f"OpenIM on Ray {__version__} is ready",
        f"  chat page   {server.api_url}/",
        f"  HTTP API    {server.api_url}",
        f"  WebSocket   {server.ws_url}",
        f"  data        {server.data_dir}",
        f"  secret      {server.data_dir / 'admin-secret'}",
        f"  next        {command} user add alice --data-dir {server.data_dir}",
        f"              {command} user token alice --platform web --data-dir {server.data_dir}",
    ]


def test_what_up_says_comes_next_works_when_pasted(server: Server) -> None:
    """Wherever the data lie, and however the program was called."""
    lines = server.log_file.read_text().splitlines()
    first = [number for number, line in enumerate(lines) if line.startswith("  next  ")][-1]
    for line in lines[first : first + 2]:
        done = subprocess.run(
            shlex.split(line.removeprefix("  next")),
            env=server.variables(),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", done.stdout)


def test_everything_in_the_data_directory_is_for_its_owner_only(server: Server) -> None:
    """Secret, Ray's token, run file and databases."""
    assert server.data_dir.stat().st_mode & 0o077 == 0
    files = [file for file in server.data_dir.rglob("*") if file.is_file()]
    assert {"admin-secret", "ray-token", "run.json"} <= {file.name for file in files}
    assert not [str(file) for file in files if file.stat().st_mode & 0o077]


def test_a_second_server_of_the_same_data_directory_is_refused(server: Server) -> None:
    """Detached or not; the running one goes on."""
    for options in ((), ("--detach",)):
        line = refusal(run(server, "up", "--ws-port", "0", "--api-port", "0", *options))
        assert f"in use by another server: `openim-ray status --data-dir {server.data_dir}`" in line
    assert run(server, "status").status == 0


def test_the_port_of_another_server_of_ours_is_refused(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SO_REUSEPORT would let both listen, and each get half of the clients."""
    other = Server(tmp_path_factory.mktemp("other"))
    line = refusal(run(other, "up", "--ws-port", str(server.ws_port), "--api-port", "0"))
    assert f"port {server.ws_port} on 127.0.0.1 can't be used" in line


def test_users_and_tokens_are_made_from_the_command_line(server: Server) -> None:
    """So a newcomer needs no REST call; a second user of the same id, and a token for nobody, are refused with what to do."""
    user = server.add_user("carol").replace("carol", "dave")
    assert run(server, "user", "add", user, "--nickname", "Dave") == (0, f"user {user} added\n", "")
    assert "exists already" in refusal(run(server, "user", "add", user))
    token = run(server, "user", "token", user, "--platform", "ios")
    assert token.status == 0
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token.out)
    answer = server.call("/user/get_users_info", {"userIDs": [user]}, token=token.out.strip())
    assert answer["usersInfo"][0]["nickname"] == "Dave"
    assert f"openim-ray user add {user}-gone" in refusal(run(server, "user", "token", f"{user}-gone"))


def test_accounts_are_disabled_and_enabled_from_the_command_line(server: Server) -> None:
    """A disabled user's token ends and she gets no new one; whom there isn't is said."""
    user = server.add_user("gina")
    token = server.token(user)
    assert run(server, "user", "disable", user).status == 0
    assert "disabled" in refusal(run(server, "user", "token", user))
    with pytest.raises(ApiError) as refused:
        server.call("/user/get_users_info", {"userIDs": [user]}, token=token)
    assert refused.value.code == 1506
    assert run(server, "user", "enable", user) == (0, f"user {user} enabled\n", "")
    assert server.token(user)
    for command in ("disable", "enable"):
        assert f"no user {user}-gone" in refusal(run(server, "user", command, f"{user}-gone"))


def test_a_link_signs_in_at_the_chat_page(server: Server) -> None:
    """User and token stand in the fragment, which browsers keep to themselves."""
    user = server.add_user("erin")
    said = run(server, "user", "token", user, "--link")
    assert said.status == 0
    page, fragment = said.out.strip().split("#")
    assert page == f"{server.api_url}/"
    parameters = dict(urllib.parse.parse_qsl(fragment))
    assert parameters["userID"] == user
    assert server.call("/user/get_users_info", {"userIDs": [user]}, token=parameters["token"])["usersInfo"]


def test_status_tells_how_every_actor_is(server: Server) -> None:
    """For people and for programs; exit status 0 while clients can log in."""
    shown = run(server, "status")
    assert shown.status == 0
    assert shown.out.startswith("ready\n")
    found = json.loads(run(server, "status", "--json").out)
    assert (found["running"], found["ready"], found["api_urls"]) == (True, True, [server.api_url])
    for name in (actor["name"] for actor in found["actors"]):
        assert name in shown.out
    assert {"gateway-0", "inbox-0", "persistence-0"} <= {actor["name"] for actor in found["actors"]}


# --- asking an inbox


def test_a_script_asks_a_live_inbox(server: Server) -> None:
    """As an object for programs and as a table for people."""
    user = server.add_user("frank")
    described = json.loads(run_python(server, INBOX, user, "--json").out)
    assert described["user_id"] == user
    assert {"position", "buffer", "devices", "conversations", "actor"} <= described.keys()
    shown = run_python(server, INBOX, user, "--data-dir", str(server.data_dir))
    assert (shown.status, shown.err) == (0, "")
    assert f"inbox of {user} on {described['actor']}" in shown.out


def test_a_script_says_in_one_line_what_is_wrong(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No user, no server, a server that is gone, and a wrong or missing token; none is waited for long."""
    assert refusal(run_python(server, INBOX, "nobody-at-all")) == "inbox: no user 'nobody-at-all'"
    folder = tmp_path_factory.mktemp("elsewhere")
    assert "no server runs" in refusal(run_python(server, INBOX, "alice", "--data-dir", str(folder)))
    run_file = json.loads((server.data_dir / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run_file))
    assert "ray-token" in refusal(run_python(server, INBOX, "alice", "--data-dir", str(folder)))
    (folder / "ray-token").write_text("0" * 64)
    assert "refuses the token" in refusal(run_python(server, INBOX, "alice", "--data-dir", str(folder)))
    (folder / "run.json").write_text(json.dumps({**run_file, "address": "127.0.0.1:1"}))
    assert "no server answers" in refusal(run_python(server, INBOX, "alice", "--data-dir", str(folder)))


@pytest.mark.parametrize(
    "imports",
    [
        "import ray; from openim_ray.actors import connect, inbox",
        "from openim_ray.actors import connect, inbox; import ray",
    ],
    ids=["ray first", "ray last"],
)
def test_an_inbox_is_asked_by_hand_in_three_lines(server: Server, imports: str) -> None:
    """Whatever was imported first; connecting twice is once."""
    said = run_python(server, "-c", f"{imports}\nconnect(); connect()\n{BY_HAND}")
    assert (said.status, said.out) == (0, "imAdmin\n"), said.err


def test_a_process_that_has_a_ray_of_its_own_is_told_so(server: Server) -> None:
    """It can't have two."""
    lines = [
        "import ray, sys",
        "from openim_ray.actors import ClusterError, connect",
        "connect()",
        "import openim_ray.actors.cluster as cluster",
        "cluster._address = 'elsewhere'",
        "try: connect()",
        "except ClusterError as error: print(error)",
    ]
    said = run_python(server, "-c", "\n".join(lines))
    assert "call ray.shutdown() first" in said.out
