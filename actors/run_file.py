"""
The run file: what a running server leaves in its data directory for scripts, for `openim-ray` and for the next start.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

RUN_FILE = "run.json"


class RunFileDamaged(Exception):
    """
    There is a run file, but it can't be read; the text is one line.
    """


class RunFileUnreadable(RunFileDamaged):
    """
    The system does not let it be read: it belongs to somebody else, or is no file.
    """


class RunFile(msgspec.Struct, frozen=True):
    """
    Where a running server is.

    Args:
        address: of Ray's head, HOST:PORT.
        namespace: of the actors.
        pid: of `openim-ray up`; means nothing once a detached one has returned.
        ws_urls: WebSocket addresses, as bound.
        api_urls: HTTP addresses, as bound.
        public_ws_url: WebSocket address as clients reach it, if configured.
        public_api_url: HTTP address as clients reach it, if configured.
        detached: whether the server outlives `up`.
        loopback: whether Ray was started for this server alone, on loopback.
    """

    address: str
    namespace: str
    pid: int
    ws_urls: list[str]
    api_urls: list[str]
    public_ws_url: str = ""
    public_api_url: str = ""
    detached: bool = False
    loopback: bool = True


def write_run_file(data_dir: Path, run: RunFile) -> None:
    """
    Leave word of a running server, for its owner only.
    """
    partial = data_dir / f".{RUN_FILE}.{os.getpid()}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
    partial.replace(data_dir / RUN_FILE)


def read_run_file(data_dir: Path) -> RunFile | None:
    """
    Return what a server left word of; None if there is nothing.

    RunFileUnreadable if the system does not let it be read, RunFileDamaged if it means nothing.
    """
    path = data_dir / RUN_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunFileUnreadable(f"{path} is not readable: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise RunFileDamaged(f"{path} is damaged: {error}") from error


def no_server(data_dir: Path) -> str:
    """
    Say that no server runs there, and what to do about it.
    """
    return (
        f"no server runs with data directory {data_dir}: "
        "start it (`make serve`, or `openim-ray up`), or name another data directory (OPENIM_DATA_DIR, --data-dir)"
    )


def remove_run_file(data_dir: Path) -> None:
    """
    Take the word back.
    """
    (data_dir / RUN_FILE).unlink(missing_ok=True)
