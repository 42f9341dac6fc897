"""
The command line: `openim-ray up|down|status|user|config|version`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from openim_ray import __version__
from openim_ray.config import Config, ConfigError, default_toml, describe, load_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openim_ray.app import Endpoints

PLATFORMS = {
    "ios": 1,
    "android": 2,
    "windows": 3,
    "osx": 4,
    "web": 5,
    "miniweb": 6,
    "linux": 7,
    "androidpad": 8,
    "ipad": 9,
    "harmonyos": 11,
}
CALL_SECONDS = 10.0


class CommandError(Exception):
    """
    A command can't do what it was asked; the text is one line.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command; returns the exit status: 0 done, 1 failed, 2 can't be done as asked.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except KeyboardInterrupt:
        return 130
    except (ConfigError, CommandError) as error:
        return _fail(str(error))
    except Exception as error:
        if type(error).__name__ in ("StartError", "ClusterError"):
            return _fail(str(error))
        raise


def _fail(text: str) -> int:
    sys.stderr.write(f"openim-ray: {text}\n")
    return 2


# --- up and down


def _up(options: argparse.Namespace) -> None:
    config = _config(options)
    from openim_ray import app

    if options.detach:
        _announce(app.run_detached(config))
    else:
        app.run(config, _announce)


def _announce(endpoints: Endpoints) -> None:
    secret = str(endpoints.secret_file) if endpoints.secret_file else "as configured"
    lines = [
        f"OpenIM on Ray {__version__} is ready",
        *(f"  chat page   {url}/" for url in endpoints.api_urls),
        *(f"  HTTP API    {url}" for url in endpoints.api_urls),
        *(f"  WebSocket   {url}" for url in endpoints.ws_urls),
        f"  data        {endpoints.data_dir}",
        f"  secret      {secret}",
        "  next        openim-ray user add alice && openim-ray user token alice --platform web",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _down(options: argparse.Namespace) -> None:
    config = _config(options)
    from openim_ray import app
    from openim_ray.actors import cluster

    data_dir = Path(config.server.data_dir).resolve()
    run = cluster.read_run_file(data_dir)
    if run is None:
        raise CommandError(f"no server runs with data directory {data_dir}")
    if not run.detached:
        _end_process(run.pid)
        return
    cluster.connect(data_dir)
    app.drain(config)
    cluster.end_actors(config.cluster.namespace)
    cluster.stop()
    if run.loopback:
        cluster.sweep(data_dir)
    cluster.remove_run_file(data_dir)


def _end_process(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        for _ in range(200):
            time.sleep(0.05)
            os.kill(pid, 0)
    except ProcessLookupError:
        return
    raise CommandError(f"process {pid} did not stop within 10 s")


def _status(options: argparse.Namespace) -> int:
    config = _config(options)
    from openim_ray.actors import cluster
    from openim_ray.actors.query import ask
    from openim_ray.actors.settings import SUPERVISOR, gateway_names

    run = cluster.connect(config.server.data_dir)
    actors: list[dict[str, Any]] = ask(SUPERVISOR, "health", CALL_SECONDS)
    ready, detail = ask(gateway_names(config)[0], "ready", CALL_SECONDS)
    if options.json:
        sys.stdout.write(json.dumps({"ready": ready, "detail": detail, "actors": actors}, indent=2) + "\n")
    else:
        _print_status(run.ws_urls, run.api_urls, actors, ready=ready, detail=detail)
    return 0 if ready else 1


def _print_status(
    ws_urls: list[str], api_urls: list[str], actors: list[dict[str, Any]], *, ready: bool, detail: Mapping[str, object]
) -> None:
    console = Console()
    console.print(f"{'ready' if ready else f'not ready: {detail}'}   {' '.join(ws_urls)}   {' '.join(api_urls)}")
    table = Table("actor", "incarnation", "figures")
    for actor in actors:
        figures = {key: value for key, value in actor.items() if key not in ("name", "incarnation")}
        table.add_row(
            str(actor["name"]),
            str(actor.get("incarnation", ""))[:8],
            ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items()),
        )
    console.print(table)


# --- users


def _user_add(options: argparse.Namespace) -> None:
    api = _Api(_config(options))
    user = {"userID": options.user_id, "nickname": options.nickname or options.user_id, "faceURL": ""}
    api.call("/user/user_register", {"users": [user]})
    sys.stdout.write(f"user {options.user_id} added\n")


def _user_token(options: argparse.Namespace) -> None:
    api = _Api(_config(options))
    body = {"userID": options.user_id, "platformID": PLATFORMS[options.platform]}
    sys.stdout.write(str(api.call("/auth/get_user_token", body)["token"]) + "\n")


class _Api:
    """
    The HTTP API of the running server, as its administrator.
    """

    def __init__(self, config: Config) -> None:
        from openim_ray.actors import cluster

        data_dir = Path(config.server.data_dir).resolve()
        run = cluster.read_run_file(data_dir)
        if run is None:
            raise CommandError(f"no server runs with data directory {data_dir}")
        self._base = run.api_urls[0]
        self._token = ""
        body = {"secret": _secret(config, data_dir), "userID": config.auth.admin_user_ids[0]}
        self._token = str(self.call("/auth/get_admin_token", body)["token"])

    def call(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "operationID": uuid.uuid4().hex, "token": self._token}
        request = urllib.request.Request(self._base + path, json.dumps(body).encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:  # noqa: S310
                answer = json.load(response)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise CommandError(f"the server at {self._base} does not answer: {reason}") from error
        if answer["errCode"]:
            detail = answer.get("errDlt") or answer.get("errMsg")
            raise CommandError(f"refused with {answer['errCode']} {answer['errMsg']}: {detail}")
        return dict(answer.get("data") or {})


def _secret(config: Config, data_dir: Path) -> str:
    configured = config.auth.admin_secret.reveal()
    if configured:
        return configured
    from openim_ray.app import SECRET_FILE

    try:
        return (data_dir / SECRET_FILE).read_text().strip()
    except OSError as error:
        raise CommandError(f"admin secret not readable: {data_dir / SECRET_FILE}: {error.strerror}") from error


# --- configuration


def _config_show(options: argparse.Namespace) -> None:
    config = _config(options)
    table = Table("setting", "value", "source", "change", "meaning")
    for row in describe(config):
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def _config_check(options: argparse.Namespace) -> None:
    _config(options)
    sys.stdout.write("the configuration is valid\n")


def _config_default(_options: argparse.Namespace) -> None:
    sys.stdout.write(default_toml())


def _version(_options: argparse.Namespace) -> None:
    sys.stdout.write(f"openim-ray {__version__}\n")


# --- options


def _config(options: argparse.Namespace) -> Config:
    overrides = {name.replace("__", "."): value for name, value in vars(options).items() if "__" in name}
    return load_config(options.config, os.environ, overrides)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="TOML file (or OPENIM_CONFIG)")
    common.add_argument("--data-dir", dest="server__data_dir", metavar="DIR", help="data directory")
    parser = argparse.ArgumentParser(prog="openim-ray", description="OpenIM on Ray: an instant-messaging server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = _command(commands, common, "up", _up, "start the server")
    up.add_argument("--detach", action="store_true", help="make the actors in a running (or new) Ray, and return")
    up.add_argument("--ws-port", dest="server__ws_port", type=int, metavar="PORT")
    up.add_argument("--api-port", dest="server__api_port", type=int, metavar="PORT")
    up.add_argument("--host", dest="server__hosts", action="append", metavar="ADDRESS", help="may be repeated")
    up.add_argument("--placement", dest="inboxes__placement", choices=("shared", "per-user"))
    up.add_argument("--cluster-address", dest="cluster__address", metavar="HOST:PORT", help="the Ray to join")
    up.add_argument("--log-level", dest="log__level", metavar="LEVEL")

    _command(commands, common, "down", _down, "end a running server")
    status = _command(commands, common, "status", _status, "show the actors and whether clients can log in")
    status.add_argument("--json", action="store_true")
    _user_commands(commands, common)
    _config_commands(commands, common)
    _command(commands, common, "version", _version, "print the version")
    return parser


def _user_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    user = commands.add_parser("user", help="add users, make tokens").add_subparsers(required=True, metavar="COMMAND")
    add = _command(user, common, "add", _user_add, "register a user")
    add.add_argument("user_id", metavar="ID")
    add.add_argument("--nickname", default="")
    token = _command(user, common, "token", _user_token, "print a login token")
    token.add_argument("user_id", metavar="ID")
    token.add_argument("--platform", choices=sorted(PLATFORMS), default="web")


def _config_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    config = commands.add_parser("config", help="look at the configuration")
    actions = config.add_subparsers(required=True, metavar="COMMAND")
    _command(actions, common, "show", _config_show, "every setting, its value and where it comes from")
    _command(actions, common, "check", _config_check, "say whether the configuration is valid")
    _command(actions, common, "default", _config_default, "print a file with all defaults")


def _command(commands: Any, common: argparse.ArgumentParser, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, parents=[common], help=text, description=text)
    parser.set_defaults(command=run)
    return parser
