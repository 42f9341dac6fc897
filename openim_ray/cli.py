"""
The command line: `openim-ray up|down|status|check|backup|restore|migrate|user|config|version`.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import gc
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openim_ray import __version__
from openim_ray.config import Config, ConfigError, default_toml, describe, load_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openim_ray.api_client import ApiClient
    from openim_ray.migrate import Watch
    from openim_ray.prepare import Endpoints

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
STATUS_SECONDS = 5.0
ERASURE_LOOK_SECONDS = 1.0
# By name: what may fail is imported only when a command needs it.
EXPECTED = {"StartError", "ClusterError", "NothingRuns", "CallFailed", "CheckError", "BackupError", "MigrateError"}


class CommandError(Exception):
    """
    A command can't do what it was asked; the text is one line.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command; returns the exit status: 0 done, 1 not well, 2 can't be done as asked.
    """
    return _end(_run(arguments))


def _end(status: int) -> int:
    """End at once if Ray hangs: taking leave of it would, too."""
    cluster = sys.modules.get("openim_ray.actors.cluster")
    if cluster is not None and cluster.hangs():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _run(arguments: Sequence[str] | None) -> int:
    options = _options(arguments)
    try:
        return int(options.command(options) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from flushing into the void at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ConfigError, CommandError) as error:
        return _fail(str(error), 2)
    except Exception as error:
        if EXPECTED.isdisjoint(one.__name__ for one in type(error).__mro__):
            raise
        return _fail(str(error), 2)


def _fail(text: str, status: int) -> int:
    sys.stderr.write(f"openim-ray: {text}\n")
    return status


# --- up and down


def _up(options: argparse.Namespace) -> None:
    config = _config(options)
    gc.disable()  # what is imported stays
    from openim_ray import app

    gc.freeze()
    gc.enable()
    if options.detach:
        _announce(app.run_detached(config, _tell))
        return
    try:
        app.run(config, _announce, _tell)
        sys.stdout.write("the server has stopped\n")
    except app.ServerLost as error:
        _fail(str(error), 1)
        sys.stderr.flush()
        os._exit(1)  # by itself Ray waits for a minute to take leave of the parts that are gone


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _announce(endpoints: Endpoints) -> None:
    secret = str(endpoints.secret_file) if endpoints.secret_file else "as configured"
    pages = [endpoints.public_api_url] if endpoints.public_api_url else endpoints.api_urls
    lines = [
        f"OpenIM on Ray {__version__} is ready",
        *(f"  chat page   {url}/" for url in pages),
        *(f"  HTTP API    {url}" for url in pages),
        *(
            f"  WebSocket   {url}"
            for url in ([endpoints.public_ws_url] if endpoints.public_ws_url else endpoints.ws_urls)
        ),
    ]
    if endpoints.public_api_url or endpoints.public_ws_url:
        lines.append(f"  listens at  {' '.join([*endpoints.ws_urls, *endpoints.api_urls])}")
    lines += [
        f"  data        {endpoints.data_dir}",
        f"  secret      {secret}",
        f"  next        {_for_the_shell(endpoints, 'user', 'add', 'alice')}",
        f"              {_for_the_shell(endpoints, 'user', 'token', 'alice', '--platform', 'web')}",
    ]
    _tell("\n".join(lines))


def _for_the_shell(endpoints: Endpoints, *arguments: str) -> str:
    """Return a command that works when it is pasted into another shell in this directory."""
    if endpoints.data_dir != Path("data").resolve():
        arguments = (*arguments, "--data-dir", str(endpoints.data_dir))
    return shlex.join([*_program(), *arguments])


def _program() -> tuple[str, ...]:
    """Return how this program is called from here: by its name only if the shell finds it."""
    program = Path(sys.argv[0]).absolute()
    if program.name == "__main__.py":
        return sys.executable, "-m", __package__
    if shutil.which(program.name) == str(program):
        return (program.name,)
    return (str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program),)


def _down(options: argparse.Namespace) -> None:
    config = _config(options)
    from openim_ray import app

    app.stop(config)
    sys.stdout.write("the server has stopped\n")


def _status(options: argparse.Namespace) -> int:
    config = _config(options)
    from openim_ray import status

    found = status.look(config, STATUS_SECONDS)
    if options.json:
        sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n")
    elif not found.running:
        return _fail(found.detail, found.exit_status)
    else:
        status.show(found)
    return found.exit_status


def _check(options: argparse.Namespace) -> int:
    config = _config(options)
    from openim_ray import check

    if options.json:
        findings = check.run(config, lambda _fault: None)
        sys.stdout.write(json.dumps(findings.as_json(), indent=2) + "\n")
    else:
        findings = check.run(config, lambda fault: _tell(str(fault)))
        _tell(findings.summary)
    return findings.exit_status


def _backup(options: argparse.Namespace) -> None:
    config = _config(options)
    from openim_ray import backup

    with _interruptible():
        manifest = backup.save(config, options.folder)
    _tell(f"saved {manifest.summary} as of {manifest.made_at} in {options.folder}")


def _restore(options: argparse.Namespace) -> None:
    config = _config(options)
    from openim_ray import restore

    skip = restore.SKIP if options.skip is None else options.skip
    with _interruptible():
        manifest = restore.restore(config, options.folder, skip=skip, replace=options.replace, tell=_tell)
    _tell(f"restored {manifest.summary} as of {manifest.made_at}")
    _tell(f"conversations go on {skip} seqs later, nothing counts as unread, and everybody has to log in anew")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let a service manager's signal do what Ctrl-C does: what was begun is cleared away."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _migrate(options: argparse.Namespace) -> None:
    config = _config(options)
    from openim_ray import migrate

    with _progress() as watch:
        report = migrate.migrate(config, watch)
    for database, place in report.databases.items():
        _tell(f"{database} is in {place} now")
    if report.damaged:
        _tell(f"{report.damaged} damaged messages were copied as they are; `openim-ray check` names them")
    _tell(
        f"copied {report.copied} of {report.messages} messages in {report.seconds:.1f} s ({report.messages_per_second:.0f} a second), "
        f"and compared all in {report.compare_seconds:.1f} s; the files stay as they are"
    )


@contextlib.contextmanager
def _progress() -> Iterator[Watch]:
    """Show on a terminal how far a work is; elsewhere say what begins."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    from openim_ray.migrate import Watch

    console = Console()
    if not console.is_terminal:
        yield Watch(lambda what, count: _tell(f"{what} {count} messages"), lambda _count: None)
        return
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as progress:

        def begin(what: str, count: int) -> None:
            progress.add_task(f"{what} messages", total=count)

        yield Watch(begin, lambda count: progress.advance(progress.task_ids[-1], count))


# --- users


def _user_add(options: argparse.Namespace) -> None:
    _api(options).add_user(options.user_id, options.nickname or options.user_id)
    sys.stdout.write(f"user {options.user_id} added\n")


def _user_token(options: argparse.Namespace) -> None:
    api = _api(options)
    token = api.user_token(options.user_id, options.platform)
    if options.link:
        from openim_ray.web import login_link

        token = login_link(f"{api.page_url}/", options.user_id, token)
    sys.stdout.write(token + "\n")


def _user_disable(options: argparse.Namespace) -> None:
    _api(options).disable_user(options.user_id)
    sys.stdout.write(f"user {options.user_id} disabled: logged out, and can't log in\n")


def _user_enable(options: argparse.Namespace) -> None:
    _api(options).enable_user(options.user_id)
    sys.stdout.write(f"user {options.user_id} enabled\n")


def _user_erase(options: argparse.Namespace) -> int:
    api = _api(options)
    erasure = api.erasure(options.user_id) if options.status else api.erase_user(options.user_id)
    while options.wait and not erasure.is_done:
        time.sleep(ERASURE_LOOK_SECONDS)
        erasure = api.erasure(options.user_id)
    _tell(str(erasure))
    return 0 if erasure.is_done or not options.status else 1


def _api(options: argparse.Namespace) -> ApiClient:
    config = _config(options)
    from openim_ray.api_client import ApiClient

    return ApiClient(config)


# --- configuration


def _config_show(options: argparse.Namespace) -> None:
    config = _config(options)
    from rich.console import Console
    from rich.table import Table

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


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command, whose parser tells what may have been meant by one that there isn't."""
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        known = re.findall(r"--[a-z-]+", options.parser.format_help())
        close = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
        options.parser.error(f"unknown: {shlex.join(unknown)}" + (f"; did you mean {close[0]}?" if close else ""))
    return options


def _platform(text: str) -> int:
    """Return the number of a platform given by name or number."""
    number = PLATFORMS.get(text.lower(), int(text) if text.isdecimal() else 0)
    if number not in PLATFORMS.values():
        raise argparse.ArgumentTypeError(f"{text!r} is none of {_platforms()}")
    return number


def _platforms() -> str:
    return ", ".join(f"{name} ({number})" for name, number in PLATFORMS.items())


def _config(options: argparse.Namespace) -> Config:
    overrides = {name.replace("__", "."): value for name, value in vars(options).items() if "__" in name}
    return load_config(options.config, os.environ, overrides)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="TOML file (or OPENIM_CONFIG)")
    common.add_argument("--data-dir", dest="server__data_dir", metavar="DIR", help="data directory")
    parser = argparse.ArgumentParser(prog="openim-ray", description="OpenIM on Ray: an instant-messaging server.")
    parser.add_argument("--version", action="version", version=f"openim-ray {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = _command(commands, common, "up", _up, "start the server, and serve until Ctrl-C")
    up.add_argument("--detach", action="store_true", help="make the actors in a running (or new) Ray, and return")
    up.add_argument("--ws-port", dest="server__ws_port", metavar="PORT", help="of the WebSocket (default: 10001)")
    up.add_argument("--api-port", dest="server__api_port", metavar="PORT", help="of HTTP (default: 10002)")
    up.add_argument(
        "--host", dest="server__hosts", action="append", metavar="ADDRESS", help="to listen on; may be repeated"
    )
    up.add_argument(
        "--placement", dest="inboxes__placement", metavar="POLICY", help="of inboxes: shared (default) or per-user"
    )
    up.add_argument(
        "--cluster-address", dest="cluster__address", metavar="HOST:PORT", help="the Ray to join, with --detach"
    )
    up.add_argument("--log-level", dest="log__level", metavar="LEVEL", help="debug, info, warning or error")

    _command(commands, common, "down", _down, "end a running server")
    status = _command(commands, common, "status", _status, "show the actors and whether clients can log in")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.epilog = "Exit status: 0 ready, 1 running but not ready, 2 nothing runs."
    check = _command(commands, common, "check", _check, "read every store, and name what is wrong in it")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.epilog = (
        "Nothing is changed; a server may run meanwhile. Exit status: 0 nothing found, 1 faults, 2 not checked."
    )
    _backup_commands(commands, common)
    _user_commands(commands, common)
    _config_commands(commands, common)
    _command(commands, common, "version", _version, "print the version")
    return parser


def _backup_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    backup = _command(commands, common, "backup", _backup, "save the SQLite files in a new folder; a server may run")
    backup.add_argument("folder", type=Path, metavar="FOLDER", help="to be made; must not be there")
    backup.epilog = "Exit status: 0 saved, 2 not saved."
    restore = _command(commands, common, "restore", _restore, "put a backup back; no server may run")
    restore.add_argument("folder", type=Path, metavar="FOLDER", help="a backup")
    restore.add_argument("--replace", action="store_true", help="put what is there aside")
    restore.add_argument(
        "--skip",
        type=int,
        metavar="SEQS",
        help="how much later conversations go on: more than any of them has got since the backup (default: 10000)",
    )
    restore.epilog = "Exit status: 0 restored, 2 not restored."
    text = "take what is in SQLite files to the servers that storage.…_url name; no server may run"
    migrate = _command(commands, common, "migrate", _migrate, text)
    migrate.epilog = "The files stay as they are. Interrupted, call it again. Exit status: 0 migrated, 2 not migrated."


def _user_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    user = commands.add_parser("user", help="add, disable, enable and erase users, make tokens").add_subparsers(
        required=True, metavar="COMMAND"
    )
    add = _command(user, common, "add", _user_add, "register a user")
    add.add_argument("user_id", metavar="ID")
    add.add_argument("--nickname", default="", metavar="NAME", help="what others see (default: the ID)")
    token = _command(user, common, "token", _user_token, "print a login token")
    token.add_argument("user_id", metavar="ID")
    token.add_argument(
        "--platform",
        type=_platform,
        default="web",
        metavar="PLATFORM",
        help=f"where it is for: {_platforms()} (default: web)",
    )
    token.add_argument("--link", action="store_true", help="print a link that signs in at the chat page instead")
    disable = _command(user, common, "disable", _user_disable, "log a user out, and let her not log in again")
    disable.add_argument("user_id", metavar="ID")
    enable = _command(user, common, "enable", _user_enable, "let a disabled user log in again")
    enable.add_argument("user_id", metavar="ID")
    erase = _command(user, common, "erase", _user_erase, "erase a user and what she wrote, for good")
    erase.add_argument("user_id", metavar="ID")
    erase.add_argument("--wait", action="store_true", help="until everything is erased, which may take minutes")
    erase.add_argument("--status", action="store_true", help="begin nothing; tell how far it has come")
    erase.epilog = (
        "Exit status: 0 begun (with --wait or --status: done), 1 with --status: not done yet, 2 can't be done."
    )


def _config_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    config = commands.add_parser("config", help="look at the configuration")
    actions = config.add_subparsers(required=True, metavar="COMMAND")
    _command(actions, common, "show", _config_show, "every setting, its value and where it comes from")
    _command(actions, common, "check", _config_check, "say whether the configuration is valid")
    _command(actions, common, "default", _config_default, "print a file with all defaults")


def _command(commands: Any, common: argparse.ArgumentParser, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, parents=[common], help=text, description=text)
    parser.set_defaults(command=run, parser=parser)
    return parser
